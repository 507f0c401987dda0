#include "kv/client/verdict.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include <trireme/kv.h>
#include "absl/strings/cord.h"
#include "fmt/format.h"
#include "rpc/status.h"

namespace trireme::kv {
namespace internal {
namespace {

constexpr char kMaybeUrl[] = "trireme.kv/maybe";
constexpr char kCompactedUrl[] = "trireme.kv/compacted";

// etcd refuses these before it proposes anything (api/v3rpc/rpctypes, error.go; the last is Raft's
// own: a proposal dropped for want of a leader).
constexpr std::array<std::string_view, 6> kRefusedUnread = {
    "etcdserver: no leader",         "etcdserver: not capable",
    "etcdserver: too many requests", "etcdserver: rpc not supported for learner",
    "etcdserver: not leader",        "raft proposal dropped",
};

std::string_view MessageOf(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

bool AnswersFinally(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDataLoss:
      return false;
    default:
      return true;
  }
}

}  // namespace

Verdict Judge(const absl::Status& status) {
  switch (rpc::OutcomeOf(status)) {
    case rpc::Outcome::kNotExecuted:
      return Verdict::kNotExecuted;
    case rpc::Outcome::kUnknown:
      return Verdict::kUnknown;
    case rpc::Outcome::kAnswered:
      break;
  }
  if (std::ranges::find(kRefusedUnread, MessageOf(status)) != kRefusedUnread.end()) {
    return Verdict::kNotExecuted;
  }
  return AnswersFinally(status.code()) ? Verdict::kFinal : Verdict::kUnknown;
}

absl::Status MarkMaybe(absl::Status status) {
  if (!status.ok()) status.SetPayload(kMaybeUrl, absl::Cord("1"));
  return status;
}

bool IsLeaseGone(const absl::Status& status) {
  return absl::IsNotFound(status) && MessageOf(status) == "etcdserver: requested lease not found";
}

bool IsCompacted(const absl::Status& status) {
  return absl::IsOutOfRange(status) &&
         MessageOf(status) == "etcdserver: mvcc: required revision has been compacted";
}

absl::Status CompactedError(std::int64_t wanted, std::int64_t compacted) {
  absl::Status status = absl::OutOfRangeError(fmt::format(
      "revision {} is gone: history has been compacted up to {}; read the keys anew and "
      "watch from the revision of that",
      wanted, compacted));
  status.SetPayload(kCompactedUrl, absl::Cord(fmt::format("{}", compacted)));
  return status;
}

}  // namespace internal

bool MayHaveTakenEffect(const absl::Status& status) {
  return status.GetPayload(internal::kMaybeUrl).has_value();
}

std::optional<Revision> CompactedAt(const absl::Status& status) {
  const auto payload = status.GetPayload(internal::kCompactedUrl);
  if (!payload.has_value()) return std::nullopt;
  const std::string text(*payload);
  Revision revision;
  std::from_chars(text.data(), text.data() + text.size(), revision.value);
  return revision;
}

}  // namespace trireme::kv
