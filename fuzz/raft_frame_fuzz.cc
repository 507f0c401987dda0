// Reads any bytes as a frame of the Raft log, as its descriptor, as a segment's block, and as a
// whole log.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "io/memory_disk.h"
#include "raft/log/frame.h"
#include "raft/log/log.h"
#include "raft/log/segment.h"

namespace trireme::raft {
namespace {

constexpr std::uint32_t kDataBytes = 16;

/// What a descriptor that is taken says lies within the data.
void ReadDescriptor(std::string_view bytes) {
  Descriptor descriptor;
  if (!DecodeDescriptor(bytes, kDataBytes, &descriptor)) return;
  std::uint64_t data_bytes = 0;
  for (const Section& section : descriptor.sections) {
    TRIREME_CHECK(section.entries.empty() == section.change.runs.empty());
    for (const EntryInfo& entry : section.entries) {
      TRIREME_CHECK(entry.data_offset == data_bytes);
      data_bytes += entry.size_bytes;
    }
  }
  TRIREME_CHECK(data_bytes == kDataBytes);
}

void ReadHeaders(std::string_view bytes) {
  FrameHeader header;
  if (DecodeFrameHeader(bytes, 0, &header))
    TRIREME_CHECK(header.frame_bytes() >= kFrameHeaderBytes);
  SegmentBlock block;
  std::uint32_t seed = 0;
  if (DecodeSegmentBlock(bytes, &block, &seed)) TRIREME_CHECK(block.segment_bytes > 0);
}

/// Damage in the middle of a log: refused, or cut as a torn tail, and what was whole before it
/// stays.
void OpenOver(std::string_view bytes) {
  io::MemoryDisk disk;
  const LogOptions options{.directory = "log",
                           .cluster_id = 1,
                           .node = NodeId{1},
                           .segment_bytes = kSegmentBytesMin,
                           .reserve_bytes = 4096,
                           .spare_segments = 0};
  const Entry entry{Index{1}, Term{1}, EntryKind::kCommand, SharedBytes::Copy("data")};
  const GroupWrite write{.group = GroupId{1}, .entries = std::span(&entry, 1)};
  {
    auto opened = Log::Open(options, &disk);
    TRIREME_CHECK(opened.ok() && opened->log->Write(std::span(&write, 1)).ok());
    TRIREME_CHECK(opened->log->Sync().ok());
  }
  {
    auto file = disk.Open("log/wal-0000000000000001", io::OpenMode::kReadWrite);
    TRIREME_CHECK(file.ok());
    const std::uint64_t offset = bytes.empty() ? 0 : static_cast<unsigned char>(bytes[0]) * 2;
    TRIREME_CHECK((*file)->WriteAt(kSegmentBlockBytes + offset, std::span(&bytes, 1)).ok());
  }
  const auto opened = Log::Open(options, &disk);
  TRIREME_CHECK(opened.ok() || opened.status().code() == absl::StatusCode::kDataLoss);
  if (opened.ok() && !opened->groups.empty())
    TRIREME_CHECK(opened->groups[0].entries.at(0) == entry);
}

}  // namespace
}  // namespace trireme::raft

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trireme::raft;
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 8) {
    case 0:
      OpenOver(bytes);
      break;
    case 1:
      ReadHeaders(bytes);
      break;
    default:
      ReadDescriptor(bytes);
  }
  return 0;
}
