#include "raft/replica/in_process_network.h"

#include <trireme/raft/transport_conformance.h>

/// What the replica's tests run over keeps what they take for granted of a transport.
namespace trireme::raft {
namespace {

class InProcessTransports final : public ConformingTransports {
 public:
  std::unique_ptr<Transport> Make(NodeId node) override { return network_.MakeTransport(node); }
  std::string AddressOf(NodeId node) override { return std::to_string(node.value); }
  std::uint64_t queue_bytes_max() const override { return kQueueBytesMax; }

 private:
  static constexpr std::size_t kQueueBytesMax = 4u << 20;
  InProcessNetwork network_{kQueueBytesMax};
};

std::unique_ptr<ConformingTransports> InProcess() {
  return std::make_unique<InProcessTransports>();
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(InProcess, TransportConformance, testing::Values(InProcess));

}  // namespace trireme::raft
