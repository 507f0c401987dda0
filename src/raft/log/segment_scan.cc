#include "raft/log/segment_scan.h"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <vector>

#include "base/status_macros.h"
#include "fmt/format.h"

namespace trireme::raft {
namespace {

constexpr std::size_t kScanWindowBytes = 1u << 20;
/// Looked through at once behind the end. A multiple of kFrameAlignment.
constexpr std::uint64_t kLookBytes = 32u << 10;
/// Of the magic number in a frame.
constexpr std::size_t kMagicOffset = 4;

/// Whether a frame with this header can be the next one; otherwise it is of an earlier use of the
/// file, or of an earlier life's torn tail.
bool Continues(const FrameHeader& header, const ScanState& state) {
  return (state.next_batch == 0 || header.batch == state.next_batch) && header.batch > 0 &&
         header.durable < header.batch && header.life >= state.life && header.life > 0;
}

/// Where in the first `limit` bytes a frame may begin, by its magic number alone.
std::vector<std::size_t> Candidates(std::string_view bytes, std::size_t limit) {
  const std::string_view magic(reinterpret_cast<const char*>(&kFrameMagic), sizeof kFrameMagic);
  std::vector<std::size_t> found;
  for (std::size_t at = bytes.find(magic, kMagicOffset); at < limit + kMagicOffset;
       at = bytes.find(magic, at + 1)) {
    if ((at - kMagicOffset) % kFrameAlignment == 0) found.push_back(at - kMagicOffset);
  }
  return found;
}

/// Looks for later frames behind the place where the next one should be.
absl::Status LookBehind(LogFrameReader& reader, std::uint64_t segment_bytes, const ScanState& state,
                        ScanEnd* end) {
  for (std::uint64_t at = end->offset; at + kFrameHeaderBytes <= segment_bytes; at += kLookBytes) {
    TRIREME_ASSIGN_OR_RETURN(const auto bytes, reader.Bytes(at, kLookBytes + kFrameHeaderBytes));
    for (const std::size_t place : Candidates(bytes, kLookBytes)) {
      if (at + place + kFrameHeaderBytes > segment_bytes) break;
      TRIREME_ASSIGN_OR_RETURN(const auto header, reader.ReadHeader(at + place));
      if (!header || header->life < state.life || header->batch < state.next_batch) continue;
      ++end->torn_batches;
      end->acknowledged |= header->durable >= std::max<std::uint64_t>(state.next_batch, 1);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ScanEnd> ScanSegment(const Segment& segment, ScanState* state,
                                    const std::function<absl::Status(const Frame&)>& take) {
  LogFrameReader reader(segment, kScanWindowBytes);
  ScanEnd end{.offset = kSegmentBlockBytes};
  while (end.offset < segment.block.segment_bytes) {
    TRIREME_ASSIGN_OR_RETURN(const auto frame, reader.Read(end.offset, /*with_data=*/true));
    if (!frame) {
      end.why = reader.why();
      break;
    }
    if (!Continues(frame->header, *state)) {
      end.why = fmt::format("batch {} of life {}, where batch {} should be", frame->header.batch,
                            frame->header.life, state->next_batch);
      break;
    }
    TRIREME_RETURN_IF_ERROR(take(*frame));
    state->next_batch = frame->header.batch + 1;
    state->durable = std::max(state->durable, frame->header.durable);
    state->life = frame->header.life;
    end.offset = frame->end();
  }
  if (end.why.empty()) end.why = "the segment is full";
  TRIREME_RETURN_IF_ERROR(LookBehind(reader, segment.block.segment_bytes, *state, &end));
  return end;
}

}  // namespace trireme::raft
