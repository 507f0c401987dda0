#include "kv/client/retrying_call.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "kv/client/verdict.h"
#include "rpc/status.h"

namespace trireme::kv::internal {
namespace {

// Trireme's servers name the leader's client address here when they refuse a request.
constexpr std::string_view kLeaderHint = "trireme-leader";

}  // namespace

RetryingCall::RetryingCall(std::shared_ptr<Core> core, CallPlan plan)
    : core_(std::move(core)), plan_(std::move(plan)), deadline_(After(plan_.timeout)) {}

void RetryingCall::Begin() {
  if (core_->closed()) return Finish(ClientClosed());
  core_->Add(shared_from_this());
  Try();
}

void RetryingCall::Stop() {
  core_->loop()->Disarm(*this);
  if (under_way_) tainted_ = true;
  Finish(ClientClosed());
}

absl::Duration RetryingCall::Remaining() const {
  if (deadline_ == Clock::time_point::max()) return absl::InfiniteDuration();
  return absl::FromChrono(deadline_ - Clock::now());
}

void RetryingCall::Try() {
  const absl::Duration remaining = Remaining();
  if (remaining <= absl::ZeroDuration()) return Finish(OutOfTime());
  endpoint_ = core_->endpoints().current();
  rpc::CallOptions options;
  options.timeout =
      plan_.repeatable ? std::min(remaining, core_->options().try_timeout) : remaining;
  options.metadata = Core::CallMetadata();
  under_way_ = true;
  core_->endpoints().channel(endpoint_)->StartUnary(
      plan_.method, plan_.request(tainted_), std::move(options),
      [self = shared_from_this()](absl::StatusOr<std::string> reply,
                                  const rpc::ReplyMetadata& metadata) {
        self->OnReply(std::move(reply), metadata);
      });
}

void RetryingCall::OnReply(absl::StatusOr<std::string> reply, const rpc::ReplyMetadata& metadata) {
  if (finished_) return;
  under_way_ = false;
  if (reply.ok()) return Finish(std::move(reply));
  last_error_ = reply.status();
  const Verdict verdict = Judge(last_error_);
  // A reply that is too long stays so.
  const bool hopeless = absl::IsResourceExhausted(last_error_) && verdict == Verdict::kUnknown;
  if (verdict == Verdict::kUnknown) tainted_ = true;
  if (verdict == Verdict::kFinal || hopeless || (tainted_ && !plan_.repeatable)) {
    return Finish(last_error_);
  }
  TryAgain(metadata);
}

void RetryingCall::TryAgain(const rpc::ReplyMetadata& metadata) {
  ++failures_;
  core_->endpoints().Failed(endpoint_);
  if (const std::string* leader = rpc::FindMetadata(metadata.trailing, kLeaderHint)) {
    core_->endpoints().Prefer(*leader);
  }
  const absl::Duration wait = core_->BackoffAfter(failures_);
  if (wait >= Remaining()) return Finish(OutOfTime());
  core_->loop()->Arm(*this, After(wait));
}

absl::Status RetryingCall::OutOfTime() const {
  return absl::DeadlineExceededError(
      fmt::format("{}: no answer within {} from any of {} in {} tries; the last: {}", plan_.method,
                  absl::FormatDuration(plan_.timeout), core_->endpoints().names(), failures_,
                  std::string(last_error_.message())));
}

void RetryingCall::Finish(absl::StatusOr<std::string> reply) {
  if (std::exchange(finished_, true)) return;
  const std::shared_ptr<RetryingCall> self = shared_from_this();
  core_->Remove(this);
  std::exchange(plan_.done, nullptr)(std::move(reply), tainted_);
}

}  // namespace trireme::kv::internal
