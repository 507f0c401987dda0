#pragma once

#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

/// etcd's requests. Keys and values are views: what they point into must outlive the request.
namespace trireme::kv::inline engine {

using LeaseId = std::int64_t;
inline constexpr LeaseId kNoLease = 0;

/// etcd's numbers throughout.
enum class SortOrder : std::uint8_t { kNone, kAscend, kDescend };
enum class SortTarget : std::uint8_t { kKey, kVersion, kCreate, kMod, kValue };
enum class CompareResult : std::uint8_t { kEqual, kGreater, kLess, kNotEqual };
enum class CompareTarget : std::uint8_t { kVersion, kCreate, kMod, kValue, kLease };

/// One past the last number of each.
inline constexpr std::uint8_t kSortOrders = 3, kSortTargets = 5, kCompareResults = 4,
                              kCompareTargets = 5;

/// A range's end: empty for the single key, one zero byte for every key from `key` on.
inline constexpr std::string_view kFromKey("\0", 1);

struct RangeRequest {
  std::string_view key;
  std::string_view end;
  std::int64_t limit = 0;     ///< 0 or less: none.
  std::int64_t revision = 0;  ///< 0 or less: the newest.
  SortOrder order = SortOrder::kNone;
  SortTarget target = SortTarget::kKey;
  bool keys_only = false;
  bool count_only = false;
  /// Bounds on the revisions of what is returned, both ends included; 0: no bound.
  std::int64_t min_mod = 0, max_mod = 0, min_create = 0, max_create = 0;
};

struct PutRequest {
  std::string_view key;
  std::string_view value;
  LeaseId lease = kNoLease;
  bool prev_kv = false;
  bool ignore_value = false;  ///< Keeps the value there is.
  bool ignore_lease = false;  ///< Keeps the lease there is.
};

struct DeleteRangeRequest {
  std::string_view key;
  std::string_view end;
  bool prev_kv = false;
};

struct Compare {
  CompareResult result = CompareResult::kEqual;
  CompareTarget target = CompareTarget::kVersion;
  std::string_view key;
  std::string_view end;
  std::int64_t number = 0;  ///< What to compare with, for every target but kValue.
  std::string_view value;   ///< For kValue.
};

struct RequestOp;

/// All compares true: `success`, else `failure`. Compares of nested transactions too see the state
/// before the whole.
struct TxnRequest {
  std::vector<Compare> compares;
  std::vector<RequestOp> success;
  std::vector<RequestOp> failure;
};

/// std::monostate: a message without any request, which is refused as etcd does.
struct RequestOp {
  std::variant<std::monostate, RangeRequest, PutRequest, DeleteRangeRequest, TxnRequest> request;
};

struct CompactRequest {
  std::int64_t revision = 0;
};

struct LeaseGrantRequest {
  LeaseId id = kNoLease;   ///< Chosen by the server when the client gave none.
  std::int64_t ttl_s = 0;  ///< Already raised to the least the server grants.
};

struct LeaseRevokeRequest {
  LeaseId id = kNoLease;
};

/// Many in one command, so that a server with 10,000 leases need not propose each renewal alone.
struct LeaseKeepAliveRequest {
  std::vector<LeaseId> ids;
};

/// Ends leases whose time has come.
struct TickRequest {};

/// A new leader's first command: every lease runs for its full ttl and `extend_ms` from now.
struct ExtendLeasesRequest {
  std::int64_t extend_ms = 0;
};

/// Something that the servers keep for themselves beside the keys: no revision, no event, no part
/// of the hash. An empty value removes it.
struct NoteRequest {
  std::string_view name;  ///< Not empty, at most kNoteNameBytesMax.
  std::string_view value;
};
inline constexpr std::size_t kNoteNameBytesMax = 256;

/// A change, as it stands in the log.
struct Command {
  std::int64_t time_ms = 0;  ///< Lease time, see docs/formats/kv-store.md.
  std::variant<PutRequest, DeleteRangeRequest, TxnRequest, CompactRequest, LeaseGrantRequest,
               LeaseRevokeRequest, LeaseKeepAliveRequest, TickRequest, ExtendLeasesRequest,
               NoteRequest>
      body;
};

}  // namespace trireme::kv::inline engine
