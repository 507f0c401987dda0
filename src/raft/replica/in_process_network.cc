#include "raft/replica/in_process_network.h"

#include "fmt/format.h"

namespace trireme::raft {

/// One thread gives the receiver its frames.
class InProcessNetwork::Endpoint final : public Transport {
 public:
  Endpoint(InProcessNetwork* network, NodeId self) : network_(*network), self_(self) {}
  ~Endpoint() override { Stop(); }

  absl::Status Start(Receiver* receiver) override {
    receiver_ = receiver;
    const std::lock_guard lock(network_.mutex_);
    if (!network_.endpoints_.try_emplace(self_, this).second) {
      return absl::AlreadyExistsError(
          fmt::format("node {} is on the network already", self_.value));
    }
    thread_ = std::thread([this] { Run(); });
    return absl::OkStatus();
  }

  void Stop() override {
    {
      const std::lock_guard lock(network_.mutex_);
      const auto at = network_.endpoints_.find(self_);
      if (at != network_.endpoints_.end() && at->second == this) network_.endpoints_.erase(at);
    }
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_one();
    if (thread_.joinable()) thread_.join();
  }

  absl::Status SetPeer(NodeId peer, const std::string& address) override {
    if (address != std::to_string(peer.value)) {
      return absl::InvalidArgumentError(
          fmt::format("'{}' is not the address of node {}", address, peer.value));
    }
    const std::lock_guard lock(mutex_);
    peers_.insert(peer);
    return absl::OkStatus();
  }

  void RemovePeer(NodeId peer) override {
    const std::lock_guard lock(mutex_);
    peers_.erase(peer);
  }

  bool Send(NodeId to, std::span<const SharedBytes> pieces) override {
    {
      const std::lock_guard lock(mutex_);
      if (stopping_ || !peers_.contains(to)) return false;
    }
    std::string whole;
    for (const SharedBytes& piece : pieces) whole.append(piece.view());
    if (whole.empty()) return false;
    return network_.Deliver(self_, to, SharedBytes::Own(std::move(whole)));
  }

  bool Put(NodeId from, SharedBytes frame) {
    {
      const std::lock_guard lock(mutex_);
      std::size_t& waiting = waiting_bytes_[from];
      if (waiting > 0 && waiting + frame.size() > network_.queue_bytes_max_) return false;
      waiting += frame.size();
      frames_.emplace_back(from, std::move(frame));
    }
    changed_.notify_one();
    return true;
  }
  bool Knows(NodeId peer) {
    const std::lock_guard lock(mutex_);
    return peers_.contains(peer);
  }

 private:
  void Run() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return stopping_ || !frames_.empty(); });
      if (stopping_) return;
      auto [from, frame] = std::move(frames_.front());
      frames_.pop_front();
      waiting_bytes_[from] -= frame.size();
      lock.unlock();
      receiver_->OnFrame(from, std::move(frame));
      lock.lock();
    }
  }

  InProcessNetwork& network_;
  const NodeId self_;
  Receiver* receiver_ = nullptr;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<NodeId> peers_;                             // Guarded by mutex_.
  std::deque<std::pair<NodeId, SharedBytes>> frames_;  // Guarded by mutex_.
  std::map<NodeId, std::size_t> waiting_bytes_;        // Of frames_, by sender.
  bool stopping_ = false;                              // Guarded by mutex_.
  std::thread thread_;
};

std::unique_ptr<Transport> InProcessNetwork::MakeTransport(NodeId self) {
  return std::make_unique<Endpoint>(this, self);
}

/// Loss is silent, as on a network.
bool InProcessNetwork::Deliver(NodeId from, NodeId to, SharedBytes frame) {
  const std::lock_guard lock(mutex_);
  const auto at = endpoints_.find(to);
  if (at == endpoints_.end()) return false;
  if (cut_.contains({from, to}) || isolated_.contains(from) || isolated_.contains(to)) return true;
  if (repeats_) at->second->Put(from, frame);
  return at->second->Put(from, std::move(frame));
}

bool InProcessNetwork::Knows(NodeId self, NodeId peer) {
  const std::lock_guard lock(mutex_);
  const auto at = endpoints_.find(self);
  return at != endpoints_.end() && at->second->Knows(peer);
}

void InProcessNetwork::Cut(NodeId from, NodeId to) {
  const std::lock_guard lock(mutex_);
  cut_.insert({from, to});
}

void InProcessNetwork::Isolate(NodeId node) {
  const std::lock_guard lock(mutex_);
  isolated_.insert(node);
}

void InProcessNetwork::Repeat() {
  const std::lock_guard lock(mutex_);
  repeats_ = true;
}

void InProcessNetwork::Heal() {
  const std::lock_guard lock(mutex_);
  repeats_ = false;
  cut_.clear();
  isolated_.clear();
}

}  // namespace trireme::raft
