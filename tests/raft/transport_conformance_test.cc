// The suite for transports on ours, and on ones that break each promise.
#include <trireme/raft/transport_conformance.h>

#include <unistd.h>

#include "raft/test_transports.h"

namespace trireme::raft {

template <TcpTransports::Kind kKind>
std::unique_ptr<ConformingTransports> Over() {
  return std::make_unique<TcpTransports>(kKind);
}

INSTANTIATE_TEST_SUITE_P(Tcp, TransportConformance,
                         testing::Values(Over<TcpTransports::Kind::kTcp>));
INSTANTIATE_TEST_SUITE_P(Unix, TransportConformance,
                         testing::Values(Over<TcpTransports::Kind::kUnix>));
INSTANTIATE_TEST_SUITE_P(Tls, TransportConformance,
                         testing::Values(Over<TcpTransports::Kind::kTls>));

namespace {

enum class Fault {
  kChanges,
  kSwaps,
  kRepeats,
  kLoses,
  kMisdelivers,
  kTakesStrangers,
  kNeverFull,
  kCallsAfterStop,
  kCallsAtATime,
};

/// Ours, with one promise broken.
class Broken final : public Transport, public Transport::Receiver {
 public:
  Broken(std::unique_ptr<Transport> good, Fault fault) : good_(std::move(good)), fault_(fault) {}

  absl::Status Start(Transport::Receiver* receiver) override {
    receiver_ = receiver;
    return good_->Start(this);
  }
  void Stop() override {
    good_->Stop();
    if (fault_ == Fault::kCallsAfterStop && stopped_) {
      receiver_->OnFrame(last_peer_, SharedBytes::Copy("from beyond"));
    }
    stopped_ = true;
  }
  absl::Status SetPeer(NodeId peer, const std::string& address) override {
    last_peer_ = peer;
    return good_->SetPeer(peer, address);
  }
  void RemovePeer(NodeId peer) override { good_->RemovePeer(peer); }

  bool Send(NodeId to, std::span<const SharedBytes> pieces) override {
    const std::uint64_t number = ++sent_;
    const bool now = number % 50 == 0;
    if (now && fault_ == Fault::kLoses) return true;
    if (now && fault_ == Fault::kRepeats) good_->Send(to, pieces);
    if (now && fault_ == Fault::kMisdelivers) to = last_peer_;
    if (now && fault_ == Fault::kChanges) {
      const SharedBytes other = SharedBytes::Copy("something else");
      return good_->Send(to, {&other, 1});
    }
    const bool taken = good_->Send(to, pieces);
    return taken || fault_ == Fault::kNeverFull ||
           (fault_ == Fault::kTakesStrangers && !pieces.empty());
  }

  void OnFrame(NodeId from, SharedBytes frame) override {
    if (fault_ == Fault::kCallsAtATime && ++received_ % 50 == 0) {
      std::thread beside([&] { receiver_->OnFrame(from, frame); });
      receiver_->OnFrame(from, frame);
      return beside.join();
    }
    if (fault_ == Fault::kSwaps && ++received_ % 50 == 0) {
      held_ = std::exchange(frame, SharedBytes());
      return;
    }
    receiver_->OnFrame(from, frame);
    if (!held_.empty()) receiver_->OnFrame(from, std::exchange(held_, SharedBytes()));
  }
  void OnUnreachable(NodeId peer) override { receiver_->OnUnreachable(peer); }

 private:
  const std::unique_ptr<Transport> good_;
  const Fault fault_;
  Transport::Receiver* receiver_ = nullptr;
  NodeId last_peer_;
  std::atomic<std::uint64_t> sent_{0};
  std::uint64_t received_ = 0;
  SharedBytes held_;
  bool stopped_ = false;
};

class BrokenTransports final : public ConformingTransports {
 public:
  explicit BrokenTransports(Fault fault) : fault_(fault) {}
  std::unique_ptr<Transport> Make(NodeId node) override {
    return std::make_unique<Broken>(good_.Make(node), fault_);
  }
  std::string AddressOf(NodeId node) override { return good_.AddressOf(node); }
  std::uint64_t queue_bytes_max() const override { return good_.queue_bytes_max(); }
  // What never comes is waited for.
  std::chrono::milliseconds patience() const override { return std::chrono::milliseconds(300); }

 private:
  TcpTransports good_{TcpTransports::Kind::kTcp};
  const Fault fault_;
};

using Check = std::string (*)(ConformingTransports&);

std::string Verdict(Fault fault, Check check) {
  BrokenTransports transports(fault);
  return check(transports);
}

TEST(TransportConformanceTest, CatchesEachBrokenPromise) {
  EXPECT_NE(Verdict(Fault::kChanges, conformance::CheckWholeAndInOrder), "");
  EXPECT_NE(Verdict(Fault::kSwaps, conformance::CheckWholeAndInOrder), "");
  EXPECT_NE(Verdict(Fault::kRepeats, conformance::CheckWholeAndInOrder), "");
  EXPECT_NE(Verdict(Fault::kLoses, conformance::CheckWholeAndInOrder), "");
  EXPECT_NE(Verdict(Fault::kSwaps, conformance::CheckSendersAtATime), "");
  EXPECT_NE(Verdict(Fault::kLoses, conformance::CheckReceiverSends), "");
  EXPECT_NE(Verdict(Fault::kMisdelivers, conformance::CheckAddressees), "");
  EXPECT_NE(Verdict(Fault::kTakesStrangers, conformance::CheckRefusals), "");
  EXPECT_NE(Verdict(Fault::kNeverFull, conformance::CheckFullQueue), "");
  EXPECT_NE(Verdict(Fault::kTakesStrangers, conformance::CheckStop), "");
  EXPECT_NE(Verdict(Fault::kCallsAfterStop, conformance::CheckStop), "");
  EXPECT_NE(Verdict(Fault::kCallsAtATime, conformance::CheckWholeAndInOrder), "");
}

}  // namespace
}  // namespace trireme::raft
