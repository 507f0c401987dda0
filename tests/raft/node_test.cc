// raft::Node as a program embeds it, over real sockets: peers that lie or are strangers, TLS, the
// pages.
#include <gtest/gtest.h>

#include <trireme/raft.h>

#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "raft/core/codec.h"
#include "raft/raw_peer.h"
#include "raft/replica/frame.h"
#include "raft/replica/replica_testing.h"
#include "raft/test_transports.h"

namespace trireme::raft {
namespace {

std::optional<TlsIdentity> IdentityOf(const test::TlsMaterial& material) {
  return TlsIdentity{.certificate_chain_pem = material.certificate_pem,
                     .private_key_pem = material.key_pem,
                     .ca_pem = material.certificate_pem};
}

struct Service {
  Adder machine;
  std::unique_ptr<Node> node;

  std::uint64_t Metric(const std::string& name) const {
    return MetricOf(node->host(), "trireme_raft_" + name + "_total");
  }
};

NodeOptions OptionsOf(std::uint64_t id, std::uint64_t members) {
  NodeOptions options;
  options.node = NodeId{id};
  options.cluster_id = kTestCluster;
  options.host.tick = std::chrono::milliseconds(5);
  for (std::uint64_t member = 1; member <= members; ++member) {
    options.members.push_back({NodeId{member}, ""});
  }
  return options;
}

std::unique_ptr<Service> Start(const NodeOptions& options) {
  auto service = std::make_unique<Service>();
  auto started = Node::Start(options, &service->machine);
  EXPECT_TRUE(started.ok()) << started.status();
  if (!started.ok()) return nullptr;
  service->node = *std::move(started);
  return service;
}

void Introduce(Service& one, std::uint64_t one_id, Service& two, std::uint64_t two_id) {
  EXPECT_TRUE(one.node->host().SetPeer(NodeId{two_id}, two.node->address()).ok());
  EXPECT_TRUE(two.node->host().SetPeer(NodeId{one_id}, one.node->address()).ok());
}

/// Proposes `number` at whoever leads until it is committed; the sum.
std::string Add(const std::vector<Service*>& services, const std::string& number) {
  ProposalResult result;
  EXPECT_TRUE(Eventually([&] {
    for (Service* service : services) {
      if (!service->node->replica().leads()) continue;
      result = service->node->replica().ProposeAndWait(SharedBytes::Copy(number), kLongTime);
      if (result.state == ProposalState::kCommitted) return true;
    }
    return false;
  }));
  return result.result;
}

/// A Node that leads alone, and what must not change while others lie to it.
class HostilePeer : public testing::Test {
 protected:
  HostilePeer() {
    service_ = Start(OptionsOf(1, 1));
    EXPECT_EQ(Add({service_.get()}, "5"), "5");
    before_ = service_->node->replica().Status();
  }

  void ExpectUnmoved() {
    const ReplicaStatus now = service_->node->replica().Status();
    EXPECT_EQ(now.term, before_.term);
    EXPECT_EQ(now.leader, before_.leader);
    EXPECT_EQ(now.commit, before_.commit);
    EXPECT_EQ(now.last, before_.last);
    EXPECT_EQ(now.members.size(), before_.members.size());
    EXPECT_TRUE(now.failure.ok()) << now.failure;
    EXPECT_EQ(Add({service_.get()}, "1"), "6");
  }

  std::unique_ptr<Service> service_;
  ReplicaStatus before_;
};

TEST_F(HostilePeer, BytesThatAreNoHelloEndTheConnection) {
  const std::string hello = tcp::EncodeHello({.cluster_id = kTestCluster,
                                              .from = NodeId{9},
                                              .to = NodeId{1},
                                              .incarnation = 1,
                                              .number = 1});
  std::string other_magic = hello;
  other_magic[0] ^= 1;
  std::string wrong_checksum = Framed(hello);
  wrong_checksum.back() ^= 1;
  const std::string cases[] = {
      "GET / HTTP/1.1\r\n\r\n",                   // a length of half a gigabyte
      std::string(4000, '\0'),                    // frames without a body, for ever
      Framed(other_magic),                        //
      Framed(hello.substr(0, hello.size() / 2)),  //
      Framed(std::string(513, 'x')),              // longer than any hello
      wrong_checksum,
  };
  for (const std::string& bytes : cases) {
    RawPeer peer(service_->node->address());
    peer.Write(bytes);
    EXPECT_TRUE(peer.AwaitEnd()) << bytes.substr(0, 20);
  }
  ExpectUnmoved();
}

TEST_F(HostilePeer, AFrameOverTheLimitEndsTheConnection) {
  RawPeer peer(service_->node->address());
  peer.SayHello({.cluster_id = kTestCluster,
                 .from = NodeId{9},
                 .to = NodeId{1},
                 .incarnation = 1,
                 .number = 1});
  ASSERT_TRUE(peer.ReadHello().ok());
  peer.Write(std::string("\xff\xff\xff\x7f", 4) + std::string(4, '\0'));
  EXPECT_TRUE(peer.AwaitEnd());
  ExpectUnmoved();
}

TEST_F(HostilePeer, AnotherClustersNodeIsRefusedInWords) {
  RawPeer peer(service_->node->address());
  peer.SayHello({.cluster_id = kTestCluster + 1,
                 .from = NodeId{9},
                 .to = NodeId{1},
                 .incarnation = 1,
                 .number = 1});
  const auto refusal = peer.ReadHello();
  EXPECT_TRUE(absl::IsPermissionDenied(refusal.status())) << refusal.status();
  EXPECT_NE(refusal.status().message().find("cluster"), std::string::npos) << refusal.status();
  ExpectUnmoved();
}

/// One that says hello as it should, and then what no sound peer would say.
class LyingPeer : public HostilePeer {
 protected:
  LyingPeer() : witness_(kLongTime), transport_(TestOptions(9)) {
    EXPECT_TRUE(transport_.Start(&witness_).ok());
    EXPECT_TRUE(transport_.SetPeer(NodeId{1}, service_->node->address()).ok());
  }
  ~LyingPeer() override { transport_.Stop(); }

  /// Sends it until `counter` says that one has arrived.
  void ExpectCounted(const std::string& frame, const std::string& counter) {
    const std::uint64_t before = service_->Metric(counter);
    const SharedBytes piece = SharedBytes::Copy(frame);
    EXPECT_TRUE(transport_.Send(NodeId{1}, {&piece, 1}));
    EXPECT_TRUE(Eventually([&] { return service_->Metric(counter) > before; })) << counter;
  }
  static std::string FrameOf(GroupId group, const Message& message) {
    SectionWriter writer;
    writer.Add(group, message);
    std::string frame;
    for (const SharedBytes& piece : writer.Take()) frame += piece.view();
    return frame;
  }

  conformance::Witness witness_;
  TcpTransport transport_;
};

TEST_F(LyingPeer, FramesThatAreNoneAreCounted) {
  for (const char* frame : {"garbage", "\x01\x01\xff\xff\xff\xff\x0f", "\x01\x01\x03xyz",
                            "\x01\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80"}) {
    ExpectCounted(frame, "frames_damaged");
  }
  // The Host's own section: no book of addresses.
  ExpectCounted(std::string("\x01\x00\x03xyz", 6), "frames_damaged");
  ExpectUnmoved();
}

TEST_F(LyingPeer, GroupsThatAreNotHereAreCounted) {
  ExpectCounted(FrameOf(GroupId{77}, Heartbeat{Term{9}, {}, 1}), "messages_unclaimed");
  ExpectUnmoved();
}

TEST_F(LyingPeer, ImpossibleTermsAndIndexesAreRefused) {
  const Term impossible{std::uint64_t{1} << 63};
  const Index far{std::uint64_t{1} << 63};
  const Term term = before_.term;
  const auto append = [&](Entry entry) {
    AppendRequest request{Next(term), {Index{1}, Term{1}}, Index{1}, 1, {}};
    request.entries.push_back(std::move(entry));
    return request;
  };
  const Message lies[] = {
      Heartbeat{impossible, Index{1}, 1},
      VoteRequest{impossible, {Index{1}, Term{1}}, true},
      VoteRequest{Next(term), {far, Term{1}}, true},
      VoteRequest{Next(term), {Index{1}, Term{99}}, true},  // a log of a term yet to come
      AppendRequest{Next(term), {far, Term{1}}, Index{1}, 1, {}},
      append({Index{2}, Term{99}, EntryKind::kCommand, {}}),
      append({Index{2}, Next(term), EntryKind::kConfiguration, SharedBytes::Copy("none")}),
  };
  for (const Message& lie : lies) ExpectCounted(FrameOf(GroupId{1}, lie), "messages_refused");
  ExpectUnmoved();
}

TEST(WrongCluster, NodesOfTwoClustersDoNotMix) {
  auto one = Start(OptionsOf(1, 2));
  NodeOptions stranger = OptionsOf(2, 2);
  stranger.cluster_id = kTestCluster + 1;
  auto two = Start(stranger);
  Introduce(*one, 1, *two, 2);
  // Somebody has refused somebody, many times over, and nothing has come through.
  ASSERT_TRUE(Eventually(
      [&] { return one->node->replica().Status().term == Term{} && one->Metric("turns") > 150; }));
  EXPECT_EQ(one->Metric("frames_received") + two->Metric("frames_received"), 0u);
  EXPECT_FALSE(one->node->replica().leads() || two->node->replica().leads());
  // The right one takes its place.
  two = Start(OptionsOf(2, 2));
  Introduce(*one, 1, *two, 2);
  EXPECT_EQ(Add({one.get(), two.get()}, "3"), "3");
}

TEST(WrongCluster, ADirectoryOfAnotherIsRefused) {
  const std::string directory = testing::TempDir() + "trireme-node-" + std::to_string(::getpid());
  NodeOptions options = OptionsOf(1, 1);
  options.directory = directory;
  {
    const auto service = Start(options);
    EXPECT_EQ(Add({service.get()}, "3"), "3");
  }
  Adder machine;
  NodeOptions wrong = options;
  wrong.cluster_id = kTestCluster + 1;
  EXPECT_TRUE(absl::IsFailedPrecondition(Node::Start(wrong, &machine).status()));
  wrong = options;
  wrong.node = NodeId{2};
  EXPECT_TRUE(absl::IsFailedPrecondition(Node::Start(wrong, &machine).status()));
  const auto service = Start(options);
  EXPECT_EQ(Add({service.get()}, "1"), "4");
  service->node->Stop();
  std::filesystem::remove_all(directory);
}

/// Three nodes of which each pair is introduced; the last has an identity of its own choice.
struct Trio {
  Trio(const std::optional<TlsIdentity>& identity, const std::optional<TlsIdentity>& of_third) {
    for (std::uint64_t id = 1; id <= 3; ++id) {
      NodeOptions options = OptionsOf(id, 3);
      options.tls = id == 3 ? of_third : identity;
      services.push_back(Start(options));
    }
    for (std::uint64_t a = 1; a <= 3; ++a) {
      for (std::uint64_t b = a + 1; b <= 3; ++b) Introduce(at(a), a, at(b), b);
    }
  }
  Service& at(std::uint64_t id) { return *services[id - 1]; }
  std::vector<Service*> all() { return {&at(1), &at(2), &at(3)}; }

  std::vector<std::unique_ptr<Service>> services;
};

TEST(Tls, AClusterSpeaksIt) {
  const auto material = test::MakeTlsMaterial();
  Trio trio(IdentityOf(material), IdentityOf(material));
  EXPECT_EQ(Add(trio.all(), "3"), "3");
  for (Service* service : trio.all()) {
    EXPECT_TRUE(Eventually([&] { return service->machine.applied == 1; }));
  }
}

/// The third stays outside: nothing of it is heard, and it hears nothing.
void ExpectThirdStaysOutside(Trio& trio) {
  const std::vector<Service*> two = {&trio.at(1), &trio.at(2)};
  EXPECT_EQ(Add(two, "3"), "3");
  // It has tried for many election timeouts.
  ASSERT_TRUE(Eventually([&] { return trio.at(3).Metric("turns") > 150; }));
  EXPECT_EQ(trio.at(3).Metric("frames_received"), 0u);
  EXPECT_EQ(trio.at(3).machine.applied, 0u);
  EXPECT_EQ(Add(two, "4"), "7");
}

TEST(Tls, AnotherAuthoritysCertificateIsRefused) {
  Trio trio(IdentityOf(test::MakeTlsMaterial()), IdentityOf(test::MakeTlsMaterial()));
  ExpectThirdStaysOutside(trio);
}

/// It would trust the others, but cannot show that it is of them.
TEST(Tls, WhoTrustsTheClusterIsNotOfIt) {
  const auto cluster = test::MakeTlsMaterial();
  auto stranger = IdentityOf(test::MakeTlsMaterial());
  stranger->ca_pem = cluster.certificate_pem;
  Trio trio(IdentityOf(cluster), stranger);
  ExpectThirdStaysOutside(trio);
}

TEST(Tls, PlainPeersAreRefused) {
  Trio trio(IdentityOf(test::MakeTlsMaterial()), std::nullopt);
  ExpectThirdStaysOutside(trio);
}

TEST(Tls, AWrongPemIsRefusedAtTheStart) {
  Adder machine;
  NodeOptions options = OptionsOf(1, 1);
  options.tls = TlsIdentity{"no certificate", "no key", "no authority"};
  const auto node = Node::Start(options, &machine);
  EXPECT_FALSE(node.ok());
}

std::string Get(const std::string& address, const std::string& path) {
  RawPeer client(address);
  client.Write("GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  return client.ReadBytes(1u << 20);
}

/// The metric that a line's sample is of; a histogram has three kinds of them.
std::string MetricOf(const std::string& line, const std::set<std::string>& histograms) {
  const std::string sample = line.substr(0, line.find_first_of("{ "));
  for (const std::string suffix : {"_bucket", "_sum", "_count"}) {
    if (!sample.ends_with(suffix)) continue;
    const std::string name = sample.substr(0, sample.size() - suffix.size());
    if (histograms.contains(name)) return name;
  }
  return sample;
}

TEST(Pages, MetricsArePrometheusText) {
  NodeOptions options = OptionsOf(1, 1);
  options.http = "127.0.0.1:0";
  const auto service = Start(options);
  EXPECT_EQ(Add({service.get()}, "5"), "5");
  const std::string answer = Get(service->node->http_address(), "/metrics");
  EXPECT_EQ(answer.substr(0, 12), "HTTP/1.1 200");
  EXPECT_NE(answer.find("text/plain; version=0.0.4"), std::string::npos);
  EXPECT_NE(answer.find("\nprocess_start_time_seconds "), std::string::npos);
  std::set<std::string> declared, histograms;
  std::istringstream lines(answer.substr(answer.find("\r\n\r\n") + 4));
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("# TYPE ", 0) == 0) {
      const std::string name = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_TRUE(declared.insert(name).second) << line;
      if (line.ends_with(" histogram")) histograms.insert(name);
    } else if (line[0] != '#') {
      EXPECT_TRUE(declared.contains(MetricOf(line, histograms))) << line;
      EXPECT_NE(line.find_first_of("0123456789", line.rfind(' ')), std::string::npos) << line;
    }
  }
  for (const char* sample :
       {"\ntrireme_raft_is_leader{group=\"1\"} 1\n", "\ntrireme_raft_failed{group=\"1\"} 0\n",
        "\ntrireme_raft_proposals_committed_total 1\n", "\ntrireme_raft_disk_full 0\n",
        "\n# TYPE trireme_raft_log_direct gauge\n"}) {
    EXPECT_NE(answer.find(sample), std::string::npos) << sample;
  }
  const std::string health = Get(service->node->http_address(), "/healthz");
  EXPECT_EQ(health.substr(0, 12), "HTTP/1.1 200") << health;
  EXPECT_EQ(Get(service->node->http_address(), "/none").substr(0, 12), "HTTP/1.1 404");
}

}  // namespace
}  // namespace trireme::raft
