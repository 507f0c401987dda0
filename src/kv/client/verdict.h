#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"

namespace trireme::kv::internal {

/// What the failure of one try says of its execution.
enum class Verdict {
  kFinal,        // The server's answer to the request: it was looked at and refused.
  kNotExecuted,  // It was not executed and never will be: try again anywhere.
  kUnknown,      // It may have been executed, or may yet be.
};

/// `status` is not OK. An answer of etcd's can mean any of the three: a member that has lost its
/// leader refuses requests unread, one that loses it while a request is under way does not know.
Verdict Judge(const absl::Status& status);

/// `status`, marked so that MayHaveTakenEffect tells; OK stays OK.
absl::Status MarkMaybe(absl::Status status);

/// The server's answer that a lease does not exist.
bool IsLeaseGone(const absl::Status& status);

/// An answer that history up to a revision is gone; which one etcd does not say.
bool IsCompacted(const absl::Status& status);
absl::Status CompactedError(std::int64_t wanted, std::int64_t compacted);

}  // namespace trireme::kv::internal
