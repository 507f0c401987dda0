#include "kv/server/rpc_errors.h"

#include <string>

#include "absl/strings/match.h"
#include "fmt/format.h"

namespace trireme::kv::inline engine {

absl::Status StatusOf(Error error) {
  return {static_cast<absl::StatusCode>(CodeOf(error)), std::string(TextOf(error))};
}

absl::Status NoLeader() {
  return absl::UnavailableError("etcdserver: no leader");
}
absl::Status TooManyRequests() {
  return absl::ResourceExhaustedError("etcdserver: too many requests");
}
absl::Status Stopped() {
  return absl::UnavailableError("etcdserver: server stopped");
}
absl::Status TimedOut() {
  return absl::UnavailableError(
      "etcdserver: request timed out, possibly due to previous leader failure");
}
absl::Status Unparsable(std::string_view method) {
  return absl::InternalError(
      fmt::format("the request of '{}' is not the message it takes", method));
}

absl::Status StatusOf(const raft::ProposalResult& result) {
  if (result.state != raft::ProposalState::kNotExecuted) return TimedOut();
  switch (result.status.code()) {
    case absl::StatusCode::kInvalidArgument:
      return StatusOf(Error::kRequestTooLarge);
    case absl::StatusCode::kResourceExhausted:
      return absl::StrContains(result.status.message(), "disk") ? StatusOf(Error::kNoSpace)
                                                                : TooManyRequests();
    case absl::StatusCode::kUnavailable:
      return NoLeader();
    default:
      return Stopped();
  }
}

absl::Status ReadStatusOf(const absl::Status& status) {
  if (absl::IsResourceExhausted(status)) return TooManyRequests();
  return absl::IsUnavailable(status) ? NoLeader() : Stopped();
}

}  // namespace trireme::kv::inline engine
