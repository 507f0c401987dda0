#include "raft/log/segment.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "raft/log/options.h"

namespace trireme::raft {
namespace {

constexpr std::string_view kMagic = "TRIRWAL1";
constexpr std::size_t kFieldsBytes = 52;
constexpr std::size_t kZeroBytesPerWrite = 1u << 20;

absl::Status FillWithZeros(io::Disk& disk, const std::string& path, std::uint64_t bytes) {
  TRIREME_ASSIGN_OR_RETURN(const auto file, disk.Open(path, io::OpenMode::kOverwrite));
  const std::string zeros(std::min<std::uint64_t>(bytes, kZeroBytesPerWrite), '\0');
  for (std::uint64_t at = 0; at < bytes; at += zeros.size()) {
    const std::string_view part =
        std::string_view(zeros).substr(0, std::min<std::uint64_t>(zeros.size(), bytes - at));
    TRIREME_RETURN_IF_ERROR(file->WriteAt(at, std::span(&part, 1)));
  }
  return file->Sync();
}

}  // namespace

std::string EncodeSegmentBlock(const SegmentBlock& block) {
  std::string bytes(kMagic);
  AppendLittle<std::uint64_t>(bytes, block.identity.cluster_id);
  AppendLittle<std::uint64_t>(bytes, block.identity.node.value);
  AppendLittle<std::uint64_t>(bytes, block.number);
  AppendLittle<std::uint64_t>(bytes, block.first_batch);
  AppendLittle<std::uint64_t>(bytes, block.segment_bytes);
  AppendLittle<std::uint32_t>(bytes, block.life);
  const std::uint32_t checksum = Crc32c(bytes);
  AppendLittle<std::uint32_t>(bytes, checksum);
  bytes.resize(kSegmentBlockBytes, '\0');
  return bytes;
}

bool DecodeSegmentBlock(std::string_view bytes, SegmentBlock* block, std::uint32_t* seed) {
  if (bytes.size() != kSegmentBlockBytes || !bytes.starts_with(kMagic)) return false;
  ByteReader from(bytes.substr(kMagic.size()));
  return from.Little(&block->identity.cluster_id) && from.Little(&block->identity.node.value) &&
         from.Little(&block->number) && from.Little(&block->first_batch) &&
         from.Little(&block->segment_bytes) && from.Little(&block->life) && from.Little(seed) &&
         *seed == Crc32c(bytes.substr(0, kFieldsBytes)) &&
         block->segment_bytes >= kSegmentBytesMin && block->segment_bytes <= kSegmentBytesMax &&
         from.rest().find_first_not_of('\0') == std::string_view::npos;
}

absl::StatusOr<SegmentPtr> OpenSegment(io::Disk& disk, const std::string& directory,
                                       std::uint64_t number, io::OpenMode mode) {
  auto segment = std::make_shared<Segment>();
  segment->path = PathIn(directory, SegmentName(number));
  TRIREME_ASSIGN_OR_RETURN(segment->file, disk.Open(segment->path, mode));
  TRIREME_ASSIGN_OR_RETURN(const std::uint64_t size, segment->file->Size());
  std::string bytes(kSegmentBlockBytes, '\0');
  auto read = segment->file->ReadAt(0, bytes.data(), bytes.size());
  if (!read.ok()) return Damaged(segment->path, 0, read.status().ToString());
  bytes.resize(*read);
  if (!DecodeSegmentBlock(bytes, &segment->block, &segment->seed))
    return Damaged(segment->path, 0, "the block at the front of the segment is not valid");
  if (segment->block.number != number)
    return Damaged(segment->path, 0, fmt::format("it is segment {}", segment->block.number));
  if (segment->block.segment_bytes != size)
    return Damaged(segment->path, size,
                   fmt::format("the file should have {} bytes", segment->block.segment_bytes));
  return segment;
}

absl::StatusOr<SegmentPtr> StartSegment(io::Disk& disk, const std::string& directory,
                                        const std::string& spare_path, const SegmentBlock& block) {
  auto segment = std::make_shared<Segment>();
  segment->block = block;
  segment->path = PathIn(directory, SegmentName(block.number));
  const std::string bytes = EncodeSegmentBlock(block);
  segment->seed = LoadLittle<std::uint32_t>(bytes.data() + kFieldsBytes);
  TRIREME_ASSIGN_OR_RETURN(segment->file, disk.Open(spare_path, io::OpenMode::kOverwrite));
  const std::string_view whole(bytes);
  TRIREME_RETURN_IF_ERROR(segment->file->WriteAt(0, std::span(&whole, 1)));
  TRIREME_RETURN_IF_ERROR(segment->file->Sync());
  TRIREME_RETURN_IF_ERROR(disk.Rename(spare_path, segment->path));
  TRIREME_RETURN_IF_ERROR(disk.SyncDirectory(directory));
  return segment;
}

absl::Status CreateZeroFilled(io::Disk& disk, const std::string& path, std::uint64_t bytes) {
  auto file = CreateAnew(disk, path);
  if (!file.ok()) return file.status();
  absl::Status status = (*file)->Allocate(bytes);
  if (status.ok()) status = FillWithZeros(disk, path, bytes);
  if (status.code() == absl::StatusCode::kResourceExhausted)
    TRIREME_RETURN_IF_ERROR(disk.Remove(path));
  return status;
}

}  // namespace trireme::raft
