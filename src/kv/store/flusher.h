#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "kv/store/rocks_files.h"
#include "kv/store/shared_tree.h"

namespace trireme::kv::inline engine {

/// Writes trees into files on a thread of its own, one at a time.
class Flusher {
 public:
  /// What lies under the tree that is being filled.
  struct Layers {
    std::shared_ptr<const FrozenTree> tree;  ///< Being written; null: none.
    std::shared_ptr<const FilesState> files;
  };

  explicit Flusher(RocksFiles& files);
  /// Finishes the tree at hand.
  ~Flusher();

  /// Where a restart would begin, before the first flush.
  void SetDurableMeta(std::string meta);

  /// Begins to write `tree`; none is being written. `drop_below`: see RocksFiles::SetFloor.
  void Start(std::shared_ptr<const FrozenTree> tree, std::int64_t drop_below);
  bool busy() const;
  /// Waits until nothing is being written. The first failure is final.
  absl::Status Wait();
  absl::Status status() const;

  /// Whether Current differs from what it was last.
  bool changed() const { return changed_; }
  Layers Current();
  std::string durable_meta() const;

 private:
  void Run();
  absl::Status WriteOne(const FrozenTree& tree, std::int64_t drop_below);

  RocksFiles& files_;
  mutable std::mutex mutex_;
  std::condition_variable wake_, done_;
  Layers layers_;
  std::int64_t drop_below_ = 0;
  std::string durable_meta_;
  absl::Status status_;
  bool stop_ = false;
  std::atomic<bool> changed_ = false;
  std::thread thread_;
};

}  // namespace trireme::kv::inline engine
