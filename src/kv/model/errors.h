#pragma once

#include <cstdint>
#include <string_view>

/// What etcd answers when a request cannot be done. Clients match on code and text.
namespace trireme::kv::inline engine {

enum class Error : std::uint8_t {
  kNone,
  kEmptyKey,
  kKeyNotFound,
  kValueProvided,
  kLeaseProvided,
  kTooManyOps,
  kDuplicateKey,
  kInvalidSortOption,
  kCompacted,
  kFutureRevision,
  kLeaseNotFound,
  kLeaseExists,
  kLeaseTtlTooLarge,
  kRequestTooLarge,
  kNoSpace,
};

/// gRPC's status code.
int CodeOf(Error error);
/// The status message, with etcd's prefix "etcdserver: ".
std::string_view TextOf(Error error);

/// What a watch is told, in WatchResponse.cancel_reason.
inline constexpr std::string_view kWatchRangeEmpty = "mvcc: watcher range is empty";
inline constexpr std::string_view kWatchIdTaken =
    "mvcc: duplicate watch ID provided on the WatchStream";
inline constexpr std::string_view kWatchCompacted =
    "etcdserver: mvcc: required revision has been compacted";

}  // namespace trireme::kv::inline engine
