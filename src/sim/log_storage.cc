#include "sim/log_storage.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "raft/core/configuration.h"
#include "raft/log/segment_scan.h"

namespace trireme::sim {

using raft::Entry;
using raft::GroupWrite;
using raft::Index;
using raft::LogSnapshot;

namespace {

constexpr raft::GroupId kGroup{1};
constexpr char kDirectory[] = "log";
constexpr std::size_t kSnapshotPieceBytes = 700;
/// As LogStore::batch_bytes_max counts.
constexpr std::uint64_t kEntryBytes = 32;
constexpr std::uint64_t kGroupBytes = 128;
constexpr std::uint64_t kConfigurationBytes = 1'024;

LogSnapshot ToLog(const raft::SnapshotMeta& meta) {
  return {meta.last, meta.size_bytes,
          SharedBytes::Own(raft::EncodeConfiguration(meta.configuration))};
}

absl::StatusOr<raft::Restored> ToCore(raft::RecoveredGroup group) {
  const auto configuration = raft::DecodeConfiguration(group.snapshot.configuration.view());
  if (!configuration) return absl::InternalError("the configuration cannot be decoded");
  return raft::Restored{
      .hard_state = group.hard_state,
      .snapshot = {group.snapshot.last, *configuration, group.snapshot.size_bytes},
      .entries = std::move(group.entries),
      .older_terms = std::move(group.older_terms),
      .older_configurations = std::move(group.older_configurations)};
}

}  // namespace

LogStorage::LogStorage(const LogStorageOptions& options)
    : first_(options.first),
      options_{.directory = kDirectory,
               .cluster_id = 1,
               .node = options.node,
               .segment_bytes = options.segment_bytes,
               .reserve_bytes = options.segment_bytes / 16,
               .spare_segments = 1,
               .recycled_segments_max = 2,
               .pinned_segments_max = 2,
               .restore_bytes_max = options.restore_bytes_max} {}

absl::StatusOr<raft::Restored> LogStorage::Open() {
  snapshot_ = Index{};
  TRIREME_ASSIGN_OR_RETURN(raft::Log::Opened opened, raft::Log::Open(options_, &disk_));
  log_ = std::move(opened.log);
  if (opened.groups.empty()) {
    TRIREME_RETURN_IF_ERROR(Begin());
    return raft::Restored{.snapshot = {.configuration = first_}};
  }
  snapshot_ = opened.groups[0].snapshot.last.index;
  return ToCore(std::move(opened.groups[0]));
}

/// The first life of all: which configuration the cluster begins with.
absl::Status LogStorage::Begin() {
  GroupWrite write{.group = kGroup};
  write.snapshot = ToLog({.configuration = first_});
  TRIREME_RETURN_IF_ERROR(log_->Write(std::span(&write, 1)).status());
  return Sync();
}

absl::Status LogStorage::StoreChunks(raft::Persist* batch) {
  absl::Status status;
  for (const raft::SnapshotChunk& chunk : std::exchange(batch->chunks, {})) {
    status.Update(StoreChunk(chunk));
    if (!status.ok()) incoming_.reset();
  }
  return status;
}

absl::Status LogStorage::StoreChunk(const raft::SnapshotChunk& chunk) {
  if (chunk.offset == 0) {
    incoming_.reset();
    TRIREME_ASSIGN_OR_RETURN(incoming_, log_->CreateSnapshot(kGroup, chunk.meta.last));
    TRIREME_RETURN_IF_ERROR(incoming_->Reserve(chunk.meta.size_bytes));
  }
  if (incoming_ == nullptr) return absl::ResourceExhaustedError("the part before it was refused");
  TRIREME_CHECK(incoming_->size_bytes() == chunk.offset);
  TRIREME_RETURN_IF_ERROR(incoming_->Append(chunk.data.view()));
  if (incoming_->size_bytes() < chunk.meta.size_bytes) return absl::OkStatus();
  return std::exchange(incoming_, nullptr)->Finish();
}

absl::Status LogStorage::Write(const raft::Persist& batch) {
  GroupWrite write{.group = kGroup, .hard_state = batch.hard_state};
  if (batch.snapshot) {
    write.snapshot = ToLog(*batch.snapshot);
    write.drop_to = batch.snapshot->last.index;
  }
  return WriteParts(std::move(write), batch.entries);
}

/// Entries beyond what one write may carry follow in further ones: a crash in between leaves a
/// front part of a batch that nobody has heard of.
absl::Status LogStorage::WriteParts(GroupWrite write, std::span<const Entry> entries) {
  const std::uint64_t most = log_->batch_bytes_max() - kGroupBytes - kConfigurationBytes;
  const Index snapshot = write.snapshot ? write.snapshot->last.index : snapshot_;
  do {
    std::uint64_t bytes = 0;
    std::size_t count = 0;
    for (; count < entries.size(); ++count) {
      bytes += kEntryBytes + entries[count].data.size();
      if (bytes > most && count > 0) break;
    }
    write.entries = entries.first(count);
    entries = entries.subspan(count);
    TRIREME_RETURN_IF_ERROR(log_->Write(std::span(&write, 1)).status());
    write = {.group = kGroup};
  } while (!entries.empty());
  snapshot_ = snapshot;
  return absl::OkStatus();
}

absl::Status LogStorage::WriteSnapshotFile(raft::LogPosition last, std::string_view bytes) {
  TRIREME_ASSIGN_OR_RETURN(const auto writer, log_->CreateSnapshot(kGroup, last));
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, kSnapshotPieceBytes);
    TRIREME_RETURN_IF_ERROR(writer->Append(piece));
    bytes.remove_prefix(piece.size());
  }
  return writer->Finish();
}

absl::Status LogStorage::WriteSnapshot(const raft::SnapshotMeta& meta, std::string_view bytes,
                                       Index drop_to) {
  if (meta.last.index <= snapshot_) return absl::OkStatus();  // a leader's has come meanwhile
  TRIREME_RETURN_IF_ERROR(WriteSnapshotFile(meta.last, bytes));
  GroupWrite write{.group = kGroup, .snapshot = ToLog(meta), .drop_to = drop_to};
  write.snapshot->size_bytes = bytes.size();
  return WriteParts(std::move(write), {});
}

absl::Status LogStorage::Sync() {
  TRIREME_ASSIGN_OR_RETURN(const raft::BatchNumber batch, log_->Sync());
  synced_batch_ = batch.value;
  return absl::OkStatus();
}

absl::Status LogStorage::Housekeep() {
  return log_->Housekeep();
}

absl::StatusOr<std::vector<Entry>> LogStorage::Read(Index first, Index last,
                                                    std::uint64_t bytes_max) const {
  return log_->Read(kGroup, first, last, bytes_max);
}

absl::StatusOr<SharedBytes> LogStorage::ReadSnapshot(Index snapshot, std::uint64_t offset,
                                                     std::uint64_t bytes_max) const {
  return log_->ReadSnapshot(kGroup, snapshot, offset, bytes_max);
}

void LogStorage::Crash(Random& random) {
  incoming_.reset();  // removes its file, if the disk goes on so long
  const std::uint64_t way = random.Below(8);
  if (disk_.power_is_off() || way > 2) {
    disk_.Crash(random);
  } else if (way > 0) {
    disk_.KillProcess();
  }
  log_.reset();
}

void LogStorage::SetFull(bool full) {
  std::uint64_t used = 0;
  const auto files = disk_.List(kDirectory);
  if (files.ok()) {
    for (const io::DiskEntry& file : *files) used += file.size_bytes;
  }
  disk_.SetCapacity(full ? used : UINT64_MAX);
}

/// Only batches of which a later one that is durable says that they were durable: damage of the
/// very last ones cannot be told from what a crash leaves (docs/raft-log.md).
std::string LogStorage::Damage(Random& random) {
  const auto listed = raft::ListLogDirectory(disk_, kDirectory);
  if (!listed.ok() || log_ == nullptr) return {};
  std::vector<Place> places;
  std::uint64_t known = 0;
  for (const auto& [number, bytes] : listed->segments) {
    const auto segment = raft::OpenSegment(disk_, kDirectory, number, io::OpenMode::kRead);
    if (!segment.ok()) return {};
    raft::ScanState state;
    const auto end = raft::ScanSegment(**segment, &state, [&](const raft::Frame& frame) {
      places.push_back({(*segment)->path, frame.offset, frame.end(), frame.header.batch});
      if (frame.header.batch <= synced_batch_) known = std::max(known, frame.header.durable);
      return absl::OkStatus();
    });
    if (!end.ok()) return {};
  }
  std::erase_if(places, [&](const Place& place) { return place.batch > known; });
  if (places.empty()) return {};
  const Place& place = places[random.Below(places.size())];
  const std::string where = DamageWithin(random, place);
  damaged_ = damaged_ || !where.empty();
  return where;
}

/// One bit, or all that a sector holds of the batch: nothing, or anything.
std::string LogStorage::DamageWithin(Random& random, const Place& place) {
  const std::uint64_t offset = place.offset + random.Below(place.end - place.offset);
  if (random.OneIn(3)) {
    disk_.FlipBits(place.path, offset, static_cast<unsigned char>(1u << random.Below(8)));
    return fmt::format("{} at {}, a bit", place.path, offset);
  }
  const std::uint64_t first =
      std::max(place.offset, offset / io::MemoryDisk::kSectorBytes * io::MemoryDisk::kSectorBytes);
  const std::uint64_t end = std::min(
      place.end, (offset / io::MemoryDisk::kSectorBytes + 1) * io::MemoryDisk::kSectorBytes);
  const auto file = disk_.Open(place.path, io::OpenMode::kRead);
  std::string before(end - first, '\0');
  if (!file.ok() ||
      (*file)->ReadAt(first, before.data(), before.size()).value_or(0) < before.size()) {
    return {};
  }
  std::string after(end - first, '\0');
  const bool garbage = random.OneIn(2);
  for (char& byte : after) byte = static_cast<char>(garbage ? random.Next() : 0);
  if (after == before) return {};
  disk_.Overwrite(place.path, first, after);
  return fmt::format("{} at {}, {} bytes of {}", place.path, first, after.size(),
                     garbage ? "garbage" : "zeros");
}

}  // namespace trireme::sim
