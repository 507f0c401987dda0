#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "kv/server/kv_machine.h"
#include "rpc/loop.h"

namespace trireme::kv::inline engine {

/// Carries committed batches from the thread that applies to one io thread, in order. Bounded: when
/// that one does not keep up, it gets the newest batch without its events instead of all.
class BatchFeed {
 public:
  using Batch = std::shared_ptr<const CommittedBatch>;
  /// On the loop thread.
  using Receiver = std::function<void(const Batch&)>;

  /// Batches that wait at most.
  static constexpr std::size_t kBatchesMax = 1024;

  explicit BatchFeed(std::shared_ptr<rpc::Loop> loop) : loop_(std::move(loop)) {}
  /// Before the first Want.
  void SetReceiver(Receiver receiver) { receiver_ = std::move(receiver); }

  /// From a call of Want(true) on, every batch that a view taken afterwards does not have is
  /// received.
  void Want(bool wanted) { wanted_.store(wanted); }
  bool wanted() const { return wanted_.load(); }

  /// On the thread that applies, after the batch's view has been published.
  void Push(const Batch& batch);

 private:
  void Drain();

  const std::shared_ptr<rpc::Loop> loop_;
  Receiver receiver_;
  std::atomic<bool> wanted_{false};
  std::mutex mutex_;
  std::vector<Batch> queue_;  // Guarded by mutex_.
  bool posted_ = false;       // Guarded by mutex_.
};

}  // namespace trireme::kv::inline engine
