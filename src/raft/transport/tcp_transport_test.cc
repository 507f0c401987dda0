#include "raft/transport/tcp_transport.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace trireme::raft {
namespace {

/// Keeps what comes, and waits for it.
class Inbox final : public Transport::Receiver {
 public:
  void OnFrame(NodeId from, SharedBytes frame) override {
    const std::lock_guard lock(mutex_);
    frames_[from].emplace_back(frame.view());
    changed_.notify_all();
  }
  void OnUnreachable(NodeId peer) override {
    const std::lock_guard lock(mutex_);
    ++unreachable_[peer];
    changed_.notify_all();
  }

  std::vector<std::string> Await(NodeId from, std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return frames_[from].size() >= count; });
    return frames_[from];
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<NodeId, std::vector<std::string>> frames_;
  std::map<NodeId, int> unreachable_;
};

struct Node {
  explicit Node(std::uint64_t id)
      : transport({.cluster_id = 7, .node = NodeId{id}, .listen = "127.0.0.1:0"}) {
    const absl::Status started = transport.Start(&inbox);
    EXPECT_TRUE(started.ok()) << started;
  }
  bool Send(std::uint64_t to, std::string_view text) {
    const SharedBytes piece = SharedBytes::Copy(text);
    return transport.Send(NodeId{to}, {&piece, 1});
  }
  Inbox inbox;
  TcpTransport transport;
};

TEST(TcpTransportTest, FramesGoBothWays) {
  Node one(1);
  Node two(2);
  ASSERT_TRUE(one.transport.SetPeer(NodeId{2}, two.transport.address()).ok());
  ASSERT_TRUE(two.transport.SetPeer(NodeId{1}, one.transport.address()).ok());
  EXPECT_TRUE(one.Send(2, "there"));
  EXPECT_TRUE(two.Send(1, "and back"));
  EXPECT_EQ(two.inbox.Await(NodeId{1}, 1), std::vector<std::string>{"there"});
  EXPECT_EQ(one.inbox.Await(NodeId{2}, 1), std::vector<std::string>{"and back"});
}

}  // namespace
}  // namespace trireme::raft
