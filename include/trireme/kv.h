#pragma once

/// Trireme KV: a client of any store that speaks etcd's v3 API, Trireme's own or etcd itself.
///
/// What a call says is true. A write that was perhaps executed is never reported as failed, and one
/// that was not is never repeated behind the caller's back: a call ends as done, as not done, or as
/// Maybe, and Maybe exactly when a try left this machine and no answer tells what became of it.
///
/// Threads: Client may be used by any number of threads; so may Lease, Lock and Leadership, but for
/// moving and destroying them. A Watcher has one reader. Callbacks of the Async calls and of OnLost
/// run on the client's own io thread: they must not block, nor make blocking calls. Destroy handles
/// before the client they came from.
///
/// Errors are absl::Status. INVALID_ARGUMENT, FAILED_PRECONDITION, NOT_FOUND, OUT_OF_RANGE,
/// RESOURCE_EXHAUSTED and PERMISSION_DENIED are the server's answer and final. UNAVAILABLE and
/// DEADLINE_EXCEEDED say that no server answered in time, and which were tried; after a write ask
/// MayHaveTakenEffect. Keys and values are any bytes; a key is not empty.

#include <atomic>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace trireme::kv {

namespace internal {
class Core;
class HeldLease;
class Ownership;
class WatchFeed;
}  // namespace internal

/// The store's logical time: one step for each transaction that wrote. 0: none, or the newest.
struct Revision {
  std::int64_t value = 0;
  friend constexpr auto operator<=>(Revision, Revision) = default;
};

/// Writes to a key since it was created; 1 after the first. Starts again when it is deleted.
struct Version {
  std::int64_t value = 0;
  friend constexpr auto operator<=>(Version, Version) = default;
};
inline constexpr Version kAbsent{0};       ///< Put creates the key.
inline constexpr Version kAnyVersion{-1};  ///< Put writes whatever is there.

struct LeaseId {
  std::int64_t value = 0;  ///< 0: no lease.
  friend constexpr auto operator<=>(LeaseId, LeaseId) = default;
};

/// Grows with every holder of a lock or an election, across all clients: a resource that remembers
/// the greatest it has seen can refuse a holder that lost the lock without noticing.
struct FencingToken {
  std::int64_t value = 0;
  friend constexpr auto operator<=>(FencingToken, FencingToken) = default;
};

struct KeyValue {
  std::string key;
  std::string value;
  Version version;
  Revision created;   ///< When this life of the key began.
  Revision modified;  ///< Its last write.
  LeaseId lease;
  friend bool operator==(const KeyValue&, const KeyValue&) = default;
};

/// Keys from `begin` up to and without `end`, in byte order.
struct KeyRange {
  std::string begin;
  std::string end;  ///< Empty: `begin` alone. One zero byte: without an end.

  static KeyRange Single(std::string_view key);
  static KeyRange Prefix(std::string_view prefix);
  static KeyRange From(std::string_view key);
  static KeyRange All();
};

// ---- Connecting.

/// Whom to trust and who to be, in PEM; an empty `ca_pem` is the system's store. `server_name`
/// replaces the endpoint's host as the name that the certificate must bear. With `skip_verify`
/// whatever certificate the server shows is taken: for tests alone.
struct TlsOptions {
  std::string ca_pem;
  std::string certificate_chain_pem;
  std::string private_key_pem;
  std::string server_name;
  bool skip_verify = false;
};

/// Defaults of the options below; docs/kv-client.md has the table.
inline constexpr absl::Duration kCallTimeout = absl::Seconds(10);
inline constexpr absl::Duration kTryTimeout = absl::Seconds(3);
inline constexpr absl::Duration kBackoffMin = absl::Milliseconds(10);
inline constexpr absl::Duration kBackoffMax = absl::Seconds(1);
inline constexpr absl::Duration kConnectTimeout = absl::Seconds(2);
inline constexpr absl::Duration kKeepaliveInterval = absl::Seconds(10);
inline constexpr absl::Duration kKeepaliveTimeout = absl::Seconds(5);
inline constexpr std::size_t kReplyBytesMax = 64u << 20;
inline constexpr absl::Duration kLeaseTtl = absl::Seconds(10);
inline constexpr absl::Duration kOperationTtl = absl::Seconds(60);
inline constexpr std::size_t kWatchQueueBytesMax = 4u << 20;
inline constexpr std::string_view kOperationPrefix = "_trireme/op/";

struct ClientOptions {
  /// `host:port`, `[ipv6]:port`, `unix:/path`, each also after `http://` or, with `tls`,
  /// `https://`. Calls go to one of them until it fails, then to the next.
  std::vector<std::string> endpoints = {"127.0.0.1:2379"};
  std::optional<TlsOptions> tls;

  absl::Duration call_timeout = kCallTimeout;  ///< Of calls that name none.
  /// After it a call that may be repeated is tried on another endpoint.
  absl::Duration try_timeout = kTryTimeout;
  /// Wait when all endpoints failed, doubling from min to max, each with 50 % jitter.
  absl::Duration backoff_min = kBackoffMin;
  absl::Duration backoff_max = kBackoffMax;
  absl::Duration connect_timeout = kConnectTimeout;
  /// Silence on a connection in use before a ping, and after it before the connection is given up.
  /// etcd closes connections that ping more often than every 5 s.
  absl::Duration keepalive_interval = kKeepaliveInterval;
  absl::Duration keepalive_timeout = kKeepaliveTimeout;
  /// A longer reply ends its call with RESOURCE_EXHAUSTED.
  std::size_t reply_bytes_max = kReplyBytesMax;

  /// Where operation ids are kept (see PutOptions::certain), and how long after this client died.
  std::string operation_prefix = std::string(kOperationPrefix);
  absl::Duration operation_ttl = kOperationTtl;
};

// ---- Reading and writing.

struct CallOptions {
  absl::Duration timeout = absl::ZeroDuration();  ///< Zero: ClientOptions::call_timeout.
};

struct GetOptions {
  absl::Duration timeout = absl::ZeroDuration();
  Revision revision;  ///< As of then; OUT_OF_RANGE when compacted or not yet reached.
  bool serializable =
      false;  ///< From any member's store, perhaps stale, without asking the others.
};

enum class SortBy { kKey, kVersion, kCreated, kModified, kValue };
enum class Order { kNone, kAscending, kDescending };

struct RangeQuery {
  KeyRange range;
  std::int64_t limit = 0;  ///< 0: none.
  Revision revision;
  Order order = Order::kNone;
  SortBy sort_by = SortBy::kKey;
  bool serializable = false;
  bool keys_only = false;
  bool count_only = false;
  Revision modified_min, modified_max, created_min, created_max;  ///< 0: no bound.
};

struct RangeResult {
  std::vector<KeyValue> keys;
  bool more = false;       ///< `limit` cut it short.
  std::int64_t count = 0;  ///< Keys in the range, whatever the limit.
  Revision revision;       ///< Of the store when it was read.
};

struct PutOptions {
  absl::Duration timeout = absl::ZeroDuration();
  LeaseId lease;  ///< The key is deleted when the lease ends.
  /// An id of the operation is written in the same transaction, so that after a lost answer a later
  /// try finds out what became of the first. kMaybe is left only if no server answers in time.
  bool certain = false;
};

enum class PutCode {
  kOk,
  kNoKey,            ///< Not written: there is no such key, and `version` was not kAbsent.
  kVersionMismatch,  ///< Not written: the key has another version.
  kMaybe,            ///< A try may have taken effect, now or in a moment.
};

struct PutResult {
  PutCode code = PutCode::kOk;
  /// kOk: the key's new version (kAnyVersion: not known). kVersionMismatch: its version when it was
  /// refused, unless that answer was lost.
  Version version;
  Revision revision;  ///< Of the store at the answer; kMaybe: none.
};

struct DeleteResult {
  std::int64_t deleted = 0;
  Revision revision;
};

// ---- Transactions.

enum class Field { kVersion, kCreated, kModified, kValue, kLease };
enum class Relation { kEqual, kGreater, kLess, kNotEqual };

/// A condition on a key's present state; an absent key has version, revisions and lease 0. Made by
/// `VersionOf("key") == Version{3}` and the like.
struct Compare {
  std::string key;
  Field field = Field::kVersion;
  Relation relation = Relation::kEqual;
  std::variant<std::int64_t, std::string> operand;  ///< A string for kValue, else a number.
};

template <Field kField, class Value>
struct FieldOf {
  explicit FieldOf(std::string_view of) : key(of) {}
  std::string key;

  Compare Is(Relation relation, const Value& value) const {
    if constexpr (kField == Field::kValue) {
      return {key, kField, relation, value};
    } else {
      return {key, kField, relation, value.value};
    }
  }
  friend Compare operator==(const FieldOf& f, const Value& v) { return f.Is(Relation::kEqual, v); }
  friend Compare operator!=(const FieldOf& f, const Value& v) {
    return f.Is(Relation::kNotEqual, v);
  }
  friend Compare operator<(const FieldOf& f, const Value& v) { return f.Is(Relation::kLess, v); }
  friend Compare operator>(const FieldOf& f, const Value& v) { return f.Is(Relation::kGreater, v); }
};
using VersionOf = FieldOf<Field::kVersion, Version>;
using CreatedOf = FieldOf<Field::kCreated, Revision>;
using ModifiedOf = FieldOf<Field::kModified, Revision>;
using ValueOf = FieldOf<Field::kValue, std::string>;
using LeaseOf = FieldOf<Field::kLease, LeaseId>;

/// One step of a transaction. Made by the functions below.
struct PutStep {
  std::string key;
  std::string value;
  LeaseId lease;
};
struct DeleteStep {
  KeyRange range;
};
class Txn;
struct TxnStep {
  std::shared_ptr<const Txn> txn;
};
using Step = std::variant<RangeQuery, PutStep, DeleteStep, TxnStep>;

Step Get(std::string_view key);
Step Get(RangeQuery query);
Step Put(std::string_view key, std::string_view value, LeaseId lease = {});
Step Delete(std::string_view key);
Step Delete(KeyRange range);
Step Nested(Txn txn);

/// If every condition holds, the steps of Then, otherwise those of Else, as one change that is seen
/// whole or not at all. No key may be written twice by one branch.
class Txn {
 public:
  template <class... Compares>
  Txn& If(Compares... compares) {
    (compares_.push_back(std::move(compares)), ...);
    return *this;
  }
  template <class... Steps>
  Txn& Then(Steps... steps) {
    (then_.push_back(std::move(steps)), ...);
    return *this;
  }
  template <class... Steps>
  Txn& Else(Steps... steps) {
    (else_.push_back(std::move(steps)), ...);
    return *this;
  }

  const std::vector<Compare>& compares() const { return compares_; }
  const std::vector<Step>& then_steps() const { return then_; }
  const std::vector<Step>& else_steps() const { return else_; }
  /// Conditions under which the transaction runs at all; see Lock::Fenced.
  const std::vector<Compare>& fences() const { return fences_; }
  Txn& Fence(Compare fence) {
    fences_.push_back(std::move(fence));
    return *this;
  }

 private:
  std::vector<Compare> compares_, fences_;
  std::vector<Step> then_, else_;
};

struct Written {};
struct StepResult;

struct TxnResult {
  bool succeeded = false;  ///< The conditions held: Then ran.
  Revision revision;
  std::vector<StepResult> results;  ///< One for each step that ran, in order.
  /// The answer was lost, and a later try of a certain transaction found out that it had run:
  /// `succeeded` is true to fact, `results` is empty.
  bool results_lost = false;
};

struct StepResult {
  std::variant<Written, RangeResult, DeleteResult, TxnResult> value;

  const RangeResult* range() const { return std::get_if<RangeResult>(&value); }
  const DeleteResult* deleted() const { return std::get_if<DeleteResult>(&value); }
  const TxnResult* txn() const { return std::get_if<TxnResult>(&value); }
};

struct TxnOptions {
  absl::Duration timeout = absl::ZeroDuration();
  bool certain = false;  ///< As PutOptions::certain.
};

/// Of a write's error: whether it may have been executed all the same, now or in a moment.
bool MayHaveTakenEffect(const absl::Status& status);

/// Of an error of Get, Range or Next: the revision up to which history is gone, when that is why.
std::optional<Revision> CompactedAt(const absl::Status& status);

// ---- Leases, locks, elections.

struct LeaseOptions {
  absl::Duration timeout = absl::ZeroDuration();  ///< Of the grant.
  absl::Duration ttl = kLeaseTtl;  ///< Whole seconds, rounded up; the server may grant more.
};

/// A lease, renewed at a third of its time for as long as this object lives (all leases of a client
/// share one stream) and revoked with it. It counts as lost by this machine's clock, from before
/// the request that renewed it last was sent, and a tenth of its time early: when alive() is true
/// the server has not let it expire, unless this clock runs more than a tenth slow.
class Lease {
 public:
  Lease(Lease&&) noexcept;
  Lease& operator=(Lease&&) noexcept;
  ~Lease();  ///< Revokes, without waiting.

  LeaseId id() const;
  absl::Duration ttl() const;  ///< As granted.
  bool alive() const;
  /// Waits until the lease is lost or revoked; false when it still lives after `timeout`.
  bool WaitLost(absl::Duration timeout) const;
  /// Runs `callback` once, when the lease is lost, not when it is revoked; at once if it is lost.
  void OnLost(absl::AnyInvocable<void()> callback);
  /// Ends the lease and deletes its keys. OK also when it was over already. On another error it is
  /// renewed no more and ends by itself.
  absl::Status Revoke(CallOptions options = {});

 private:
  friend class Client;
  explicit Lease(std::shared_ptr<internal::HeldLease> held);
  std::shared_ptr<internal::HeldLease> held_;
};

struct LockOptions {
  absl::Duration timeout = absl::InfiniteDuration();  ///< Of waiting for the lock.
  absl::Duration ttl = kLeaseTtl;  ///< A holder that dies keeps others out for so long.
  /// Looked at about three times in a ttl: once it is true the wait ends with CANCELLED.
  const std::atomic<bool>* cancelled = nullptr;
};

/// A held lock. Waiters get it in the order in which they came. It is interoperable with etcd's own
/// locks: the key is `name/` and the lease's id in hexadecimal.
class Lock {
 public:
  Lock(Lock&&) noexcept;
  Lock& operator=(Lock&&) noexcept;
  ~Lock();  ///< Releases, without waiting.

  FencingToken token() const;
  const std::string& key() const;  ///< It exists for as long as the lock is held.
  bool held() const;               ///< By this machine's clock; see Lease.
  bool WaitLost(absl::Duration timeout) const;
  void OnLost(absl::AnyInvocable<void()> callback);
  /// `txn`, which the server refuses as a whole, with FAILED_PRECONDITION, once the lock is lost.
  [[nodiscard]] Txn Fenced(Txn txn) const;
  /// On an error the lock is free once its lease ends.
  absl::Status Release(CallOptions options = {});

 private:
  friend class Client;
  explicit Lock(std::shared_ptr<internal::Ownership> ownership);
  std::shared_ptr<internal::Ownership> ownership_;
};

/// An election that was won. Others see the value given to Campaign or Proclaim last.
class Leadership {
 public:
  Leadership(Leadership&&) noexcept;
  Leadership& operator=(Leadership&&) noexcept;
  ~Leadership();  ///< Resigns, without waiting.

  FencingToken token() const;
  const std::string& key() const;
  bool held() const;
  bool WaitLost(absl::Duration timeout) const;
  void OnLost(absl::AnyInvocable<void()> callback);
  [[nodiscard]] Txn Fenced(Txn txn) const;
  /// Announces another value; repeated until certain or out of time. FAILED_PRECONDITION: no longer
  /// leader.
  absl::Status Proclaim(std::string_view value, CallOptions options = {});
  absl::Status Resign(CallOptions options = {});

 private:
  friend class Client;
  explicit Leadership(std::shared_ptr<internal::Ownership> ownership);
  std::shared_ptr<internal::Ownership> ownership_;
};

// ---- Watching.

struct Event {
  enum class Kind { kPut, kDelete };
  Kind kind = Kind::kPut;
  KeyValue key_value;  ///< kDelete: key and revision `modified` of the deletion alone.
  std::optional<KeyValue> previous;
};

struct WatchBatch {
  /// Every event up to here has been given, in this batch or before.
  Revision revision;
  std::vector<Event> events;  ///< Whole revisions, in order. Empty: progress.
};

struct WatchOptions {
  /// The first revision to see; 0: from the time Watch returns on.
  Revision from;
  bool previous = false;  ///< With what each key held before.
  bool progress = false;  ///< Batches without events tell from time to time how far the watch is.
  bool puts = true, deletes = true;
  /// Received and not yet taken; above it the server is made to wait.
  std::size_t queue_bytes_max = kWatchQueueBytesMax;
  absl::Duration timeout = absl::ZeroDuration();  ///< Until the server has accepted the watch.
};

/// The events of a range, each once and in order, whatever becomes of connections and members.
class Watcher {
 public:
  Watcher(Watcher&&) noexcept;
  Watcher& operator=(Watcher&&) = delete;
  ~Watcher();  ///< Ends the watch; joins the handler's thread, so never destroy it there.

  /// Waits for the next batch. DEADLINE_EXCEEDED: none came in time, the watch goes on.
  /// OUT_OF_RANGE: events that were not given yet have been compacted (CompactedAt tells up to
  /// where). CANCELLED: by Cancel or the client's end. Not with a handler.
  absl::StatusOr<WatchBatch> Next(absl::Duration timeout = absl::InfiniteDuration());
  /// Wakes Next. From any thread.
  void Cancel();

 private:
  friend class Client;
  class Delivery;
  explicit Watcher(std::shared_ptr<internal::WatchFeed> feed);
  std::shared_ptr<internal::WatchFeed> feed_;
  std::unique_ptr<Delivery> delivery_;
};

/// Receives what Next would return, on a thread of the watch's own named `kv-watch`; it may block.
/// The last call has an error.
using WatchHandler = std::function<void(absl::StatusOr<WatchBatch>)>;

/// Who leads an election, as it changes.
class LeaderObserver {
 public:
  LeaderObserver(LeaderObserver&&) noexcept;
  ~LeaderObserver();
  /// Waits for a leader, or a value of the leader's, other than the last one returned. Those that
  /// came and went in between may be left out. Errors as Watcher::Next.
  absl::StatusOr<KeyValue> Next(absl::Duration timeout = absl::InfiniteDuration());

 private:
  friend class Client;
  class State;
  explicit LeaderObserver(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// ---- The client.

class Client {
 public:
  /// Checks the options; the first call connects. INVALID_ARGUMENT: an endpoint that is no address,
  /// TLS material that does not load.
  static absl::StatusOr<std::unique_ptr<Client>> Create(ClientOptions options);
  /// Lets revocations under way finish for at most a second, ends everything else with CANCELLED.
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// NOT_FOUND: there is no such key.
  absl::StatusOr<KeyValue> Get(std::string_view key, GetOptions options = {});
  absl::StatusOr<RangeResult> Range(RangeQuery query, CallOptions options = {});

  /// Writes if the key's version is still `version`. An error: certainly not written. With a
  /// version it is tried until `timeout`, since at most one try can succeed (a late one could,
  /// should the key be deleted and made again to the same version meanwhile; not so if `certain`).
  /// With kAnyVersion it is not repeated once a try may have taken effect, unless `certain`.
  absl::StatusOr<PutResult> Put(std::string_view key, std::string_view value, Version version,
                                PutOptions options = {});

  /// Not repeated once a try may have taken effect; see MayHaveTakenEffect.
  absl::StatusOr<DeleteResult> Delete(KeyRange range, CallOptions options = {});
  absl::StatusOr<DeleteResult> Delete(std::string_view key, CallOptions options = {});

  /// A transaction without writes is repeated freely, another one as Delete, or, if `certain`,
  /// until its fate is known. FAILED_PRECONDITION: a fence does not hold.
  absl::StatusOr<TxnResult> Commit(const Txn& txn, TxnOptions options = {});

  /// Forgets versions that were replaced up to `revision`. OK when that has been done before.
  absl::Status Compact(Revision revision, CallOptions options = {});

  using GetDone = absl::AnyInvocable<void(absl::StatusOr<KeyValue>)>;
  using RangeDone = absl::AnyInvocable<void(absl::StatusOr<RangeResult>)>;
  using PutDone = absl::AnyInvocable<void(absl::StatusOr<PutResult>)>;
  using TxnDone = absl::AnyInvocable<void(absl::StatusOr<TxnResult>)>;
  void GetAsync(std::string_view key, GetOptions options, GetDone done);
  void RangeAsync(RangeQuery query, CallOptions options, RangeDone done);
  void PutAsync(std::string_view key, std::string_view value, Version version, PutOptions options,
                PutDone done);
  void CommitAsync(const Txn& txn, TxnOptions options, TxnDone done);

  absl::StatusOr<Lease> Grant(LeaseOptions options = {});

  /// Waits for the lock `name`. DEADLINE_EXCEEDED: others held it for all of the timeout.
  absl::StatusOr<Lock> Acquire(std::string_view name, LockOptions options = {});
  /// Nothing when another holds it. `timeout` is that of the calls (infinite: the client's).
  absl::StatusOr<std::optional<Lock>> TryAcquire(std::string_view name, LockOptions options = {});

  /// Waits to be elected in election `name`, with `value` to be seen by observers.
  absl::StatusOr<Leadership> Campaign(std::string_view name, std::string_view value,
                                      LockOptions options = {});
  /// NOT_FOUND: nobody leads.
  absl::StatusOr<KeyValue> Leader(std::string_view name, CallOptions options = {});
  absl::StatusOr<LeaderObserver> Observe(std::string_view name, CallOptions options = {});

  /// Returns when the server has accepted the watch.
  absl::StatusOr<Watcher> Watch(KeyRange range, WatchOptions options = {});
  absl::StatusOr<Watcher> Watch(KeyRange range, WatchOptions options, WatchHandler handler);

 private:
  explicit Client(std::shared_ptr<internal::Core> core);
  const std::shared_ptr<internal::Core> core_;
};

}  // namespace trireme::kv
