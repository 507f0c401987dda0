#pragma once

#include <memory>

#include "kv/model/ordered_store.h"
#include "kv/store/shared_tree.h"

namespace trireme::kv::inline engine {

/// A store in memory, gone with the process. Snapshots cost the copies of the nodes that are
/// written while they are held.
class MemoryStore final : public OrderedStore {
 public:
  MemoryStore();
  ~MemoryStore() override;

  void Put(std::string_view key, std::string_view value) override;
  void Erase(std::string_view key) override;
  absl::Status Commit() override;
  absl::Status Flush() override { return absl::OkStatus(); }
  FlushWait StartFlush() override {
    return [] { return absl::OkStatus(); };
  }
  std::unique_ptr<StoreIterator> NewIterator() const override;
  std::shared_ptr<const StoreReader> Snapshot() override;

 private:
  class Frozen;

  std::shared_ptr<SharedTree> shared_;
  std::weak_ptr<const Frozen> last_;
  bool written_ = false;  ///< Since the last snapshot.
};

}  // namespace trireme::kv::inline engine
