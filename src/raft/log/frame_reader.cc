#include "raft/log/frame_reader.h"

#include <algorithm>
#include <utility>

#include "base/crc32c.h"
#include "base/status_macros.h"
#include "fmt/format.h"

namespace trireme::raft {

LogFrameReader::LogFrameReader(const Segment& segment, std::size_t window_bytes)
    : segment_(segment), window_bytes_(window_bytes) {}

absl::StatusOr<std::string_view> LogFrameReader::Bytes(std::uint64_t offset, std::uint64_t size) {
  const std::uint64_t end = segment_.block.segment_bytes;
  size = std::min(size, end - std::min(offset, end));
  const bool covered = offset >= window_offset_ && offset + size <= window_offset_ + window_.size();
  if (!covered) {
    const std::uint64_t wanted =
        std::min<std::uint64_t>(std::max<std::uint64_t>(size, window_bytes_), end - offset);
    window_.resize(wanted);
    window_offset_ = offset;
    auto read = segment_.file->ReadAt(offset, window_.data(), wanted);
    // What is broken may be behind what was asked for.
    if (!read.ok()) read = segment_.file->ReadAt(offset, window_.data(), size);
    window_.resize(read.ok() ? *read : 0);
    if (!read.ok()) return Damaged(segment_.path, offset, read.status().ToString());
  }
  return std::string_view(window_).substr(offset - window_offset_, size);
}

absl::StatusOr<std::optional<FrameHeader>> LogFrameReader::ReadHeader(std::uint64_t offset) {
  TRIREME_ASSIGN_OR_RETURN(const auto bytes, Bytes(offset, kFrameHeaderBytes));
  FrameHeader header;
  if (!DecodeFrameHeader(bytes, segment_.seed, &header)) {
    why_ = "no valid frame header";
    return std::nullopt;
  }
  if (header.frame_bytes() > segment_.block.segment_bytes - offset) {
    why_ = fmt::format("a frame of {} bytes, beyond the end of the segment", header.frame_bytes());
    return std::nullopt;
  }
  return header;
}

absl::StatusOr<std::optional<Frame>> LogFrameReader::Read(std::uint64_t offset, bool with_data) {
  TRIREME_ASSIGN_OR_RETURN(const auto header, ReadHeader(offset));
  if (!header) return std::nullopt;
  Frame frame{.offset = offset, .header = *header};
  const std::uint64_t wanted = with_data ? header->frame_bytes() - kFrameHeaderBytes
                                         : std::uint64_t{header->descriptor_bytes};
  TRIREME_ASSIGN_OR_RETURN(const auto bytes, Bytes(offset + kFrameHeaderBytes, wanted));
  const std::string_view descriptor = bytes.substr(0, header->descriptor_bytes);
  if (Crc32c(descriptor) != header->descriptor_checksum) {
    why_ = fmt::format("the descriptor of batch {} has a wrong checksum", header->batch);
    return std::nullopt;
  }
  if (!DecodeDescriptor(descriptor, header->data_bytes, &frame.descriptor)) {
    why_ = fmt::format("the descriptor of batch {} is impossible", header->batch);
    return std::nullopt;
  }
  if (with_data && !DataIsSound(frame, bytes.substr(header->descriptor_bytes))) return std::nullopt;
  return frame;
}

bool LogFrameReader::DataIsSound(const Frame& frame, std::string_view data) {
  for (const Section& section : frame.descriptor.sections) {
    for (const EntryInfo& entry : section.entries) {
      if (Crc32c(data.substr(entry.data_offset, entry.size_bytes)) == entry.checksum) continue;
      why_ = fmt::format(
          "in batch {}, the data of entry {} of group {} (at offset {}) has a wrong "
          "checksum",
          frame.header.batch, entry.index.value, section.change.group.value,
          frame.data_offset() + entry.data_offset);
      return false;
    }
  }
  if (data.substr(frame.header.data_bytes).find_first_not_of('\0') == std::string_view::npos)
    return true;
  why_ = fmt::format("the padding of batch {} is not zero", frame.header.batch);
  return false;
}

}  // namespace trireme::raft
