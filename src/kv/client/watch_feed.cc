#include "kv/client/watch_feed.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "kv/client/limits.h"
#include "kv/client/messages.h"
#include "kv/client/verdict.h"

namespace trireme::kv::internal {

class WatchFeed::Handler final : public rpc::StreamHandler<Reply> {
 public:
  Handler(std::weak_ptr<WatchFeed> feed, int generation)
      : feed_(std::move(feed)), generation_(generation) {}

  void OnMessage(Reply reply) override {
    const auto feed = feed_.lock();
    if (feed && feed->generation_ == generation_) feed->OnReply(std::move(reply));
  }
  void OnDone(absl::Status status, rpc::Metadata) override {
    if (const auto feed = feed_.lock()) feed->OnStreamOver(generation_, status);
  }

 private:
  const std::weak_ptr<WatchFeed> feed_;
  const int generation_;
};

WatchFeed::WatchFeed(std::shared_ptr<Core> core, KeyRange range, WatchOptions options)
    : core_(std::move(core)),
      range_(std::move(range)),
      options_(options),
      next_(options.from.value) {}

// ---- Any thread.

void WatchFeed::Begin() {
  core_->Post([self = shared_from_this()] {
    if (self->core_->closed()) return self->End(ClientClosed());
    self->core_->Add(self);
    self->Open();
  });
}

absl::Status WatchFeed::AwaitAccepted(absl::Duration timeout) {
  std::unique_lock lock(mutex_);
  const auto decided = [&] { return accepted_ || end_.has_value(); };
  const auto until = After(timeout);
  if (until == std::chrono::steady_clock::time_point::max()) {
    changed_.wait(lock, decided);
  } else if (!changed_.wait_until(lock, until, decided)) {
    return absl::DeadlineExceededError(
        fmt::format("no server took the watch within {}; tried {}{}{}",
                    absl::FormatDuration(timeout), core_->endpoints().names(),
                    last_error_.ok() ? "" : "; the last: ", std::string(last_error_.message())));
  }
  return accepted_ ? absl::OkStatus() : *end_;
}

absl::StatusOr<WatchBatch> WatchFeed::Next(absl::Duration timeout) {
  std::unique_lock lock(mutex_);
  const auto ready = [&] { return !queue_.empty() || end_.has_value(); };
  const auto until = After(timeout);
  if (until == std::chrono::steady_clock::time_point::max()) {
    changed_.wait(lock, ready);
  } else if (!changed_.wait_until(lock, until, ready)) {
    return absl::DeadlineExceededError(
        fmt::format("no event within {}", absl::FormatDuration(timeout)));
  }
  if (queue_.empty()) return *end_;
  WatchBatch batch = std::move(queue_.front().first);
  queue_bytes_ -= queue_.front().second;
  queue_.pop_front();
  if (paused_ && queue_bytes_ <= options_.queue_bytes_max / 2) {
    std::exchange(paused_, nullptr)->ResumeReading();
  }
  return batch;
}

void WatchFeed::Cancel() {
  core_->Post([self = shared_from_this()] {
    self->End(absl::CancelledError("the watch was cancelled"));
    const std::lock_guard lock(self->mutex_);
    self->queue_.clear();
  });
}

// ---- The loop thread.

void WatchFeed::Stop() {
  End(ClientClosed());
}

WatchFeed::Request WatchFeed::CreateRequest() const {
  Request request;
  etcdserverpb::WatchCreateRequest& create = *request.mutable_create_request();
  create.set_key(range_.begin);
  create.set_range_end(range_.end);
  create.set_start_revision(next_);
  create.set_prev_kv(options_.previous);
  create.set_fragment(true);
  // Also for a reader who does not want to know: it tells from where to go on after an idle time.
  create.set_progress_notify(true);
  if (!options_.puts) create.add_filters(etcdserverpb::WatchCreateRequest::NOPUT);
  if (!options_.deletes) create.add_filters(etcdserverpb::WatchCreateRequest::NODELETE);
  return request;
}

void WatchFeed::Open() {
  endpoint_ = core_->endpoints().current();
  rpc::CallOptions options;
  options.metadata = Core::CallMetadata();
  stream_ =
      etcdserverpb::WatchStub(core_->endpoints().channel(endpoint_))
          .WatchAsync(std::move(options), std::make_unique<Handler>(weak_from_this(), generation_));
  stream_->Write(CreateRequest());
  const std::lock_guard lock(mutex_);
  if (paused_) {
    paused_ = stream_->call().shared_from_this();
    paused_->PauseReading();
  }
}

void WatchFeed::OnReply(Reply reply) {
  failures_ = 0;
  if (reply.canceled()) return OnCanceled(reply);
  if (reply.created()) {
    if (next_ == 0) next_ = reply.header().revision() + 1;
    return Accept();
  }
  OnEvents(std::move(reply));
}

void WatchFeed::OnCanceled(const Reply& reply) {
  if (reply.compact_revision() != 0) {
    Accept();  // Then Next tells, whether the watch is new or old.
    return End(CompactedError(next_, reply.compact_revision()));
  }
  // A member that lost its leader ends its watches by this, too.
  if (reply.cancel_reason().find("no leader") != std::string::npos) {
    return Reopen(absl::UnavailableError(reply.cancel_reason()));
  }
  End(absl::FailedPreconditionError(
      fmt::format("the server ended the watch: {}", reply.cancel_reason())));
}

void WatchFeed::OnEvents(Reply reply) {
  parts_bytes_ += reply.ByteSizeLong();
  for (mvccpb::Event& event : *reply.mutable_events()) parts_.push_back(std::move(event));
  if (parts_bytes_ > kWatchRevisionBytesMax) {
    return End(absl::ResourceExhaustedError(
        fmt::format("one revision's events are over {} bytes", kWatchRevisionBytesMax)));
  }
  if (reply.fragment()) return;
  WatchBatch batch;
  batch.revision = {parts_.empty() ? reply.header().revision() : parts_.back().kv().mod_revision()};
  for (mvccpb::Event& event : parts_) batch.events.push_back(FromProto(std::move(event)));
  parts_.clear();
  next_ = std::max(next_, batch.revision.value + 1);
  Deliver(std::move(batch), std::exchange(parts_bytes_, 0));
}

void WatchFeed::Deliver(WatchBatch batch, std::size_t size_bytes) {
  if (batch.events.empty() && !options_.progress) return;
  const std::lock_guard lock(mutex_);
  queue_.emplace_back(std::move(batch), size_bytes);
  queue_bytes_ += size_bytes;
  if (queue_bytes_ > options_.queue_bytes_max && !paused_) {
    paused_ = stream_->call().shared_from_this();
    paused_->PauseReading();
  }
  changed_.notify_all();
}

void WatchFeed::OnStreamOver(int generation, const absl::Status& status) {
  if (generation != generation_) return;
  const bool too_long = absl::IsResourceExhausted(status);
  if (!status.ok() && (Judge(status) == Verdict::kFinal || too_long)) return End(status);
  Reopen(status);
}

void WatchFeed::Reopen(absl::Status why) {
  {
    const std::lock_guard lock(mutex_);
    last_error_ = std::move(why);
  }
  core_->endpoints().Failed(endpoint_);
  CloseStream();
  core_->loop()->Arm(*this, After(core_->BackoffAfter(++failures_)));
}

void WatchFeed::CloseStream() {
  ++generation_;
  parts_.clear();
  parts_bytes_ = 0;
  if (stream_) stream_->Cancel();
  stream_.reset();
}

void WatchFeed::Accept() {
  const std::lock_guard lock(mutex_);
  accepted_ = true;
  changed_.notify_all();
}

void WatchFeed::End(absl::Status status) {
  const std::shared_ptr<WatchFeed> self = shared_from_this();
  core_->loop()->Disarm(*this);
  CloseStream();
  core_->Remove(this);
  const std::lock_guard lock(mutex_);
  if (!end_) end_ = std::move(status);
  changed_.notify_all();
}

}  // namespace trireme::kv::internal
