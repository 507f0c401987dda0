// The fuzzer's entry with sound frames of which some bytes are changed.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "raft/log/frame.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace trireme::raft {
namespace {

void Feed(char mode, const std::string& bytes) {
  const std::string input = mode + bytes;
  ASSERT_EQ(
      LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size()), 0);
}

/// A frame with random sections and 16 bytes of data.
std::string SoundFrame(Random& random, std::size_t* descriptor_bytes) {
  std::vector<Entry> entries;
  for (std::uint64_t i = 0; i < 4; ++i)
    entries.push_back({Index{7 + i}, Term{1 + i / 2}, EntryKind{static_cast<std::uint8_t>(i % 3)},
                       SharedBytes::Copy("data")});
  GroupChange change{.group = GroupId{random.Below(300)}};
  if (random.OneIn(2)) change.hard_state = HardState{Term{random.Below(1000)}, NodeId{3}};
  if (random.OneIn(2))
    change.snapshot = LogSnapshot{{Index{6}, Term{1}}, 9, SharedBytes::Copy("c")};
  if (random.OneIn(2)) change.dropped_to = LogPosition{Index{6}, Term{1}};
  change.moved = random.OneIn(2);
  for (const Entry& e : entries) AddToRuns(e.index, e.term, e.kind, e.data.size(), change.runs);
  FrameBuilder builder;
  builder.Begin(random.OneIn(2), random.Below(10), 2);
  builder.Add(change, entries);
  builder.Add({.group = GroupId{1}, .forget = true}, {});
  std::string bytes;
  for (const std::string_view part : builder.Finish(1 + random.Below(9), 0, 1, 0)) bytes += part;
  *descriptor_bytes = LoadLittle<std::uint32_t>(bytes.data() + 28);
  return bytes;
}

TEST(RaftFrameFuzz, SoundFramesWithBytesChanged) {
  for (std::uint64_t seed = 0; seed < 20'000; ++seed) {
    Random random(seed);
    std::size_t descriptor_bytes = 0;
    std::string frame = SoundFrame(random, &descriptor_bytes);
    for (std::uint64_t i = 0, n = random.Below(4); i < n; ++i)
      frame[random.Below(frame.size())] = static_cast<char>(random.Next());
    Feed(1, frame);
    Feed(2, frame.substr(kFrameHeaderBytes, descriptor_bytes));
    if (seed % 50 == 0) Feed(0, frame);
  }
}

}  // namespace
}  // namespace trireme::raft
