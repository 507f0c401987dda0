#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kv/model/layout.h"
#include "kv/model/newest_cache.h"
#include "kv/model/ordered_store.h"
#include "kv/model/requests.h"
#include "kv/model/results.h"

namespace trireme::kv::inline engine {

/// A status for an entry that no model writes.
absl::Status Damaged(std::string_view key);

/// A key's version, or a tombstone; `revision.main` 0: none. Views until the iterator moves.
struct Found {
  Revision revision;
  VersionRecord record;

  bool live() const { return revision.main != 0 && !record.tombstone; }
  KeyValueView View(std::string_view key) const {
    return {key, record.value, record.create_revision, revision.main, record.version, record.lease};
  }
};

/// The version of `key` that is the newest at revision `at`.
absl::Status FindVersion(StoreIterator& iterator, std::string_view key, std::int64_t at,
                         std::string& buffer, Found* found);

/// Steps over the keys of a range that exist at a revision, in their order.
class RangeCursor {
 public:
  RangeCursor(StoreIterator& iterator, std::string_view key, std::string_view end, std::int64_t at);

  /// False: there are no more. The views of `kv` last until the next call.
  absl::StatusOr<bool> Next(KeyValueView* kv);
  /// Of the version that Next gave, with its sub.
  Revision revision() const { return revision_; }

 private:
  absl::StatusOr<bool> NextOfOne(KeyValueView* kv);
  bool InRange() const;
  void PassOlderVersions();
  void SeekVersion();
  absl::StatusOr<bool> Take(KeyValueView* kv);

  StoreIterator& iterator_;
  std::string_view key_;
  bool one_;           ///< A single key.
  bool done_ = false;  ///< Of a single key: it has been looked for.
  std::int64_t at_;
  std::string end_;     ///< Where the range ends, encoded.
  std::string prefix_;  ///< Of the key at hand; empty before the first.
  std::string buffer_;  ///< The key at hand, when it had to be decoded.
  Revision revision_;
};

/// What a range says besides its keys.
struct RangeSummary {
  Error error = Error::kNone;
  std::int64_t revision = 0;
  bool more = false;
  std::int64_t count = 0;
};

using KeyValueSink = absl::FunctionRef<void(const KeyValueView&)>;

/// Range and compares at one state of a store, whose newest revision is `current`.
class Reads {
 public:
  /// `newest`: for reads at the newest revision, `all`: for older ones (ordered_store.h). `known`:
  /// of that state, if there is one; compares that it knows the answer of read no store.
  Reads(StoreIterator& newest, StoreIterator& all, std::int64_t current, std::int64_t compacted,
        const NewestCache* known = nullptr)
      : newest_(newest), all_(all), current_(current), compacted_(compacted), known_(known) {}

  /// Hands the answer's keys to `sink` in its order, each for the duration of the call.
  absl::Status Range(const RangeRequest& request, KeyValueSink sink, RangeSummary* summary);
  absl::Status Range(const RangeRequest& request, Error* error, RangeResult* result);

  /// Which branch a transaction and those nested in it take: depth first, nested ones of the branch
  /// taken only.
  absl::Status Path(const TxnRequest& txn, std::vector<bool>* path);

  std::int64_t current() const { return current_; }
  std::int64_t compacted() const { return compacted_; }

 private:
  absl::Status Stream(const RangeRequest& request, std::int64_t at, KeyValueSink sink,
                      RangeSummary* summary);
  absl::Status Sorted(const RangeRequest& request, std::int64_t at, KeyValueSink sink,
                      RangeSummary* summary);
  bool FindKnown(const Compare& compare, Found* found) const;
  absl::StatusOr<bool> Holds(const Compare& compare);

  StoreIterator& newest_;
  StoreIterator& all_;
  std::int64_t current_, compacted_;
  const NewestCache* known_;
};

/// Runs the leaves of a transaction along its path, in order.
absl::Status RunTxn(const TxnRequest& txn, const std::vector<bool>& path,
                    absl::FunctionRef<absl::Status(const RequestOp&, ResponseOp*)> run,
                    TxnResult* result);

/// The first error that `check` finds among the leaves along the path.
absl::StatusOr<Error> CheckLeaves(const TxnRequest& txn, const std::vector<bool>& path,
                                  absl::FunctionRef<absl::StatusOr<Error>(const RequestOp&)> check);

/// What a range within a transaction may ask.
Error CheckRevision(const RequestOp& op, std::int64_t current, std::int64_t compacted);

}  // namespace trireme::kv::inline engine
