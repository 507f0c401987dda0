#include "raft/log/segment_scan.h"

#include <algorithm>

#include "base/status_macros.h"
#include "fmt/format.h"

namespace trireme::raft {
namespace {

constexpr std::size_t kScanWindowBytes = 1u << 20;

/// Whether a frame with this header can be the next one; otherwise it is of an earlier use of the
/// file, or of an earlier life's torn tail.
bool Continues(const FrameHeader& header, const ScanState& state) {
  return (state.next_batch == 0 || header.batch == state.next_batch) && header.batch > 0 &&
         header.durable < header.batch && header.life >= state.life && header.life > 0;
}

/// Looks for later frames behind the place where the next one should be.
absl::Status LookBehind(LogFrameReader& reader, std::uint64_t segment_bytes, const ScanState& state,
                        ScanEnd* end) {
  const std::string_view magic(reinterpret_cast<const char*>(&kFrameMagic), sizeof kFrameMagic);
  for (std::uint64_t at = end->offset; at + kFrameHeaderBytes <= segment_bytes;
       at += kFrameAlignment) {
    TRIREME_ASSIGN_OR_RETURN(const auto bytes, reader.Bytes(at, kFrameHeaderBytes));
    if (bytes.substr(4, magic.size()) != magic) continue;
    TRIREME_ASSIGN_OR_RETURN(const auto header, reader.ReadHeader(at));
    if (!header || header->life < state.life || header->batch < state.next_batch) continue;
    ++end->torn_batches;
    end->acknowledged |= header->durable >= std::max<std::uint64_t>(state.next_batch, 1);
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
    end.why = reader.why();
    if (!frame) break;
    end.why = fmt::format("batch {} of life {}, where batch {} should be", frame->header.batch,
                          frame->header.life, state->next_batch);
    if (!Continues(frame->header, *state)) break;
    TRIREME_RETURN_IF_ERROR(take(*frame));
    state->next_batch = frame->header.batch + 1;
    state->durable = std::max(state->durable, frame->header.durable);
    state->life = frame->header.life;
    end.offset = frame->end();
    end.why = "the segment is full";
  }
  TRIREME_RETURN_IF_ERROR(LookBehind(reader, segment.block.segment_bytes, *state, &end));
  return end;
}

}  // namespace trireme::raft
