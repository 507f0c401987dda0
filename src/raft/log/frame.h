#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <trireme/raft/log_store.h>
#include <trireme/raft/types.h>

/// A batch as bytes: docs/formats/raft-log.md, "frame".
namespace trireme::raft {

inline constexpr std::size_t kFrameHeaderBytes = 40;
inline constexpr std::size_t kFrameAlignment = 8;
inline constexpr std::uint32_t kFrameMagic = 0x31425254;  // "TRB1"

struct FrameHeader {
  std::uint64_t batch = 0;
  std::uint64_t durable = 0;
  std::uint32_t life = 0;
  std::uint32_t descriptor_bytes = 0;
  std::uint32_t data_bytes = 0;
  std::uint32_t descriptor_checksum = 0;

  std::uint64_t frame_bytes() const {
    const std::uint64_t bytes = kFrameHeaderBytes + std::uint64_t{descriptor_bytes} + data_bytes;
    return (bytes + kFrameAlignment - 1) / kFrameAlignment * kFrameAlignment;
  }
};

/// Adjacent entries of one group and one term.
struct EntryRun {
  Index first;
  Index last;
  Term term;
  std::uint64_t bytes = 0;  ///< As framed.
  bool has_configuration = false;
  friend bool operator==(const EntryRun&, const EntryRun&) = default;
};

/// What one section says of its group, but for the data.
struct GroupChange {
  GroupId group;
  bool forget = false;
  std::optional<HardState> hard_state;
  std::optional<LogSnapshot> snapshot;
  std::optional<LogPosition> dropped_to;
  bool reset = false;
  bool moved = false;  ///< The entries do not drop those after them.
  std::vector<EntryRun> runs;
  friend bool operator==(const GroupChange&, const GroupChange&) = default;
};

/// Where one entry's data is.
struct EntryInfo {
  Index index;
  Term term;
  EntryKind kind = EntryKind::kCommand;
  std::uint32_t size_bytes = 0;
  std::uint32_t checksum = 0;
  std::uint64_t data_offset = 0;  ///< From the beginning of the frame's data.
};

struct Section {
  GroupChange change;
  std::vector<EntryInfo> entries;
};

struct Descriptor {
  bool checkpoint = false;
  std::uint64_t first_segment = 0;
  std::vector<Section> sections;
};

/// Appends the entry to the runs.
void AddToRuns(Index index, Term term, EntryKind kind, std::uint64_t data_bytes,
               std::vector<EntryRun>& runs);

/// False when these are not the 40 bytes of a header with this seed.
[[nodiscard]] bool DecodeFrameHeader(std::string_view bytes, std::uint32_t seed,
                                     FrameHeader* header);
/// False when the descriptor (whose checksum is right) says something impossible; the entries' data
/// must be exactly `data_bytes`.
[[nodiscard]] bool DecodeDescriptor(std::string_view bytes, std::uint32_t data_bytes,
                                    Descriptor* descriptor);

/// Makes frames; its memory is used again from one to the next.
class FrameBuilder {
 public:
  void Begin(bool checkpoint, std::uint64_t first_segment, std::size_t sections);
  /// The entries are those of change.runs. Their bytes are referred to, not copied.
  void Add(const GroupChange& change, std::span<const Entry> entries);

  std::uint64_t frame_bytes() const { return header().frame_bytes(); }
  std::uint64_t data_bytes() const { return data_bytes_; }
  /// To be written one after the other; valid until Begin. With `staged`, of frame_bytes(), they
  /// are also put there, each entry's data while its checksum has just brought it near.
  std::span<const std::string_view> Finish(std::uint64_t batch, std::uint64_t durable,
                                           std::uint32_t life, std::uint32_t seed,
                                           char* staged = nullptr);

 private:
  FrameHeader header() const;
  void AddEntries(const GroupChange& change, std::span<const Entry> entries);
  void TakeData(char* staged);
  void SealHead(std::uint64_t batch, std::uint64_t durable, std::uint32_t life, std::uint32_t seed);

  std::string head_;                     ///< Header and descriptor.
  std::vector<std::string_view> parts_;  ///< The head's place, data, padding.
  std::vector<std::size_t> checksums_;   ///< Of each data, its place in the head.
  std::uint64_t data_bytes_ = 0;
};

}  // namespace trireme::raft
