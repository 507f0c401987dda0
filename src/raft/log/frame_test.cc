#include "raft/log/frame.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "raft/log/log_testing.h"

namespace trireme::raft {
namespace {

constexpr std::uint32_t kSeed = 12345;

std::string Join(std::span<const std::string_view> parts) {
  std::string bytes;
  for (const std::string_view part : parts) bytes.append(part);
  return bytes;
}

GroupChange Everything(const std::vector<Entry>& entries) {
  GroupChange change{.group = GroupId{9},
                     .hard_state = HardState{Term{4}, NodeId{2}},
                     .snapshot = LogSnapshot{{Index{6}, Term{2}}, 1000, SharedBytes::Copy("conf")},
                     .dropped_to = LogPosition{Index{5}, Term{2}},
                     .reset = true};
  for (const Entry& e : entries) AddToRuns(e.index, e.term, e.kind, e.data.size(), change.runs);
  return change;
}

TEST(Frame, ComesBackAsItWasWritten) {
  std::vector<Entry> entries = MakeEntries(7, 3, 2);
  entries.push_back(MakeEntry(10, 4, "", EntryKind::kNoop));
  entries.push_back(MakeEntry(11, 4, "c", EntryKind::kConfiguration));
  const GroupChange change = Everything(entries);
  FrameBuilder builder;
  builder.Begin(true, 17, 2);
  builder.Add(change, entries);
  builder.Add({.group = GroupId{10}, .forget = true}, {});
  std::string staged(builder.frame_bytes(), '?');
  const std::string bytes = Join(builder.Finish(100, 98, 5, kSeed, staged.data()));
  EXPECT_EQ(staged, bytes);
  EXPECT_EQ(bytes.size(), builder.frame_bytes());
  EXPECT_EQ(bytes.size() % kFrameAlignment, 0u);

  FrameHeader header;
  ASSERT_TRUE(DecodeFrameHeader(bytes, kSeed, &header));
  EXPECT_FALSE(DecodeFrameHeader(bytes, kSeed + 1, &header)) << "of another use of the file";
  ASSERT_TRUE(DecodeFrameHeader(bytes, kSeed, &header));
  EXPECT_EQ(header.batch, 100u);
  EXPECT_EQ(header.durable, 98u);
  EXPECT_EQ(header.life, 5u);
  Descriptor descriptor;
  const std::string_view rest = std::string_view(bytes).substr(kFrameHeaderBytes);
  ASSERT_TRUE(
      DecodeDescriptor(rest.substr(0, header.descriptor_bytes), header.data_bytes, &descriptor));
  EXPECT_TRUE(descriptor.checkpoint);
  EXPECT_EQ(descriptor.first_segment, 17u);
  ASSERT_EQ(descriptor.sections.size(), 2u);
  EXPECT_EQ(descriptor.sections[0].change, change);
  EXPECT_TRUE(descriptor.sections[1].change.forget);
  ASSERT_EQ(descriptor.sections[0].entries.size(), entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const EntryInfo& info = descriptor.sections[0].entries[i];
    EXPECT_EQ(info.index, entries[i].index);
    EXPECT_EQ(info.term, entries[i].term);
    EXPECT_EQ(info.kind, entries[i].kind);
    EXPECT_EQ(rest.substr(header.descriptor_bytes + info.data_offset, info.size_bytes),
              entries[i].data.view());
  }
}

TEST(Frame, AnEntryCostsSevenBytesBesideItsData) {
  FrameBuilder builder;
  std::uint64_t bytes[2];
  for (const std::uint64_t count : {1, 2}) {
    const std::vector<Entry> entries = MakeEntries(1000, 100 * count, 3, 256);
    GroupChange change{.group = GroupId{1}};
    for (const Entry& e : entries) AddToRuns(e.index, e.term, e.kind, 256, change.runs);
    builder.Begin(false, 1, 1);
    builder.Add(change, entries);
    bytes[count - 1] = builder.frame_bytes();
  }
  EXPECT_NEAR(static_cast<double>(bytes[1] - bytes[0]), 100 * (256 + 7), kFrameAlignment);
}

TEST(Frame, EveryCutOffDescriptorIsRefused) {
  FrameBuilder builder;
  builder.Begin(false, 1, 1);
  const std::vector<Entry> entries = MakeEntries(7, 3, 2);
  builder.Add(Everything(entries), entries);
  const std::string bytes = Join(builder.Finish(1, 0, 1, kSeed));
  FrameHeader header;
  ASSERT_TRUE(DecodeFrameHeader(bytes, kSeed, &header));
  const std::string descriptor = bytes.substr(kFrameHeaderBytes, header.descriptor_bytes);
  Descriptor to;
  ASSERT_TRUE(DecodeDescriptor(descriptor, header.data_bytes, &to));
  for (std::size_t size = 0; size < descriptor.size(); ++size)
    EXPECT_FALSE(DecodeDescriptor(descriptor.substr(0, size), header.data_bytes, &to)) << size;
  EXPECT_FALSE(DecodeDescriptor(descriptor + '\0', header.data_bytes, &to));
  EXPECT_FALSE(DecodeDescriptor(descriptor, header.data_bytes + 1, &to));
  EXPECT_FALSE(DecodeDescriptor(descriptor, header.data_bytes - 1, &to));
}

}  // namespace
}  // namespace trireme::raft
