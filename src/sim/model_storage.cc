#include "sim/model_storage.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace trireme::sim {

using raft::Entry;
using raft::Index;

ModelStorage::ModelStorage(raft::Configuration first) {
  written_.snapshot.configuration = std::move(first);
  synced_ = written_;
}

absl::StatusOr<raft::Restored> ModelStorage::Open() {
  return raft::Restored{
      written_.hard_state, written_.snapshot, {written_.log.begin(), written_.log.end()}, {}, {}};
}

absl::Status ModelStorage::Write(const raft::Persist& batch) {
  written_.Do(batch);
  between_.emplace_back(batch);
  return absl::OkStatus();
}

absl::Status ModelStorage::WriteSnapshot(const raft::SnapshotMeta& meta, std::string_view bytes,
                                         Index drop_to) {
  OwnSnapshot own{meta, SharedBytes::Copy(bytes), drop_to};
  own.meta.size_bytes = bytes.size();
  between_.emplace_back(std::move(own));
  return absl::OkStatus();
}

absl::Status ModelStorage::Sync() {
  for (const Step& step : between_) {
    synced_.Do(step);
    if (const auto* own = std::get_if<OwnSnapshot>(&step)) written_.Do(*own);
  }
  between_.clear();
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Entry>> ModelStorage::Read(Index first, Index last,
                                                      std::uint64_t bytes_max) const {
  std::vector<Entry> entries;
  const std::deque<Entry>& log = written_.log;
  if (log.empty() || first < log.front().index || first > log.back().index) {
    return absl::OutOfRangeError("not in the log");
  }
  std::uint64_t bytes = 0;
  for (std::size_t i = first - log.front().index; i < log.size() && log[i].index <= last; ++i) {
    bytes += log[i].data.size();
    if (!entries.empty() && bytes > bytes_max) break;
    entries.push_back(log[i]);
  }
  return entries;
}

absl::StatusOr<SharedBytes> ModelStorage::ReadSnapshot(Index snapshot, std::uint64_t offset,
                                                       std::uint64_t bytes_max) const {
  const SharedBytes& bytes = written_.snapshot_bytes;
  if (written_.snapshot.last.index != snapshot) return absl::NotFoundError("not the latest");
  if (offset > bytes.size()) return SharedBytes();
  return bytes.Slice(bytes.view().substr(offset, bytes_max));
}

void ModelStorage::Crash(Random& random) {
  const std::size_t survive = random.Below(between_.size() + 1);
  for (std::size_t i = 0; i < survive; ++i) synced_.Do(between_[i]);
  between_.clear();
  written_ = synced_;
}

void ModelStorage::Image::Do(const Step& step) {
  std::visit([this](const auto& one) { Do(one); }, step);
}

void ModelStorage::Image::Do(const raft::Persist& batch) {
  if (batch.hard_state) hard_state = *batch.hard_state;
  for (const raft::SnapshotChunk& chunk : batch.chunks) {
    if (chunk.offset == 0) incoming.clear();
    TRIREME_CHECK(incoming.size() == chunk.offset);
    incoming.append(chunk.data.view());
  }
  if (batch.snapshot) Install(*batch.snapshot);
  if (!batch.entries.empty()) Append(batch.entries);
}

void ModelStorage::Image::Do(const OwnSnapshot& own) {
  if (own.meta.last.index <= snapshot.last.index) return;
  snapshot = own.meta;
  snapshot_bytes = own.bytes;
  DropTo(own.drop_to);
}

void ModelStorage::Image::Install(const raft::SnapshotMeta& meta) {
  TRIREME_CHECK(incoming.size() == meta.size_bytes);
  const bool kept = Holds(meta.last);
  snapshot = meta;
  snapshot_bytes = SharedBytes::Own(std::exchange(incoming, {}));
  if (kept) {
    DropTo(meta.last.index);
  } else {
    log.clear();
  }
}

void ModelStorage::Image::Append(const std::vector<Entry>& entries) {
  while (!log.empty() && log.back().index >= entries[0].index) log.pop_back();
  TRIREME_CHECK(entries[0].index == (log.empty() ? snapshot.last.index : log.back().index) + 1);
  log.insert(log.end(), entries.begin(), entries.end());
}

void ModelStorage::Image::DropTo(Index index) {
  while (!log.empty() && log.front().index <= index) log.pop_front();
}

bool ModelStorage::Image::Holds(raft::LogPosition position) const {
  if (log.empty() || position.index < log.front().index || position.index > log.back().index) {
    return false;
  }
  return log[position.index - log.front().index].term == position.term;
}

}  // namespace trireme::sim
