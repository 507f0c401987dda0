#include "mapreduce/cluster/coordinator_link.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "mapreduce/cluster/coordinator.h"
#include "mapreduce/cluster/leader_watch.h"
#include "rpc/metadata.h"

namespace trireme::mapreduce::cluster {

/// On the channel's thread: passes everything on.
class CoordinatorLink::Handler final : public rpc::StreamHandler<v1::WorkerOrder> {
 public:
  Handler(CoordinatorLink* link, std::uint64_t generation)
      : link_(link), owner_(link->owner_), generation_(generation) {}

  void OnMessage(v1::WorkerOrder order) override {
    (void)owner_->Post(
        [link = link_, generation = generation_, order = std::move(order)]() mutable {
          link->OnOrder(generation, std::move(order));
        });
  }
  void OnDone(absl::Status status, rpc::Metadata trailing) override {
    const std::string* hint = rpc::FindMetadata(trailing, kLeaderMetadata);
    (void)owner_->Post([link = link_, generation = generation_, status = std::move(status),
                        hint = ParseAddresses(hint == nullptr ? "" : *hint)] {
      link->OnDone(generation, status, hint);
    });
  }

 private:
  CoordinatorLink* const link_;
  OwnerQueue* const owner_;
  const std::uint64_t generation_;
};

CoordinatorLink::CoordinatorLink(std::vector<rpc::Address> addresses, OwnerQueue* owner,
                                 Callbacks callbacks)
    : configured_(std::move(addresses)),
      addresses_(configured_),
      owner_(owner),
      callbacks_(std::move(callbacks)) {}

CoordinatorLink::~CoordinatorLink() {
  if (channel_ != nullptr) channel_->Close();
}

void CoordinatorLink::Tick(std::int64_t now_ms) {
  // After a pause (SIGSTOP) the silence was ours: what was sent meanwhile waits in the queue.
  if (now_ms - now_ms_ > lease_ms_ / 2) heard_ms_ = now_ms;
  now_ms_ = now_ms;
  if (!stream_) {
    if (now_ms >= next_try_ms_) Attach(now_ms);
  } else if (now_ms - heard_ms_ > lease_ms_) {
    Drop(absl::UnavailableError(fmt::format("nothing heard for {} ms", lease_ms_)));
  }
}

void CoordinatorLink::SetAddresses(std::vector<rpc::Address> addresses) {
  addresses_ = std::move(addresses);
  next_address_ = 0;
  delay_max_ms_ = kLeaderAttachDelayMaxMs;
  delay_ms_ = kAttachDelayMinMs;
  if (stream_) Drop(absl::UnavailableError("another coordinator leads"));
  next_try_ms_ = 0;
}

// A new channel each time: the old connection may be one that swallows everything.
void CoordinatorLink::Attach(std::int64_t now_ms) {
  if (addresses_.empty()) return;
  next_try_ms_ = now_ms + delay_ms_;
  delay_ms_ = std::min(delay_ms_ * 2, delay_max_ms_);
  rpc::ChannelOptions options;
  options.receive_message_bytes_max = kSubmissionBytesMax;
  options.send_queue_bytes_max = kSubmissionBytesMax;
  options.connect_timeout = absl::Milliseconds(lease_ms_);
  auto channel = rpc::Channel::Create(addresses_[next_address_++ % addresses_.size()], options);
  if (!channel.ok()) return;
  channel_ = *std::move(channel);
  heard_ms_ = now_ms;
  stream_.emplace(v1::CoordinatorStub(channel_).AttachAsync(
      rpc::CallOptions{}, std::make_unique<Handler>(this, ++generation_)));
  callbacks_.on_attached();
}

void CoordinatorLink::Drop(const absl::Status& why) {
  stream_.reset();
  ++generation_;
  channel_->Close();
  channel_.reset();
  next_try_ms_ = now_ms_ + delay_ms_;
  callbacks_.on_lost(why);
}

bool CoordinatorLink::Send(const v1::WorkerMessage& message) {
  if (!stream_) return false;
  stream_->Write(message);
  return true;
}

void CoordinatorLink::OnOrder(std::uint64_t generation, v1::WorkerOrder order) {
  if (generation != generation_ || !stream_) return;
  heard_ms_ = now_ms_;
  delay_ms_ = kAttachDelayMinMs;
  callbacks_.on_order(std::move(order));
}

void CoordinatorLink::OnDone(std::uint64_t generation, const absl::Status& status,
                             const std::vector<rpc::Address>& hint) {
  if (generation != generation_ || !stream_) return;
  Drop(status);
  if (hint.empty() || configured_.empty()) return;
  addresses_ = hint;  // and then those that were given, should the hint be old
  addresses_.insert(addresses_.end(), configured_.begin(), configured_.end());
  next_address_ = 0;
}

}  // namespace trireme::mapreduce::cluster
