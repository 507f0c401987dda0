#include "kv/server/batch_feed.h"

namespace trireme::kv::inline engine {
namespace {

/// What is left of a batch whose events were not waited for.
BatchFeed::Batch WithoutEvents(const CommittedBatch& batch) {
  auto marker = std::make_shared<CommittedBatch>();
  marker->view = batch.view;
  return marker;
}

}  // namespace

void BatchFeed::Push(const Batch& batch) {
  if (!wanted()) return;
  const std::lock_guard lock(mutex_);
  if (queue_.size() >= kBatchesMax) {
    queue_.clear();
    queue_.push_back(WithoutEvents(*batch));
  } else {
    queue_.push_back(batch);
  }
  if (std::exchange(posted_, true)) return;
  loop_->Post([this] { Drain(); });
}

void BatchFeed::Drain() {
  std::vector<Batch> batches;
  {
    const std::lock_guard lock(mutex_);
    batches.swap(queue_);
    posted_ = false;
  }
  for (const Batch& batch : batches) receiver_(batch);
}

}  // namespace trireme::kv::inline engine
