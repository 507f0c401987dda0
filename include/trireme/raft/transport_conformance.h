#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <trireme/raft/transport.h>

/// What the Raft replica takes for granted of a Transport, as tests of yours:
///
///   INSTANTIATE_TEST_SUITE_P(Mine, TransportConformance,
///                            testing::Values([] { return std::make_unique<MyTransports>(); }));
///
/// in one source file of a GoogleTest program, in namespace trireme::raft. Each check waits for
/// what must happen, at most `patience`, and never sleeps.
namespace trireme::raft {

/// Makes the transports of one cluster whose addresses lead to one another.
class ConformingTransports {
 public:
  virtual ~ConformingTransports() = default;
  /// A transport of `node`, not started. Called again for a node whose transport is gone: it has
  /// restarted.
  virtual std::unique_ptr<Transport> Make(NodeId node) = 0;
  /// What SetPeer takes to reach `node`, whose transport is started.
  virtual std::string AddressOf(NodeId node) = 0;
  /// What Send lets wait for one peer, about; the checks send a few times as much. At least 1 MiB.
  virtual std::uint64_t queue_bytes_max() const { return 64u << 20; }
  /// After so long, what has not happened never will.
  virtual std::chrono::milliseconds patience() const { return std::chrono::seconds(60); }
};

namespace conformance {

/// Keeps what comes and judges how: "" while all is well.
class Witness final : public Transport::Receiver {
 public:
  explicit Witness(std::chrono::milliseconds patience) : patience_(patience) {}

  void OnFrame(NodeId from, SharedBytes frame) override {
    const Call call(*this, from);
    std::function<void(NodeId, const SharedBytes&)> handler;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return !blocked_; });
      frames_[from].push_back(frame);
      handler = handler_;
    }
    changed_.notify_all();
    if (handler) handler(from, frame);
  }
  void OnUnreachable(NodeId peer) override {
    const Call call(*this, peer);
    const std::lock_guard lock(mutex_);
    ++unreachable_[peer];
    changed_.notify_all();
  }

  /// Called with each frame, on the transport's thread.
  void set_handler(std::function<void(NodeId, const SharedBytes&)> handler) {
    const std::lock_guard lock(mutex_);
    handler_ = std::move(handler);
  }
  /// While true, calls do not return.
  void set_blocked(bool blocked) {
    const std::lock_guard lock(mutex_);
    blocked_ = blocked;
    changed_.notify_all();
  }
  /// From now on a call is a violation.
  void set_over() { over_ = true; }

  bool AwaitFrames(NodeId from, std::size_t count) {
    return Await([&] { return frames_[from].size() >= count; });
  }
  /// Of exactly `size` bytes.
  bool AwaitFramesOf(NodeId from, std::size_t size, std::size_t count) {
    return Await([&] {
      const auto& came = frames_[from];
      return static_cast<std::size_t>(std::count_if(
                 came.begin(), came.end(),
                 [&](const SharedBytes& frame) { return frame.size() == size; })) >= count;
    });
  }
  /// Waits a little for something that may be asked for again.
  bool AwaitFramesShortly(NodeId from, std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::milliseconds(10),
                             [&] { return frames_[from].size() >= count; });
  }
  bool unreachable(NodeId peer) {
    const std::lock_guard lock(mutex_);
    return unreachable_[peer] > 0;
  }
  std::vector<SharedBytes> frames(NodeId from) {
    const std::lock_guard lock(mutex_);
    return frames_[from];
  }
  std::string problem() {
    const std::lock_guard lock(mutex_);
    return problem_;
  }

 private:
  /// One call under way.
  class Call {
   public:
    Call(Witness& witness, NodeId peer) : witness_(witness), peer_(peer) {
      const std::lock_guard lock(witness.mutex_);
      if (witness.over_) witness.problem_ = "the receiver was called after Stop had returned";
      if (witness.calls_[peer]++ > 0) witness.problem_ = "two calls for one peer at a time";
    }
    ~Call() {
      const std::lock_guard lock(witness_.mutex_);
      --witness_.calls_[peer_];
    }

   private:
    Witness& witness_;
    const NodeId peer_;
  };

  template <typename Condition>
  bool Await(Condition condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience_, condition);
  }

  const std::chrono::milliseconds patience_;
  std::atomic<bool> over_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool blocked_ = false;
  std::function<void(NodeId, const SharedBytes&)> handler_;
  std::map<NodeId, std::vector<SharedBytes>> frames_;
  std::map<NodeId, int> unreachable_;
  std::map<NodeId, int> calls_;
  std::string problem_;
};

/// A started transport with its witness.
class Node {
 public:
  Node(ConformingTransports& transports, NodeId id)
      : id(id), witness(transports.patience()), transport(transports.Make(id)) {
    if (const absl::Status status = transport->Start(&witness); !status.ok()) {
      ADD_FAILURE() << "node " << id.value << " does not start: " << status;
    }
  }
  ~Node() {
    witness.set_blocked(false);
    witness.set_handler(nullptr);
    transport->Stop();
  }

  bool Send(const Node& to, std::string_view bytes) const {
    const SharedBytes piece = SharedBytes::Copy(bytes);
    return transport->Send(to.id, {&piece, 1});
  }

  const NodeId id;
  Witness witness;
  const std::unique_ptr<Transport> transport;
};

inline void Introduce(ConformingTransports& transports, Node& a, Node& b) {
  EXPECT_TRUE(a.transport->SetPeer(b.id, transports.AddressOf(b.id)).ok());
  EXPECT_TRUE(b.transport->SetPeer(a.id, transports.AddressOf(a.id)).ok());
}

/// A frame of `size` bytes, at least 8, that tells its number and whether it is unchanged.
inline std::string Numbered(std::uint64_t number, std::size_t size) {
  std::string result(std::max<std::size_t>(size, 8), '\0');
  std::memcpy(result.data(), &number, 8);
  std::minstd_rand random(static_cast<std::uint32_t>(number * 2654435761u + size));
  for (std::size_t i = 8; i < result.size(); ++i) result[i] = static_cast<char>(random() >> 8);
  return result;
}
inline std::uint64_t NumberOf(std::string_view frame) {
  std::uint64_t number = 0;
  if (frame.size() >= 8) std::memcpy(&number, frame.data(), 8);
  return number;
}
/// Sizes from a few bytes to half a megabyte, small ones more often.
inline std::size_t DrawSize(std::minstd_rand& random) {
  return 8 + (random() % (1u << (3 + random() % 17)));
}

/// `bytes` cut into pieces, some of them empty, that are slices of one buffer or buffers of their
/// own.
inline std::vector<SharedBytes> Cut(std::string_view bytes, std::minstd_rand& random) {
  const SharedBytes whole = SharedBytes::Copy(bytes);
  std::vector<SharedBytes> pieces;
  while (!bytes.empty()) {
    if (random() % 8 == 0) pieces.emplace_back();
    const std::size_t size = std::min<std::size_t>(bytes.size(), 1 + DrawSize(random) / 4);
    const std::string_view part = whole.view().substr(whole.size() - bytes.size(), size);
    pieces.push_back(random() % 2 == 0 ? whole.Slice(part) : SharedBytes::Copy(part));
    bytes.remove_prefix(size);
  }
  return pieces;
}

/// Asks until Send takes it.
inline bool SendPatiently(ConformingTransports& transports, const Node& from, const Node& to,
                          std::span<const SharedBytes> pieces) {
  const auto until = std::chrono::steady_clock::now() + transports.patience();
  while (!from.transport->Send(to.id, pieces)) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::yield();
  }
  return true;
}

/// Sends hellos until one arrives: a connection stands from then on, one way at least.
inline std::string Connect(ConformingTransports& transports, Node& from, Node& to) {
  const std::size_t had = to.witness.frames(from.id).size();
  const auto until = std::chrono::steady_clock::now() + transports.patience();
  do {
    from.Send(to, "hello there");
    if (to.witness.AwaitFramesShortly(from.id, had + 1)) return "";
  } while (std::chrono::steady_clock::now() < until);
  return "no frame arrives";
}

/// What `sent` and what came differ in; what came before `skip` is not looked at.
inline std::string Compare(const std::vector<std::string>& sent,
                           const std::vector<SharedBytes>& came, std::size_t skip = 0) {
  for (std::size_t i = 0; i < sent.size(); ++i) {
    if (i + skip >= came.size()) return "frame " + std::to_string(i) + " never arrived";
    if (came[i + skip].view() != sent[i]) {
      return "frame " + std::to_string(i) + " of " + std::to_string(sent[i].size()) +
             " bytes arrived as another, of " + std::to_string(came[i + skip].size());
    }
  }
  return came.size() > sent.size() + skip ? "a frame arrived twice" : "";
}

inline std::string FirstOf(std::initializer_list<std::string> problems) {
  for (const std::string& problem : problems) {
    if (!problem.empty()) return problem;
  }
  return "";
}

// Each check returns what is wrong, or "".

/// Frames of all sizes and cuts arrive whole, unchanged, once and in order, both ways at a time.
/// They outlive the transports.
inline std::string CheckWholeAndInOrder(ConformingTransports& transports) {
  constexpr int kFrames = 400;
  std::vector<std::string> sent[2];
  std::vector<SharedBytes> came[2];
  std::string problem;
  {
    Node nodes[2] = {{transports, NodeId{1}}, {transports, NodeId{2}}};
    Introduce(transports, nodes[0], nodes[1]);
    std::atomic<bool> refused{false};
    const auto run = [&](int from) {
      std::minstd_rand random(static_cast<std::uint32_t>(from) + 1);
      for (int i = 0; i < kFrames && !refused; ++i) {
        sent[from].push_back(Numbered(static_cast<std::uint64_t>(i), DrawSize(random)));
        const auto pieces = Cut(sent[from].back(), random);
        if (!SendPatiently(transports, nodes[from], nodes[1 - from], pieces)) refused = true;
      }
    };
    std::thread other([&] { run(1); });
    run(0);
    other.join();
    if (refused) return "Send refuses for ever";
    for (int to = 0; to < 2; ++to) {
      nodes[to].witness.AwaitFrames(nodes[1 - to].id, kFrames);
      came[to] = nodes[to].witness.frames(nodes[1 - to].id);
      problem = FirstOf({problem, nodes[to].witness.problem()});
    }
  }
  return FirstOf({problem, Compare(sent[0], came[1]), Compare(sent[1], came[0])});
}

/// Frames of several threads do not mix; those of each thread arrive in their order.
inline std::string CheckSendersAtATime(ConformingTransports& transports) {
  constexpr std::uint64_t kThreads = 4;
  constexpr std::uint64_t kFrames = 300;
  Node from(transports, NodeId{1});
  Node to(transports, NodeId{2});
  Introduce(transports, from, to);
  std::vector<std::thread> threads;
  for (std::uint64_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      std::minstd_rand random(static_cast<std::uint32_t>(thread) + 1);
      for (std::uint64_t i = 0; i < kFrames; ++i) {
        const std::string frame = Numbered(thread << 32 | i, DrawSize(random) / 16);
        SendPatiently(transports, from, to, Cut(frame, random));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (!to.witness.AwaitFrames(from.id, kThreads * kFrames)) return "frames never arrived";
  std::uint64_t next[kThreads] = {};
  for (const SharedBytes& frame : to.witness.frames(from.id)) {
    const std::uint64_t number = NumberOf(frame.view());
    if (number >> 32 >= kThreads || frame.view() != Numbered(number, frame.size())) {
      return "a frame arrived changed";
    }
    if ((number & 0xffffffff) != next[number >> 32]++) return "one thread's frames out of order";
  }
  return to.witness.problem();
}

/// The receiver may send: two of them keep a ball in the air.
inline std::string CheckReceiverSends(ConformingTransports& transports) {
  constexpr std::uint64_t kRounds = 500;
  Node one(transports, NodeId{1});
  Node two(transports, NodeId{2});
  Introduce(transports, one, two);
  const auto answer = [](Node& self, Node& other) {
    return [&](NodeId, const SharedBytes& frame) {
      const std::uint64_t number = NumberOf(frame.view());
      if (number < 2 * kRounds) self.Send(other, Numbered(number + 1, 64));
    };
  };
  if (std::string problem = Connect(transports, one, two); !problem.empty()) return problem;
  if (std::string problem = Connect(transports, two, one); !problem.empty()) return problem;
  const std::size_t had = two.witness.frames(one.id).size();
  one.witness.set_handler(answer(one, two));
  two.witness.set_handler(answer(two, one));
  one.Send(two, Numbered(0, 64));
  if (!two.witness.AwaitFrames(one.id, had + kRounds)) return "an answer never arrived";
  return FirstOf({one.witness.problem(), two.witness.problem()});
}

/// Nobody else gets it, and each knows from whom it is.
inline std::string CheckAddressees(ConformingTransports& transports) {
  Node nodes[3] = {{transports, NodeId{1}}, {transports, NodeId{2}}, {transports, NodeId{3}}};
  std::vector<std::string> sent[3][3];
  for (int i = 0; i < 3; ++i) Introduce(transports, nodes[i], nodes[(i + 1) % 3]);
  for (std::uint64_t number = 0; number < 300; ++number) {
    const std::size_t from = number % 3;
    const std::size_t to = (from + 1 + number / 3 % 2) % 3;
    sent[from][to].push_back(Numbered(number, 100));
    const SharedBytes piece = SharedBytes::Copy(sent[from][to].back());
    if (!SendPatiently(transports, nodes[from], nodes[to], {&piece, 1})) return "Send refuses";
  }
  for (std::size_t from = 0; from < 3; ++from) {
    for (std::size_t to = 0; to < 3; ++to) {
      if (from == to) continue;
      nodes[to].witness.AwaitFrames(nodes[from].id, sent[from][to].size());
      const std::string problem = Compare(sent[from][to], nodes[to].witness.frames(nodes[from].id));
      if (!problem.empty()) return problem;
    }
  }
  return "";
}

/// Who is not known, or was removed, is sent nothing; nor does an empty frame go.
inline std::string CheckRefusals(ConformingTransports& transports) {
  Node one(transports, NodeId{1});
  Node two(transports, NodeId{2});
  if (one.Send(two, "whoever you are")) return "Send takes a frame to a peer that is not known";
  Introduce(transports, one, two);
  if (std::string problem = Connect(transports, one, two); !problem.empty()) return problem;
  if (one.transport->Send(two.id, {})) return "Send takes an empty frame";
  one.transport->RemovePeer(two.id);
  if (one.Send(two, "you are gone")) return "Send takes a frame to a peer that was removed";
  return "";
}

/// A peer that takes nothing costs a bounded queue, blocks nobody, and loses nothing of what Send
/// took.
inline std::string CheckFullQueue(ConformingTransports& transports) {
  constexpr std::size_t kFrameBytes = 128u << 10;
  Node from(transports, NodeId{1});
  Node to(transports, NodeId{2});
  Introduce(transports, from, to);
  if (std::string problem = Connect(transports, from, to); !problem.empty()) return problem;
  to.witness.set_blocked(true);
  const std::uint64_t limit = 4 * transports.queue_bytes_max() + (64u << 20);
  const SharedBytes rest = SharedBytes::Copy(std::string(kFrameBytes - 8, 'r'));
  std::uint64_t taken = 0;
  while (taken * kFrameBytes < limit) {
    const SharedBytes pieces[] = {SharedBytes::Copy(Numbered(taken, 8)), rest};
    if (!from.transport->Send(to.id, pieces)) break;
    ++taken;
  }
  to.witness.set_blocked(false);
  if (taken * kFrameBytes >= limit) return "the queue for a peer that takes nothing has no bound";
  if (!to.witness.AwaitFramesOf(from.id, kFrameBytes, taken)) {
    return "frames that Send took never arrived";
  }
  const auto came = to.witness.frames(from.id);
  std::uint64_t next = 0;
  for (std::size_t i = 0; i < came.size(); ++i) {
    if (came[i].size() != kFrameBytes) continue;  // A hello, perhaps a late one.
    if (NumberOf(came[i].view()) != next++) return "frames out of order after a full queue";
  }
  return next == taken ? "" : "frames that Send had refused arrived";
}

/// A peer that is gone is reported, or Send says no; when it is back, frames flow again.
inline std::string CheckRestart(ConformingTransports& transports) {
  Node one(transports, NodeId{1});
  for (int life = 0; life < 3; ++life) {
    Node two(transports, NodeId{2});
    Introduce(transports, one, two);
    const std::string problem =
        FirstOf({Connect(transports, one, two), Connect(transports, two, one)});
    if (!problem.empty()) return "in life " + std::to_string(life) + ": " + problem;
  }
  const auto until = std::chrono::steady_clock::now() + transports.patience();
  const SharedBytes piece = SharedBytes::Copy("is anybody there?");
  while (one.transport->Send(NodeId{2}, {&piece, 1}) && !one.witness.unreachable(NodeId{2})) {
    if (std::chrono::steady_clock::now() > until) return "nobody says that a peer is gone";
    std::this_thread::yield();
  }
  return one.witness.problem();
}

/// Stop under traffic: then the receiver has peace, for ever.
inline std::string CheckStop(ConformingTransports& transports) {
  Node from(transports, NodeId{1});
  std::string problem;
  for (int round = 0; round < 5 && problem.empty(); ++round) {
    Node to(transports, NodeId{2});
    Introduce(transports, from, to);
    problem = Connect(transports, from, to);
    std::atomic<bool> done{false};
    std::thread traffic([&] {
      while (!done) from.Send(to, Numbered(1, 2000));
    });
    const std::size_t had = to.witness.frames(from.id).size();
    if (!to.witness.AwaitFrames(from.id, had + 20)) problem = "no traffic";
    to.transport->Stop();
    to.witness.set_over();
    to.transport->Stop();
    if (to.Send(from, "from beyond")) problem = "Send takes a frame after Stop";
    done = true;
    traffic.join();
    problem = FirstOf({problem, to.witness.problem()});
  }
  return problem;
}

}  // namespace conformance

class TransportConformance
    : public testing::TestWithParam<std::function<std::unique_ptr<ConformingTransports>()>> {
 protected:
  std::unique_ptr<ConformingTransports> transports_ = GetParam()();
};

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(TransportConformance);

TEST_P(TransportConformance, FramesArriveWholeAndInOrder) {
  EXPECT_EQ(conformance::CheckWholeAndInOrder(*transports_), "");
}
TEST_P(TransportConformance, ManyThreadsMaySend) {
  EXPECT_EQ(conformance::CheckSendersAtATime(*transports_), "");
}
TEST_P(TransportConformance, TheReceiverMaySend) {
  EXPECT_EQ(conformance::CheckReceiverSends(*transports_), "");
}
TEST_P(TransportConformance, FramesReachWhomTheyAreFor) {
  EXPECT_EQ(conformance::CheckAddressees(*transports_), "");
}
TEST_P(TransportConformance, WhatCannotBeSentIsRefused) {
  EXPECT_EQ(conformance::CheckRefusals(*transports_), "");
}
TEST_P(TransportConformance, AFullQueueRefusesAndLosesNothing) {
  EXPECT_EQ(conformance::CheckFullQueue(*transports_), "");
}
TEST_P(TransportConformance, APeerMayGoAndComeBack) {
  EXPECT_EQ(conformance::CheckRestart(*transports_), "");
}
TEST_P(TransportConformance, StopIsTheEnd) {
  EXPECT_EQ(conformance::CheckStop(*transports_), "");
}

}  // namespace trireme::raft
