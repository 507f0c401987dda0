#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kv/model/model.h"
#include "kv/store/memory_store.h"
#include "raft/core/types.h"
#include "sim/options.h"
#include "sim/time.h"

namespace trireme::sim {

/// A change as all who watch must see it.
struct RecordedEvent {
  std::int64_t revision = 0;
  bool deleted = false;
  std::string key;
  std::string value;
  friend bool operator==(const RecordedEvent&, const RecordedEvent&) = default;
};

/// What really happened: the committed commands on one state that never crashes, no snapshot ever
/// replaces and no fault reaches. The oracles of the KV hold what servers and clients see beside
/// it. A violation is told once, in `violation`.
class Record {
 public:
  explicit Record(const Options* options);

  /// A node applies the entry; the first to do so moves the record on.
  void Commit(const raft::Entry& entry, Micros now);
  std::uint64_t index() const { return model_->applied_index(); }
  std::int64_t revision() const { return model_->meta().revision; }
  std::int64_t compacted() const { return model_->meta().compacted; }
  const kv::ReadView& view() const { return *view_; }

  /// Equal hash at equal revision: `hash` is of a node's state after `index`.
  void CheckHash(std::uint64_t node, std::uint64_t index, const kv::StateHash& hash);

  /// Of the keys in [key, end) (etcd's conventions), revisions `from` to `to`.
  std::vector<RecordedEvent> EventsOf(std::string_view key, std::string_view end, std::int64_t from,
                                      std::int64_t to) const;

  /// A renewal or grant for `ttl_s` that left its client at `sent` has been answered.
  void Renewed(kv::LeaseId lease, std::int64_t ttl_s, Micros sent);
  /// A client that acts on a lock: until `until` nobody else may be told that he has it.
  void Holds(const std::string& lock, std::uint64_t client, std::int64_t token, Micros now,
             Micros until);
  void Releases(const std::string& lock, std::uint64_t client);
  /// Until when a client may rely on a lease, by the drift the cluster promises.
  Micros LeaseUntil(Micros sent, std::int64_t ttl_s) const;

  void Violation(std::string what) {
    if (violation_.empty()) violation_ = std::move(what);
  }
  const std::string& violation() const { return violation_; }

 private:
  struct Lease {
    Micros least_end = 0;  ///< Not before it.
    Micros ended = 0;      ///< 0: it has not.
  };
  struct Holder {
    std::uint64_t client = 0;
    std::int64_t token = 0;
    Micros until = 0;
  };
  void Note(const kv::Outcome& outcome, Micros now);
  void NoteFenced(const RecordedEvent& event);
  void CheckLease(kv::LeaseId id, const Lease& lease);

  const Options& options_;
  kv::MemoryStore store_;
  std::unique_ptr<kv::Model> model_;
  std::shared_ptr<const kv::ReadView> view_;
  std::vector<RecordedEvent> events_;
  std::map<std::uint64_t, kv::StateHash> hashes_;  ///< By index.
  std::map<kv::LeaseId, Lease> leases_;
  std::map<std::string, Holder, std::less<>> holders_;
  std::map<std::string, std::int64_t, std::less<>> fenced_;  ///< The greatest token, by key.
  std::string violation_;
};

}  // namespace trireme::sim
