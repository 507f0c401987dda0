#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <trireme/kv.h>
#include "etcd/rpc.trireme.h"
#include "kv/client/core.h"

namespace trireme::kv::internal {

/// One watch: a stream to some member, opened again elsewhere from the first revision not yet seen
/// whole, and the queue between the io thread and the reader.
class WatchFeed final : public Activity,
                        public rpc::Loop::Timer,
                        public std::enable_shared_from_this<WatchFeed> {
 public:
  WatchFeed(std::shared_ptr<Core> core, KeyRange range, WatchOptions options);

  // Any thread.

  void Begin();
  /// Waits until a server has accepted the watch. An error ends it.
  absl::Status AwaitAccepted(absl::Duration timeout);
  absl::StatusOr<WatchBatch> Next(absl::Duration timeout);
  void Cancel();

  void Stop() override;

 private:
  using Request = etcdserverpb::WatchRequest;
  using Reply = etcdserverpb::WatchResponse;
  class Handler;

  void OnTimer() override { Open(); }
  void Open();
  Request CreateRequest() const;
  void OnReply(Reply reply);
  void OnCanceled(const Reply& reply);
  void OnEvents(Reply reply);
  void OnStreamOver(int generation, const absl::Status& status);
  void CloseStream();
  void Reopen(absl::Status why);
  void Deliver(WatchBatch batch, std::size_t size_bytes);
  void Accept();
  void End(absl::Status status);

  const std::shared_ptr<Core> core_;
  const KeyRange range_;
  const WatchOptions options_;

  // On the loop thread.
  std::int64_t next_;  // The first revision not yet seen whole; 0: none seen, from now on.
  std::vector<mvccpb::Event> parts_;  // Of a revision whose last fragment has not come.
  std::size_t parts_bytes_ = 0;
  std::optional<rpc::AsyncStream<Request>> stream_;
  std::size_t endpoint_ = 0;
  int generation_ = 0;
  int failures_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  // All below guarded by mutex_.
  std::deque<std::pair<WatchBatch, std::size_t>> queue_;
  std::size_t queue_bytes_ = 0;
  std::shared_ptr<rpc::ClientCall> paused_;  // The call whose reading waits for room.
  bool accepted_ = false;
  std::optional<absl::Status> end_;
  absl::Status last_error_;  // Why the newest try failed.
};

}  // namespace trireme::kv::internal
