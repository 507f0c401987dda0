#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "kv/store/rocks_files.h"
#include "kv/store/shared_tree.h"

namespace trireme::kv::inline engine {

/// The files as they were at a moment, in a directory of their own for as long as this lives.
struct Checkpoint {
  Checkpoint() = default;
  Checkpoint(const Checkpoint&) = delete;
  Checkpoint& operator=(const Checkpoint&) = delete;
  ~Checkpoint();

  absl::Status status = absl::UnavailableError("not taken yet");
  std::string directory;  ///< Empty: none was made.
};

/// Writes trees into files on a thread of its own, in turn.
class Flusher {
 public:
  /// Of trees that are written or wait for it.
  static constexpr std::size_t kTreesMax = 3;

  /// What lies under the tree that is being filled.
  struct Layers {
    std::array<std::shared_ptr<const FrozenTree>, kTreesMax> trees;  ///< Newest first, then null.
    std::shared_ptr<const FilesState> files;
  };

  explicit Flusher(RocksFiles& files);
  /// Finishes the trees at hand, unless the disk is full.
  ~Flusher();

  struct Job {
    std::shared_ptr<const FrozenTree> tree;  ///< Null: none.
    std::int64_t drop_below = 0;             ///< See RocksFiles::SetFloor.
    std::shared_ptr<Checkpoint> checkpoint;  ///< To be made then; null: none.
  };
  /// Lets it be done behind those there are, fewer than kTreesMax. Returns its number.
  std::uint64_t Start(Job job);
  /// Waits until there are at most so many jobs. The first failure is final, but for checkpoints'
  /// and RESOURCE_EXHAUSTED: the disk is full, and the job is tried again until it is not.
  absl::Status WaitForRoom(std::size_t jobs_max);
  /// Waits until job `number` is done, and so all before it. Fails likewise.
  absl::Status WaitFor(std::uint64_t number);
  bool disk_full() const { return disk_full_; }
  absl::Status status() const;
  /// Nothing is to be written.
  bool idle() const;

  /// The last that was started; 0: none.
  std::uint64_t last() const;
  /// Whether Current would differ from what it was last.
  bool changed() const { return changed_ || files_.merged(); }
  Layers Current();

 private:
  void Run();
  /// Of the oldest job; `lock` is of mutex_.
  void WriteOne(std::unique_lock<std::mutex>& lock);
  absl::Status Write(const Job& job);
  std::uint64_t WrittenNow() const;
  bool failed() const { return !status_.ok() && !disk_full_; }

  RocksFiles& files_;
  mutable std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::deque<Job> jobs_;                     // Guarded by mutex_, as what follows. Oldest first.
  std::shared_ptr<const FilesState> state_;  ///< Has what was written.
  std::uint64_t written_ = 0;                ///< How many jobs are done.
  absl::Status status_;                      ///< Of the last try.
  bool stop_ = false;
  std::atomic<bool> disk_full_ = false;
  std::atomic<bool> changed_ = false;
  std::thread thread_;
};

}  // namespace trireme::kv::inline engine
