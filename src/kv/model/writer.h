#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "kv/model/lease_table.h"
#include "kv/model/newest_cache.h"
#include "kv/model/ordered_store.h"
#include "kv/model/reads.h"
#include "kv/model/results.h"

namespace trireme::kv::inline engine {

/// What a model writes with; `buffer`s are kept for their memory.
struct Workspace {
  OrderedStore& store;
  // Of the store (ordered_store.h).
  StoreIterator& iterator;
  StoreIterator& newest_iterator;
  std::string key_buffer;
  std::string value_buffer;
  std::string find_buffer;
  NewestCache newest;
};

/// The changes of one revision.
class Writer {
 public:
  Writer(Workspace& work, const Meta& meta, Outcome& outcome)
      : work_(work), begin_(meta.revision), compacted_(meta.compacted), outcome_(outcome) {}

  /// With ignore_value or ignore_lease the key exists. With a lease, that exists.
  absl::Status Put(const PutRequest& request, PutResult* result);
  absl::Status DeleteRange(const DeleteRangeRequest& request, DeleteRangeResult* result);
  /// Deletes the keys attached to the lease.
  absl::Status DeleteAttached(LeaseId id);

  /// What a read within the transaction sees as the newest revision.
  std::int64_t current() const { return changes_ > 0 ? begin_ + 1 : begin_; }
  Reads reads() const {
    return {work_.newest_iterator, work_.iterator, current(), compacted_, &work_.newest};
  }

 private:
  /// A key to be deleted.
  struct Doomed {
    std::string key;
    Revision previous;
    LeaseId lease = kNoLease;
  };

  absl::Status FindNewest(std::string_view key, Found* found);
  /// The same, perhaps without the value.
  absl::Status FindReplaced(const PutRequest& request, Found* found);
  absl::Status Doom(const DeleteRangeRequest& request, std::vector<Doomed>* doomed,
                    DeleteRangeResult* result);
  void Delete(Doomed doomed);
  void Write(const RevisionRecord& change, const VersionRecord& version);
  void Attach(std::string_view key, LeaseId from, LeaseId to);

  Workspace& work_;
  std::int64_t begin_, compacted_;
  Outcome& outcome_;
  std::uint32_t changes_ = 0;
};

}  // namespace trireme::kv::inline engine
