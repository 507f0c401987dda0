// Hostile bytes for the Raft core: the decoder, and a core that is given whatever decodes. A
// message that is refused must leave the core as it was; whatever is accepted must not break it.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/check.h"
#include "raft/core/codec.h"
#include "raft/core/core.h"

namespace trireme::raft {
namespace {

Core Fresh() {
  Config config;
  config.self = NodeId{1};
  Restored restored;
  restored.hard_state.term = Term{3};
  restored.snapshot.configuration.voters = {NodeId{1}, NodeId{2}, NodeId{3}};
  for (std::uint64_t i = 1; i <= 5; ++i) {
    restored.entries.push_back({Index{i}, Term{1 + i / 2}, EntryKind::kCommand, {}});
  }
  return Core(config, std::move(restored));
}

void Drain(Core& core) {
  Output output;
  while (core.TakeOutput(&output)) {
    core.Persisted(output.persist.token);
    core.Applied(output.committed.last);
    if (output.restore) core.Applied(output.restore->last.index);
  }
}

std::string Seen(const Core& core) {
  const CoreStatus status = core.Status();
  return std::to_string(status.term.value) + " " + std::to_string(status.vote.value) + " " +
         std::to_string(static_cast<int>(status.role)) + " " + std::to_string(status.leader.value) +
         " " + std::to_string(status.commit.value) + " " + std::to_string(status.last.index.value) +
         " " + std::to_string(status.last.term.value);
}

void Give(Core& core, const Message& message) {
  const std::string before = Seen(core);
  if (!core.Step(NodeId{2}, message).ok()) TRIREME_CHECK(Seen(core) == before);
  Drain(core);
}

/// The bytes as one message, with the two bytes that every message begins with put before them.
void AsBody(std::string_view bytes, Core& core) {
  for (char kind = 0; kind < static_cast<char>(std::variant_size_v<Message>); ++kind) {
    const std::string whole = std::string{1, kind} + std::string(bytes);
    const std::optional<Message> message = DecodeMessage(SharedBytes::Copy(whole));
    if (!message) continue;
    TRIREME_CHECK(DecodeMessage(SharedBytes::Copy(EncodeMessage(*message))) == message);
    Give(core, *message);
  }
}

}  // namespace
}  // namespace trireme::raft

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trireme::raft;  // NOLINT
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Core core = Fresh();
  for (int i = 0; i < 60; ++i) core.Tick();
  Drain(core);
  AsBody(bytes, core);
  // A head of just the numbers at hand, so that random bytes often are a message.
  for (std::size_t at = 0; at + 8 < bytes.size(); at += 8) {
    AsBody(std::string(1, static_cast<char>(8)) + std::string(bytes.substr(at, 8)), core);
  }
  return 0;
}
