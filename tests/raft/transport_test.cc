// The rules by which two processes come to one connection, over real sockets: also with peers that
// follow none.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <string>
#include <thread>

#include "raft/raw_peer.h"
#include "raft/test_transports.h"
#include "raft/transport/ask.h"
#include "raft/transport/frame.h"
#include "raft/transport/frame_reader.h"
#include "rpc/sockets.h"

namespace trireme::raft {
namespace {

using conformance::Numbered;
using conformance::Witness;
using tcp::DecodeHello;
using tcp::EncodeHello;
using tcp::Hello;
using tcp::kFrameHeaderBytes;

constexpr std::chrono::seconds kPatience{60};

struct Node {
  explicit Node(TcpTransportOptions options) : witness(kPatience), transport(std::move(options)) {
    const absl::Status started = transport.Start(&witness);
    EXPECT_TRUE(started.ok()) << started;
  }
  ~Node() { transport.Stop(); }

  absl::Status Knows(const Node& other, std::uint64_t id) {
    return transport.SetPeer(NodeId{id}, other.transport.address());
  }
  bool Send(std::uint64_t to, std::string_view bytes) {
    const SharedBytes piece = SharedBytes::Copy(bytes);
    return transport.Send(NodeId{to}, {&piece, 1});
  }
  bool Awaits(std::uint64_t from, std::size_t count) {
    return witness.AwaitFrames(NodeId{from}, count);
  }
  /// Waits until the counters say so.
  template <typename Condition>
  TransportStats AwaitStats(Condition condition) {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (!condition(transport.stats()) && std::chrono::steady_clock::now() < until) {
      std::this_thread::yield();
    }
    EXPECT_TRUE(condition(transport.stats()));
    return transport.stats();
  }

  Witness witness;
  TcpTransport transport;
};

Hello HelloOf(std::uint64_t from, std::uint64_t to) {
  return {.cluster_id = kTestCluster,
          .from = NodeId{from},
          .to = NodeId{to},
          .incarnation = 77,
          .number = 1};
}

/// The text of the refusal that answers `hello`.
std::string RefusalOf(Node& node, const Hello& hello) {
  RawPeer raw(node.transport.address());
  raw.SayHello(hello);
  const auto answer = raw.ReadHello();
  EXPECT_EQ(answer.status().code(), absl::StatusCode::kPermissionDenied) << answer.status();
  EXPECT_TRUE(raw.AwaitEnd());
  return std::string(answer.status().message());
}

TEST(TcpTransportTest, BothDialAndOneConnectionStaysWhateverTheOrder) {
  for (int round = 0; round < 50; ++round) {
    Node one(TestOptions(1));
    Node two(TestOptions(2));
    std::thread other([&] { ASSERT_TRUE(one.Knows(two, 2).ok()); });
    ASSERT_TRUE(two.Knows(one, 1).ok());
    other.join();
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(one.Send(2, Numbered(static_cast<std::uint64_t>(i), 100)));
      ASSERT_TRUE(two.Send(1, Numbered(static_cast<std::uint64_t>(i), 100)));
    }
    ASSERT_TRUE(one.Awaits(2, 20));
    ASSERT_TRUE(two.Awaits(1, 20));
    EXPECT_EQ(one.transport.stats().connections_made, 1u) << "in round " << round;
    EXPECT_EQ(two.transport.stats().connections_made, 1u) << "in round " << round;
    EXPECT_EQ(one.transport.stats().connections_lost, 0u);
    EXPECT_FALSE(one.witness.unreachable(NodeId{2}));
    EXPECT_FALSE(two.witness.unreachable(NodeId{1}));
  }
}

TEST(TcpTransportTest, OneSideAloneMayKnowTheOther) {
  Node one(TestOptions(1));
  Node two(TestOptions(2));
  ASSERT_TRUE(two.Knows(one, 1).ok());
  ASSERT_TRUE(two.Send(1, "let me in"));
  ASSERT_TRUE(one.Awaits(2, 1));
  EXPECT_TRUE(one.Send(2, "welcome"));
  EXPECT_TRUE(two.Awaits(1, 1));
}

TEST(TcpTransportTest, AStrangerIsForgottenWithItsConnection) {
  Node one(TestOptions(1));
  {
    Node two(TestOptions(2));
    ASSERT_TRUE(two.Knows(one, 1).ok());
    ASSERT_TRUE(two.Send(1, "let me in"));
    ASSERT_TRUE(one.Awaits(2, 1));
  }
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (one.Send(2, "still there?") && std::chrono::steady_clock::now() < until) {
    std::this_thread::yield();
  }
  // The sender may find out before the loop does.
  one.AwaitStats([&](const TransportStats&) { return one.witness.unreachable(NodeId{2}); });
  EXPECT_FALSE(one.Send(2, "still there?"));
}

TEST(TcpTransportTest, RefusesWhoeverIsNotOfTheCluster) {
  Node node(TestOptions(1));
  Hello other_cluster = HelloOf(2, 1);
  other_cluster.cluster_id = 8;
  EXPECT_EQ(RefusalOf(node, other_cluster),
            "node 2 is of cluster 0000000000000008, node 1 of cluster 0000000000000007");
  EXPECT_EQ(RefusalOf(node, HelloOf(2, 3)),
            "node 2 takes this for node 3, it is node 1; correct the address it has");
  EXPECT_EQ(RefusalOf(node, HelloOf(1, 1)),
            "it says that it is node 1, and so is this; give each node an id of its own");
  node.transport.RemovePeer(NodeId{5});
  EXPECT_EQ(RefusalOf(node, HelloOf(5, 1)), "node 5 was removed from node 1's peers");
  EXPECT_EQ(node.transport.stats().connections_refused, 4u);
  EXPECT_EQ(node.transport.stats().connections_made, 0u);
}

TEST(TcpTransportTest, AnswersWhoAsksInsteadOfSayingHello) {
  TcpTransportOptions options = TestOptions(1);
  options.answer = [](std::string_view question) { return std::string(question) + ", indeed"; };
  const Node one(std::move(options));
  const Node silent(TestOptions(2));
  const auto ask = [](const Node& node) {
    return tcp::Ask(node.transport.address(), std::nullopt, "who", kPatience);
  };
  EXPECT_EQ(ask(one).value(), "who, indeed");
  EXPECT_EQ(ask(one).value(), "who, indeed");
  EXPECT_TRUE(absl::IsUnavailable(ask(silent).status())) << ask(silent).status();
}

TEST(TcpTransportTest, KnowsNoStrangersWhenToldSo) {
  TcpTransportOptions options = TestOptions(1);
  options.accept_unknown = false;
  Node node(options);
  EXPECT_EQ(RefusalOf(node, HelloOf(2, 1)), "node 2 is not among the 0 peers that node 1 knows");
}

TEST(TcpTransportTest, RefusesAnotherVersionInWords) {
  Node node(TestOptions(1));
  RawPeer raw(node.transport.address());
  std::string hello = EncodeHello(HelloOf(2, 1));
  hello[8] = 42;
  raw.WriteFrame(hello);
  const auto answer = raw.ReadHello();
  EXPECT_EQ(answer.status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_NE(answer.status().message().find("version 42"), absl::string_view::npos);
  EXPECT_TRUE(raw.AwaitEnd());
}

TEST(TcpTransportTest, GarbageEndsItsConnectionOnly) {
  Node one(TestOptions(1));
  Node two(TestOptions(2));
  ASSERT_TRUE(one.Knows(two, 2).ok());
  ASSERT_TRUE(one.Send(2, "before"));
  ASSERT_TRUE(two.Awaits(1, 1));
  for (const std::string& garbage :
       {std::string("GET / HTTP/1.1\r\n\r\n"), std::string(1000, '\0'), std::string(1000, '\xff'),
        std::string("\x10\0\0\0\0\0\0\0garbage garbage!", 24)}) {
    RawPeer raw(two.transport.address());
    raw.Write(garbage);
    EXPECT_TRUE(raw.AwaitEnd());
    EXPECT_EQ(raw.bytes_read(), 0u);
  }
  EXPECT_EQ(two.transport.stats().connections_refused, 4u);
  ASSERT_TRUE(one.Send(2, "after"));
  EXPECT_TRUE(two.Awaits(1, 2));
  EXPECT_EQ(two.transport.stats().connections_lost, 0u);
}

TEST(TcpTransportTest, WhoSaysNothingIsSentAway) {
  TcpTransportOptions options = TestOptions(1);
  options.handshake_timeout = std::chrono::milliseconds(30);
  Node node(options);
  RawPeer silent(node.transport.address());
  EXPECT_TRUE(silent.AwaitEnd());
  RawPeer slow(node.transport.address());
  slow.Write(std::string(3, '\x40'));
  EXPECT_TRUE(slow.AwaitEnd());
}

TEST(TcpTransportTest, StrangersTakeABoundedNumberOfPlaces) {
  TcpTransportOptions options = TestOptions(1);
  options.unproven_connections_max = 2;
  Node node(options);
  RawPeer first(node.transport.address());
  RawPeer second(node.transport.address());
  RawPeer third(node.transport.address());
  EXPECT_TRUE(third.AwaitEnd());
  first.SayHello(HelloOf(2, 1));
  EXPECT_TRUE(first.ReadHello().ok()) << "the others keep their places";
}

TEST(TcpTransportTest, AConnectionWithoutInputIsDead) {
  TcpTransportOptions options = TestOptions(1);
  options.keepalive_interval = std::chrono::milliseconds(20);
  options.silence_max = std::chrono::milliseconds(60);
  Node node(options);
  RawPeer raw(node.transport.address());
  raw.SayHello(HelloOf(2, 1));
  ASSERT_TRUE(raw.ReadHello().ok());
  EXPECT_TRUE(raw.AwaitEnd()) << "the node should have given it up";
  // Meanwhile the node has said that it is there.
  EXPECT_GT(raw.bytes_read(), kFrameHeaderBytes + EncodeHello({}).size());
  node.AwaitStats([&](const TransportStats& s) {
    return s.connections_lost == 1 && node.witness.unreachable(NodeId{2});
  });
}

TEST(TcpTransportTest, AnIdleConnectionSaysThatItIsThere) {
  TcpTransportOptions options = TestOptions(1);
  options.keepalive_interval = std::chrono::milliseconds(5);
  options.silence_max = std::chrono::minutes(10);
  Node node(options);
  RawPeer raw(node.transport.address());
  raw.SayHello(HelloOf(2, 1));
  ASSERT_TRUE(raw.ReadHello().ok());
  EXPECT_EQ(raw.ReadBytes(3 * kFrameHeaderBytes), Framed("") + Framed("") + Framed(""));
  EXPECT_EQ(node.transport.stats().connections_lost, 0u);
}

TEST(TcpTransportTest, ANewerConnectionOfAPeerReplacesTheOldOne) {
  Node node(TestOptions(1));
  RawPeer old(node.transport.address());
  Hello hello = HelloOf(2, 1);
  hello.number = 5;
  old.SayHello(hello);
  ASSERT_TRUE(old.ReadHello().ok());

  // One that was under way before is not taken,
  RawPeer stale(node.transport.address());
  hello.number = 4;
  stale.SayHello(hello);
  EXPECT_TRUE(stale.AwaitEnd());
  EXPECT_EQ(stale.bytes_read(), 0u);

  // one that the peer dialed later is,
  RawPeer newer(node.transport.address());
  hello.number = 6;
  newer.SayHello(hello);
  ASSERT_TRUE(newer.ReadHello().ok());
  EXPECT_TRUE(old.AwaitEnd());

  // and one of the peer's next life whatever its number.
  RawPeer reborn(node.transport.address());
  hello.incarnation = 78;
  hello.number = 1;
  reborn.SayHello(hello);
  ASSERT_TRUE(reborn.ReadHello().ok());
  EXPECT_TRUE(newer.AwaitEnd());

  reborn.WriteFrame("from the last one");
  ASSERT_TRUE(node.Awaits(2, 1));
  ASSERT_TRUE(node.Send(2, "to the last one"));
  EXPECT_EQ(reborn.ReadFrame(), "to the last one");
  const TransportStats stats = node.transport.stats();
  EXPECT_EQ(stats.connections_made, 3u);
  EXPECT_EQ(stats.connections_lost, 2u);
}

/// Listens, and hands out what dials.
class RawListener {
 public:
  RawListener() {
    auto bound = *rpc::ListenOn(*rpc::ParseAddress("127.0.0.1:0"));
    descriptor_ = std::move(bound.first);
    address_ = bound.second.ToString();
  }
  RawPeer Accept() {
    pollfd one{descriptor_.get(), POLLIN, 0};
    ::poll(&one, 1, 60000);
    return RawPeer(
        rpc::OwnedDescriptor(::accept4(descriptor_.get(), nullptr, nullptr, SOCK_NONBLOCK)));
  }
  const std::string& address() const { return address_; }

 private:
  rpc::OwnedDescriptor descriptor_;
  std::string address_;
};

TEST(TcpTransportTest, TheSmallerIdsAttemptWinsAndTheOtherWaitsForIt) {
  Node node(TestOptions(1));
  RawListener listener;
  ASSERT_TRUE(node.transport.SetPeer(NodeId{2}, listener.address()).ok());
  RawPeer dialed = listener.Accept();
  ASSERT_TRUE(dialed.ReadHello().ok());  // Unanswered: the attempt is under way.
  RawPeer rival(node.transport.address());
  rival.SayHello(HelloOf(2, 1));
  Hello answer = HelloOf(2, 1);
  answer.number = 2;
  dialed.SayHello(answer);
  EXPECT_TRUE(rival.AwaitEnd());
  EXPECT_EQ(rival.bytes_read(), 0u);
  dialed.WriteFrame("by the one that won");
  EXPECT_TRUE(node.Awaits(2, 1));
}

TEST(TcpTransportTest, TheOtherAttemptCountsWhenTheSmallerIdsFails) {
  Node node(TestOptions(1));
  RawListener listener;
  ASSERT_TRUE(node.transport.SetPeer(NodeId{2}, listener.address()).ok());
  std::optional<RawPeer> dialed = listener.Accept();
  ASSERT_TRUE(dialed->ReadHello().ok());
  ASSERT_TRUE(node.Send(2, "whichever way"));
  RawPeer rival(node.transport.address());
  rival.SayHello(HelloOf(2, 1));
  // The hello has been heard when a connection after it has been answered.
  EXPECT_NE(RefusalOf(node, HelloOf(1, 1)), "");
  dialed.reset();
  ASSERT_TRUE(rival.ReadHello().ok());
  EXPECT_EQ(rival.ReadFrame(), "whichever way");
  EXPECT_FALSE(node.witness.unreachable(NodeId{2}));
}

TEST(TcpTransportTest, TheGreaterIdsAttemptYields) {
  Node node(TestOptions(3));
  RawListener listener;
  ASSERT_TRUE(node.transport.SetPeer(NodeId{2}, listener.address()).ok());
  RawPeer dialed = listener.Accept();
  ASSERT_TRUE(dialed.ReadHello().ok());
  RawPeer other(node.transport.address());
  other.SayHello(HelloOf(2, 3));
  ASSERT_TRUE(other.ReadHello().ok());
  EXPECT_TRUE(dialed.AwaitEnd());
}

TEST(TcpTransportTest, WhoAnswersWithAnotherIdIsNotTakenForThePeer) {
  Node node(TestOptions(1));
  Node wrong(TestOptions(3));
  ASSERT_TRUE(node.Knows(wrong, 2).ok());
  ASSERT_TRUE(node.Send(2, "are you node 2?"));
  node.AwaitStats([](const TransportStats& s) { return s.dials_failed > 0; });
  wrong.AwaitStats([](const TransportStats& s) { return s.connections_refused > 0; });
  EXPECT_EQ(wrong.transport.stats().frames_received, 0u);
}

TEST(TcpTransportTest, WhatWaitsForAPeerThatCannotBeReachedIsReportedLost) {
  std::string nowhere;
  {
    const RawListener listener;
    nowhere = listener.address();
  }
  Node node(TestOptions(1));
  ASSERT_TRUE(node.transport.SetPeer(NodeId{2}, nowhere).ok());
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!node.witness.unreachable(NodeId{2}) && std::chrono::steady_clock::now() < until) {
    node.Send(2, "hello?");
  }
  EXPECT_TRUE(node.witness.unreachable(NodeId{2}));
}

TEST(TcpTransportTest, AFrameHasALimitBothWays) {
  TcpTransportOptions options = TestOptions(1);
  options.frame_bytes_max = 1000;
  Node node(options);
  RawPeer raw(node.transport.address());
  raw.SayHello(HelloOf(2, 1));
  ASSERT_TRUE(raw.ReadHello().ok());
  EXPECT_FALSE(node.Send(2, std::string(1001, 'x')));
  EXPECT_TRUE(node.Send(2, std::string(1000, 'x')));
  EXPECT_EQ(raw.ReadFrame(), std::string(1000, 'x'));
  raw.WriteFrame(std::string(1000, 'y'));
  ASSERT_TRUE(node.Awaits(2, 1));
  raw.WriteFrame(std::string(1001, 'y'));
  EXPECT_TRUE(raw.AwaitEnd());
  EXPECT_EQ(node.transport.stats().frames_received, 1u);
}

TEST(TcpTransportTest, LargeFramesOfManyPieces) {
  constexpr std::size_t kBytes = 40u << 20;
  Node one(TestOptions(1));
  Node two(TestOptions(2));
  ASSERT_TRUE(one.Knows(two, 2).ok());
  const std::string text = Numbered(1, kBytes);
  const SharedBytes whole = SharedBytes::Copy(text);
  std::vector<SharedBytes> pieces;
  for (std::size_t at = 0; at < kBytes; at += 5000) {
    pieces.push_back(whole.Slice(whole.view().substr(at, 5000)));
  }
  ASSERT_TRUE(one.transport.Send(NodeId{2}, pieces));
  ASSERT_TRUE(two.Awaits(1, 1));
  EXPECT_TRUE(two.witness.frames(NodeId{1})[0].view() == text);
}

TEST(TcpTransportTest, APeerMayMove) {
  Node one(TestOptions(1));
  Node two(TestOptions(2));
  ASSERT_TRUE(one.Knows(two, 2).ok());
  ASSERT_TRUE(one.Send(2, "here"));
  ASSERT_TRUE(two.Awaits(1, 1));
  Node moved(TestOptions(2));
  ASSERT_TRUE(one.Knows(moved, 2).ok());
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!moved.witness.AwaitFramesShortly(NodeId{1}, 1) &&
         std::chrono::steady_clock::now() < until) {
    one.Send(2, "there");
  }
  EXPECT_TRUE(moved.Awaits(1, 1));
}

TEST(TcpTransportTest, TheCallersLoopRunsTheReceiver) {
  TcpTransportOptions options = TestOptions(1);
  options.loop = rpc::Loop::Create();
  std::atomic<int> elsewhere{0};
  {
    Node one(options);
    Node two(TestOptions(2));
    one.witness.set_handler([&](NodeId, const SharedBytes&) {
      if (!options.loop->InThread()) ++elsewhere;
    });
    ASSERT_TRUE(two.Knows(one, 1).ok());
    ASSERT_TRUE(two.Send(1, "on which thread?"));
    ASSERT_TRUE(one.Awaits(2, 1));
    // Stop on the loop's own thread.
    std::promise<void> stopped;
    options.loop->Post([&] {
      one.transport.Stop();
      stopped.set_value();
    });
    stopped.get_future().wait();
    one.witness.set_over();
    two.Send(1, "too late");
  }
  EXPECT_EQ(elsewhere, 0);
  options.loop->Stop();
}

TEST(TcpTransportTest, SaysWhichOptionIsWrong) {
  Witness witness(kPatience);
  TcpTransportOptions options = TestOptions(0);
  EXPECT_NE(TcpTransport(options).Start(&witness).message().find("node is 0"),
            absl::string_view::npos);
  options = TestOptions(1);
  options.frame_bytes_max = std::size_t{5} << 30;
  EXPECT_NE(TcpTransport(options).Start(&witness).message().find("frame_bytes_max is 5368709120"),
            absl::string_view::npos);
  options = TestOptions(1);
  options.listen = "no address";
  EXPECT_EQ(TcpTransport(options).Start(&witness).code(), absl::StatusCode::kInvalidArgument);
  const RawListener taken;
  options.listen = taken.address();
  const absl::Status status = TcpTransport(options).Start(&witness);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(status.message().find(taken.address()), absl::string_view::npos) << status;
  Node node(TestOptions(1));
  EXPECT_EQ(node.transport.Start(&witness).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_FALSE(node.transport.SetPeer(NodeId{2}, "nonsense").ok());
  EXPECT_FALSE(node.transport.SetPeer(NodeId{1}, taken.address()).ok());
}

class TlsTransportTest : public testing::Test {
 protected:
  TcpTransportOptions Options(std::uint64_t node, const test::TlsMaterial& material) {
    TcpTransportOptions options = TestOptions(node);
    options.tls = TestTls(material);
    return options;
  }
  const test::TlsMaterial ours_ = test::MakeTlsMaterial();
};

TEST_F(TlsTransportTest, WithoutOurCertificateNobodyComesIn) {
  Node node(Options(1, ours_));
  Node stranger(Options(2, test::MakeTlsMaterial()));
  Node plain(TestOptions(3));
  ASSERT_TRUE(stranger.Knows(node, 1).ok());
  ASSERT_TRUE(plain.Knows(node, 1).ok());
  stranger.Send(1, "let me in");
  plain.Send(1, "let me in");
  stranger.AwaitStats([](const TransportStats& s) { return s.dials_failed > 1; });
  plain.AwaitStats([](const TransportStats& s) { return s.dials_failed > 1; });
  EXPECT_EQ(node.transport.stats().connections_made, 0u);
  EXPECT_GT(node.transport.stats().connections_refused, 1u);
}

TEST_F(TlsTransportTest, WithoutACertificateOfItsOwnNobodyComesIn) {
  Node node(Options(1, ours_));
  TcpTransportOptions nameless = Options(2, ours_);
  nameless.tls->mutual = false;
  Node stranger(nameless);
  ASSERT_TRUE(stranger.Knows(node, 1).ok());
  stranger.Send(1, "let me in");
  // TLS 1.3 lets a client believe that it is in until the server has seen its certificate.
  node.AwaitStats([](const TransportStats& s) { return s.connections_refused > 0; });
  EXPECT_EQ(node.transport.stats().connections_made, 0u);
}

TEST_F(TlsTransportTest, AnAddressThatLeadsToAStrangerIsNotSpokenTo) {
  Node stranger(Options(1, test::MakeTlsMaterial()));
  Node node(Options(2, ours_));
  ASSERT_TRUE(node.Knows(stranger, 1).ok());
  node.Send(1, "a secret");
  node.AwaitStats([](const TransportStats& s) { return s.dials_failed > 0; });
  EXPECT_EQ(stranger.transport.stats().connections_made, 0u);
}

/// Two nodes trust each other's certificates and want them to be for the node that shows them.
class NamedTransportTest : public testing::Test {
 protected:
  TcpTransportOptions Options(std::uint64_t node, const test::TlsMaterial& material) {
    TcpTransportOptions options = TestOptions(node);
    options.tls = TestTls(material);
    options.tls->ca_pem = first_.certificate_pem + second_.certificate_pem;
    return options;
  }
  TcpTransportOptions WithCn(TcpTransportOptions options) {
    options.tls->allowed_cn = "member-{node}";
    return options;
  }
  TcpTransportOptions WithHostname(TcpTransportOptions options, const std::string& name) {
    options.tls->allowed_hostname = name;
    return options;
  }
  static void ExpectTalk(const TcpTransportOptions& one, const TcpTransportOptions& two) {
    Node first(one);
    Node second(two);
    ASSERT_TRUE(second.Knows(first, 1).ok());
    ASSERT_TRUE(second.Send(1, "it is me"));
    EXPECT_TRUE(first.Awaits(2, 1));
  }
  const test::TlsMaterial first_ =
      test::MakeTlsMaterial("member-1", ",DNS:n1.cluster.test,URI:spiffe://test/node/1");
  const test::TlsMaterial second_ =
      test::MakeTlsMaterial("member-2", ",DNS:n2.cluster.test,URI:spiffe://test/node/2");
};

TEST_F(NamedTransportTest, ACertificateOfTheNodeLetsItIn) {
  ExpectTalk(WithCn(Options(1, first_)), WithCn(Options(2, second_)));
  for (const std::string name :
       {"n{node}.cluster.test", "spiffe://test/node/{node}", "127.0.0.1", "localhost"}) {
    ExpectTalk(WithHostname(Options(1, first_), name), WithHostname(Options(2, second_), name));
  }
}

TEST_F(NamedTransportTest, WhoShowsAnotherNodesCertificateIsRefused) {
  for (const bool by_cn : {true, false}) {
    const TcpTransportOptions one = Options(1, first_);
    Node node(by_cn ? WithCn(one) : WithHostname(one, "spiffe://test/node/{node}"));
    Node impostor(Options(2, first_));  // node 1's
    ASSERT_TRUE(impostor.Knows(node, 1).ok());
    impostor.Send(1, "I am the second");
    node.AwaitStats([](const TransportStats& s) { return s.connections_refused > 0; });
    EXPECT_EQ(node.transport.stats().connections_made, 0u);
  }
}

TEST_F(NamedTransportTest, ADialedNodeThatShowsAnotherNodesCertificateIsNotSpokenTo) {
  Node impostor(Options(1, second_));
  Node node(WithCn(Options(2, second_)));
  ASSERT_TRUE(node.Knows(impostor, 1).ok());
  node.Send(1, "a secret");
  node.AwaitStats([](const TransportStats& s) { return s.dials_failed > 0; });
  EXPECT_EQ(node.transport.stats().connections_made, 0u);
}

TEST_F(NamedTransportTest, TheCommonNameIsNoAlternativeName) {
  Node node(WithHostname(Options(1, first_), "member-{node}"));
  Node other(Options(2, second_));
  ASSERT_TRUE(other.Knows(node, 1).ok());
  other.Send(1, "let me in");
  node.AwaitStats([](const TransportStats& s) { return s.connections_refused > 0; });
  EXPECT_EQ(node.transport.stats().connections_made, 0u);
}

TEST_F(NamedTransportTest, OneOfTheTwoNamesIsSet) {
  TcpTransport both(WithHostname(WithCn(Options(1, first_)), "n{node}.cluster.test"));
  Witness witness(kPatience);
  EXPECT_EQ(both.Start(&witness).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(TlsTransportTest, BothDial) {
  for (int round = 0; round < 10; ++round) {
    Node one(Options(1, ours_));
    Node two(Options(2, ours_));
    ASSERT_TRUE(one.Knows(two, 2).ok());
    ASSERT_TRUE(two.Knows(one, 1).ok());
    ASSERT_TRUE(one.Send(2, "there"));
    ASSERT_TRUE(two.Send(1, "and back"));
    ASSERT_TRUE(one.Awaits(2, 1));
    ASSERT_TRUE(two.Awaits(1, 1));
    EXPECT_EQ(one.transport.stats().connections_made, 1u);
  }
}

/// How often a node that is away is warned of when attempts have failed for much longer than
/// `silence_max`, or not so long.
std::size_t WarningsOfAbsence(std::chrono::milliseconds silence_max) {
  const std::string nobody = [] {
    Node gone(TestOptions(2));
    return gone.transport.address();
  }();
  TcpTransportOptions options = TestOptions(1);
  options.keepalive_interval = std::chrono::milliseconds(10);
  options.silence_max = silence_max;
  testing::internal::CaptureStderr();
  {
    Node one(options);
    EXPECT_TRUE(one.transport.SetPeer(NodeId{2}, nobody).ok());
    one.AwaitStats([](const TransportStats& stats) { return stats.dials_failed > 0; });
    const auto enough = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
    one.AwaitStats(
        [&](const TransportStats&) { return std::chrono::steady_clock::now() > enough; });
    const std::uint64_t before = one.transport.stats().dials_failed;
    one.AwaitStats([&](const TransportStats& stats) { return stats.dials_failed > before + 2; });
  }
  const std::string log = testing::internal::GetCapturedStderr();
  std::size_t warnings = 0;
  for (std::size_t at = 0; (at = log.find("raft peer not reached", at)) != log.npos; ++at) {
    ++warnings;
  }
  return warnings;
}

/// Processes of a cluster start one after the other.
TEST(Log, ANodeThatIsAwayIsAWarningWhenItLasts) {
  EXPECT_EQ(WarningsOfAbsence(std::chrono::hours(1)), 0u);
  EXPECT_EQ(WarningsOfAbsence(std::chrono::milliseconds(20)), 1u);
}

}  // namespace
}  // namespace trireme::raft
