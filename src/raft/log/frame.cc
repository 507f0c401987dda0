#include "raft/log/frame.h"

#include <cstring>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "raft/log/options.h"

namespace trireme::raft {
namespace {

constexpr unsigned char kCheckpointFlag = 1;

constexpr unsigned char kForget = 1;
constexpr unsigned char kHardState = 2;
constexpr unsigned char kSnapshot = 4;
constexpr unsigned char kDroppedTo = 8;
constexpr unsigned char kReset = 16;
constexpr unsigned char kEntries = 32;
constexpr unsigned char kMoved = 64;

constexpr unsigned char kTermFollows = 0x80;
/// What an entry takes beside its data, about.
constexpr std::uint64_t kEntryOverheadBytes = 7;
constexpr std::uint64_t kEntryDescriptorBytesMin = 6;
/// Indexes and terms beyond this are taken for garbage; sums of them do not overflow.
constexpr std::uint64_t kNumberMax = std::uint64_t{1} << 62;

unsigned char PartsOf(const GroupChange& change) {
  unsigned parts = 0;
  if (change.forget) parts |= kForget;
  if (change.hard_state) parts |= kHardState;
  if (change.snapshot) parts |= kSnapshot;
  if (change.dropped_to) parts |= kDroppedTo;
  if (change.reset) parts |= kReset;
  if (!change.runs.empty()) parts |= change.moved ? kMoved : kEntries;
  return static_cast<unsigned char>(parts);
}

bool PartsArePossible(unsigned parts) {
  if (parts >= 0x80) return false;
  if ((parts & kForget) != 0 && parts != kForget) return false;
  if ((parts & kReset) != 0 && (parts & kDroppedTo) == 0) return false;
  return (parts & (kEntries | kMoved)) != (kEntries | kMoved);
}

bool Number(ByteReader& from, std::uint64_t* value) {
  return from.Varint(value) && *value <= kNumberMax;
}

bool Position(ByteReader& from, LogPosition* position) {
  return Number(from, &position->index.value) && Number(from, &position->term.value) &&
         (position->index.value == 0) == (position->term.value == 0);
}

bool DecodeHardState(ByteReader& from, std::optional<HardState>* to) {
  HardState& state = to->emplace();
  return Number(from, &state.term.value) && from.Varint(&state.vote.value);
}

bool DecodeSnapshot(ByteReader& from, std::optional<LogSnapshot>* to) {
  LogSnapshot& snapshot = to->emplace();
  std::string_view configuration;
  if (!Position(from, &snapshot.last) || !from.Varint(&snapshot.size_bytes) ||
      !from.Sized(&configuration) || configuration.size() > kConfigurationBytesMax)
    return false;
  snapshot.configuration = SharedBytes::Copy(configuration);
  return true;
}

bool DecodeEntry(ByteReader& from, bool first, EntryInfo* entry) {
  std::uint64_t size = 0;
  std::uint8_t kind = 0;
  if (!from.Varint(&size) || size > kSegmentBytesMax || !from.Little(&kind)) return false;
  if (first && (kind & kTermFollows) == 0) return false;
  if ((kind & kTermFollows) != 0) {
    std::uint64_t term = 0;
    if (!Number(from, &term) || term <= entry->term.value) return false;
    entry->term = Term{term};
  }
  kind &= 0x7f;
  if (kind > static_cast<std::uint8_t>(EntryKind::kOmitted)) return false;
  entry->kind = static_cast<EntryKind>(kind);
  entry->size_bytes = static_cast<std::uint32_t>(size);
  return from.Little(&entry->checksum);
}

/// `offset`: of the first entry's data; moved on to the end.
bool DecodeEntries(ByteReader& from, std::uint64_t data_bytes, std::uint64_t* offset,
                   Section* section) {
  EntryInfo entry;
  std::uint64_t count = 0;
  if (!Number(from, &entry.index.value) || entry.index.value == 0 || !from.Varint(&count) ||
      count == 0 || count > from.rest().size() / kEntryDescriptorBytesMin)
    return false;
  section->entries.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i, ++entry.index) {
    if (!DecodeEntry(from, i == 0, &entry)) return false;
    if (entry.size_bytes > data_bytes - *offset) return false;
    entry.data_offset = *offset;
    *offset += entry.size_bytes;
    section->entries.push_back(entry);
    AddToRuns(entry.index, entry.term, entry.kind, entry.size_bytes, section->change.runs);
  }
  return true;
}

bool DecodeSection(ByteReader& from, std::uint64_t data_bytes, std::uint64_t* offset,
                   Section* section) {
  GroupChange& change = section->change;
  std::uint8_t parts = 0;
  if (!from.Varint(&change.group.value) || !from.Little(&parts) || !PartsArePossible(parts))
    return false;
  change.forget = (parts & kForget) != 0;
  change.reset = (parts & kReset) != 0;
  change.moved = (parts & kMoved) != 0;
  if ((parts & kHardState) != 0 && !DecodeHardState(from, &change.hard_state)) return false;
  if ((parts & kSnapshot) != 0 && !DecodeSnapshot(from, &change.snapshot)) return false;
  if ((parts & kDroppedTo) != 0 && !Position(from, &change.dropped_to.emplace())) return false;
  return (parts & (kEntries | kMoved)) == 0 || DecodeEntries(from, data_bytes, offset, section);
}

void AppendPosition(std::string& to, LogPosition position) {
  AppendVarint(to, position.index.value);
  AppendVarint(to, position.term.value);
}

}  // namespace

void AddToRuns(Index index, Term term, EntryKind kind, std::uint64_t data_bytes,
               std::vector<EntryRun>& runs) {
  if (runs.empty() || runs.back().term != term) runs.push_back({index, index, term});
  EntryRun& run = runs.back();
  run.last = index;
  run.bytes += data_bytes + kEntryOverheadBytes;
  run.has_configuration |= kind == EntryKind::kConfiguration;
}

bool DecodeFrameHeader(std::string_view bytes, std::uint32_t seed, FrameHeader* header) {
  ByteReader from(bytes.substr(0, kFrameHeaderBytes));
  std::uint32_t checksum = 0;
  std::uint32_t magic = 0;
  return bytes.size() >= kFrameHeaderBytes && from.Little(&checksum) && from.Little(&magic) &&
         magic == kFrameMagic && checksum == Crc32c(bytes.substr(4, kFrameHeaderBytes - 4), seed) &&
         from.Little(&header->batch) && from.Little(&header->durable) &&
         from.Little(&header->life) && from.Little(&header->descriptor_bytes) &&
         from.Little(&header->data_bytes) && from.Little(&header->descriptor_checksum);
}

bool DecodeDescriptor(std::string_view bytes, std::uint32_t data_bytes, Descriptor* descriptor) {
  ByteReader from(bytes);
  std::uint8_t flags = 0;
  std::uint64_t count = 0;
  if (!from.Little(&flags) || flags > kCheckpointFlag ||
      !Number(from, &descriptor->first_segment) || !from.Varint(&count) ||
      count > from.rest().size())
    return false;
  descriptor->checkpoint = flags == kCheckpointFlag;
  descriptor->sections.clear();
  std::uint64_t offset = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (!DecodeSection(from, data_bytes, &offset, &descriptor->sections.emplace_back()))
      return false;
  }
  return from.empty() && offset == data_bytes;
}

void FrameBuilder::Begin(bool checkpoint, std::uint64_t first_segment, std::size_t sections) {
  head_.assign(kFrameHeaderBytes, '\0');
  parts_.assign(1, {});
  checksums_.clear();
  data_bytes_ = 0;
  head_.push_back(static_cast<char>(checkpoint ? kCheckpointFlag : 0));
  AppendVarint(head_, first_segment);
  AppendVarint(head_, sections);
}

void FrameBuilder::Add(const GroupChange& change, std::span<const Entry> entries) {
  AppendVarint(head_, change.group.value);
  head_.push_back(static_cast<char>(PartsOf(change)));
  if (change.hard_state) {
    AppendVarint(head_, change.hard_state->term.value);
    AppendVarint(head_, change.hard_state->vote.value);
  }
  if (change.snapshot) {
    AppendPosition(head_, change.snapshot->last);
    AppendVarint(head_, change.snapshot->size_bytes);
    AppendSized(head_, change.snapshot->configuration.view());
  }
  if (change.dropped_to) AppendPosition(head_, *change.dropped_to);
  if (!entries.empty()) AddEntries(change, entries);
}

void FrameBuilder::AddEntries(const GroupChange& change, std::span<const Entry> entries) {
  TRIREME_CHECK(!change.runs.empty() && change.runs.back().last == entries.back().index);
  AppendVarint(head_, entries.front().index.value);
  AppendVarint(head_, entries.size());
  Term term;
  for (const Entry& entry : entries) {
    const bool new_term = entry.term != term;
    AppendVarint(head_, entry.data.size());
    head_.push_back(static_cast<char>(static_cast<unsigned>(entry.kind) |
                                      (new_term ? unsigned{kTermFollows} : 0u)));
    if (new_term) AppendVarint(head_, entry.term.value);
    term = entry.term;
    AppendLittle<std::uint32_t>(head_, 0);  // the checksum's place; of nothing it is that
    if (entry.data.empty()) continue;
    checksums_.push_back(head_.size() - sizeof(std::uint32_t));
    parts_.push_back(entry.data.view());
    data_bytes_ += entry.data.size();
  }
}

FrameHeader FrameBuilder::header() const {
  return {.descriptor_bytes = static_cast<std::uint32_t>(head_.size() - kFrameHeaderBytes),
          .data_bytes = static_cast<std::uint32_t>(data_bytes_)};
}

std::span<const std::string_view> FrameBuilder::Finish(std::uint64_t batch, std::uint64_t durable,
                                                       std::uint32_t life, std::uint32_t seed,
                                                       char* staged) {
  static constexpr char kPadding[kFrameAlignment] = {};
  const std::uint64_t before_padding = head_.size() + data_bytes_;
  const std::uint64_t padding = frame_bytes() - before_padding;
  TakeData(staged);
  SealHead(batch, durable, life, seed);
  parts_[0] = head_;
  if (padding > 0) parts_.emplace_back(kPadding, padding);
  if (staged == nullptr) return parts_;
  std::memcpy(staged, head_.data(), head_.size());
  std::memset(staged + before_padding, 0, padding);
  return parts_;
}

void FrameBuilder::TakeData(char* staged) {
  char* to = staged == nullptr ? nullptr : staged + head_.size();
  for (std::size_t i = 0; i < checksums_.size(); ++i) {
    const std::string_view data = parts_[i + 1];
    StoreLittle<std::uint32_t>(head_.data() + checksums_[i], Crc32c(data));
    if (to == nullptr) continue;
    std::memcpy(to, data.data(), data.size());
    to += data.size();
  }
}

void FrameBuilder::SealHead(std::uint64_t batch, std::uint64_t durable, std::uint32_t life,
                            std::uint32_t seed) {
  const FrameHeader sizes = header();
  char* const at = head_.data();
  StoreLittle<std::uint32_t>(at + 4, kFrameMagic);
  StoreLittle<std::uint64_t>(at + 8, batch);
  StoreLittle<std::uint64_t>(at + 16, durable);
  StoreLittle<std::uint32_t>(at + 24, life);
  StoreLittle<std::uint32_t>(at + 28, sizes.descriptor_bytes);
  StoreLittle<std::uint32_t>(at + 32, sizes.data_bytes);
  const std::string_view head(head_);
  StoreLittle<std::uint32_t>(at + 36, Crc32c(head.substr(kFrameHeaderBytes)));
  StoreLittle<std::uint32_t>(at, Crc32c(head.substr(4, kFrameHeaderBytes - 4), seed));
}

}  // namespace trireme::raft
