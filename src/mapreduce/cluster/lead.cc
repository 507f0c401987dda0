#include "mapreduce/cluster/lead.h"

#include "absl/time/time.h"

namespace trireme::mapreduce::cluster {
namespace {

/// Of one question; the KV's leader may be changing.
constexpr absl::Duration kConfirmTimeout = absl::Seconds(1);

}  // namespace

absl::Status Lead::Confirm() const {
  kv::Txn look;
  look.Then(kv::Get(leadership_->key()));
  const kv::Txn fenced = leadership_->Fenced(std::move(look));
  while (Held()) {
    const absl::Status answer = client_.Commit(fenced, {.timeout = kConfirmTimeout}).status();
    if (answer.ok()) return absl::OkStatus();
    if (absl::IsFailedPrecondition(answer)) break;
  }
  return absl::CancelledError("this coordinator does not lead any more");
}

}  // namespace trireme::mapreduce::cluster
