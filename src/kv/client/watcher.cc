#include <pthread.h>

#include <memory>
#include <thread>
#include <utility>

#include <trireme/kv.h>
#include "base/status_macros.h"
#include "kv/client/core.h"
#include "kv/client/watch_feed.h"

namespace trireme::kv {

/// The thread that hands a watch's batches to its handler.
class Watcher::Delivery {
 public:
  Delivery(std::shared_ptr<internal::WatchFeed> feed, WatchHandler handler)
      : feed_(std::move(feed)), thread_([this, handler = std::move(handler)] { Run(handler); }) {}
  ~Delivery() {
    feed_->Cancel();
    thread_.join();
  }

 private:
  void Run(const WatchHandler& handler) {
    pthread_setname_np(pthread_self(), "kv-watch");
    bool going_on = true;
    while (going_on) {
      absl::StatusOr<WatchBatch> batch = feed_->Next(absl::InfiniteDuration());
      going_on = batch.ok();
      handler(std::move(batch));
    }
  }

  const std::shared_ptr<internal::WatchFeed> feed_;
  std::thread thread_;
};

Watcher::Watcher(std::shared_ptr<internal::WatchFeed> feed) : feed_(std::move(feed)) {}
Watcher::Watcher(Watcher&&) noexcept = default;

Watcher::~Watcher() {
  if (feed_) feed_->Cancel();
}

absl::StatusOr<WatchBatch> Watcher::Next(absl::Duration timeout) {
  return feed_->Next(timeout);
}

void Watcher::Cancel() {
  feed_->Cancel();
}

absl::StatusOr<Watcher> Client::Watch(KeyRange range, WatchOptions options) {
  auto feed = std::make_shared<internal::WatchFeed>(core_, std::move(range), options);
  feed->Begin();
  Watcher watcher(std::move(feed));
  TRIREME_RETURN_IF_ERROR(watcher.feed_->AwaitAccepted(core_->TimeoutOf(options.timeout)));
  return watcher;
}

absl::StatusOr<Watcher> Client::Watch(KeyRange range, WatchOptions options, WatchHandler handler) {
  TRIREME_ASSIGN_OR_RETURN(Watcher watcher, Watch(std::move(range), options));
  watcher.delivery_ = std::make_unique<Watcher::Delivery>(watcher.feed_, std::move(handler));
  return watcher;
}

}  // namespace trireme::kv
