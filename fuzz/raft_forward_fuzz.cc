// Hostile bytes as forwarded proposals and as answers to them; answers that decode are given to a
// member that waits for some. Each of its proposals ends once, whatever the leader says.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/check.h"
#include "raft/replica/forwards.h"

namespace trireme::raft {
namespace {

constexpr std::uint64_t kSession = 1;
constexpr int kBatches = 4;

void AsForward(const SharedBytes& bytes) {
  const auto forward = DecodeForward(bytes);
  if (!forward) return;
  std::string again = EncodeForwardHead(*forward);
  for (const SharedBytes& data : forward->proposals) again += data.view();
  const auto twice = DecodeForward(SharedBytes::Copy(again));
  TRIREME_CHECK(twice && twice->proposals == forward->proposals);
}

void AsAnswers(std::string_view bytes) {
  int ended = 0;
  Forwards forwards(kSession);
  for (int i = 1; i <= kBatches; ++i) {
    std::vector<ProposalCallback> done;
    for (int n = 0; n < i; ++n) done.push_back([&ended](const ProposalResult&) { ++ended; });
    forwards.Sent(NodeId{1}, std::move(done), 100);
  }
  Index committed;
  const auto settle = [&](std::vector<Forwards::Placed> placed) {
    for (Forwards::Placed& one : placed) {
      TRIREME_CHECK(one.position.index > committed);
      one.done({});
    }
    for (Forwards::Ended& one : forwards.TakeEnded()) one.done(std::move(one.result));
  };
  for (int i = 1; i <= kBatches && !bytes.empty(); ++i) {
    const std::size_t size = std::min<std::size_t>(bytes.size(), 1 + bytes[0] % 32u);
    std::string section = {kAnswerSection, static_cast<char>(kSession), static_cast<char>(i)};
    section += bytes.substr(0, size);
    bytes.remove_prefix(size);
    if (const auto answer = DecodeForwardAnswer(SharedBytes::Copy(section))) {
      forwards.Answered(NodeId{1}, *answer, [](Index) { return std::optional(Term{3}); });
    }
    std::vector<Forwards::Placed> placed;
    const Index before = committed;
    const LogPosition last{before + static_cast<unsigned char>(section.back()), Term{size}};
    forwards.Committed(last, &placed);
    settle(std::move(placed));
    committed = last.index;
  }
  forwards.GiveUp(absl::CancelledError("over"));
  settle({});
  TRIREME_CHECK(ended == kBatches * (kBatches + 1) / 2 && forwards.empty());
}

}  // namespace
}  // namespace trireme::raft

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trireme::raft;  // NOLINT
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  AsForward(trireme::SharedBytes::Copy(bytes));
  AsForward(trireme::SharedBytes::Own(std::string(1, kForwardSection) + std::string(bytes)));
  AsAnswers(bytes);
  return 0;
}
