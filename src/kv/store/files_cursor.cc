#include "kv/store/files_cursor.h"

#include <utility>

#include "kv/store/floors.h"
#include "kv/store/rocks_entries.h"
#include "kv/store/rocks_files.h"
#include "rocksdb/db.h"

namespace trireme::kv::inline engine {
namespace {

/// A seek costs about as much.
constexpr int kStepsBeforeSeek = 8;

}  // namespace

FilesState::FilesState(RocksFiles& files)
    : files_(files), floor_(files.HoldFloor()), snapshot_(files.db_->GetSnapshot()) {}

FilesState::~FilesState() {
  for (auto& cursors : idle_) cursors.clear();
  files_.db_->ReleaseSnapshot(snapshot_);
  files_.ReleaseFloor(floor_);
}

std::unique_ptr<FilesCursor> FilesState::Take(Shown shown) const {
  {
    const std::scoped_lock lock(mutex_);
    auto& idle = idle_[static_cast<std::size_t>(shown)];
    if (!idle.empty()) {
      auto cursor = std::move(idle.back());
      idle.pop_back();
      return cursor;
    }
  }
  return std::make_unique<FilesCursor>(*this, shown);
}

void FilesState::Give(std::unique_ptr<FilesCursor> cursor) const {
  const std::scoped_lock lock(mutex_);
  auto& idle = idle_[static_cast<std::size_t>(cursor->shown_)];
  if (idle.size() < kIdleMax) idle.push_back(std::move(cursor));
}

FilesCursor::FilesCursor(const FilesState& of, Shown shown) : of_(of), shown_(shown) {}
FilesCursor::~FilesCursor() = default;

Family FilesCursor::FamilyIn(int segment) const {
  const Family family = kSegments[static_cast<std::size_t>(segment)];
  const bool newest = family == Family::kVersions && shown_ == Shown::kNewest;
  return newest ? Family::kNewest : family;
}

rocksdb::Iterator* FilesCursor::Total(Family family) {
  auto& iterator = total_[static_cast<std::size_t>(family)];
  if (iterator == nullptr) {
    rocksdb::ReadOptions options;
    options.snapshot = of_.snapshot_;
    options.total_order_seek = true;
    options.background_purge_on_iterator_cleanup = true;
    iterator.reset(of_.files_.db_->NewIterator(options, of_.files_.Handle(family)));
  }
  return iterator.get();
}

/// After a move within a segment: on to where the next entry is, if it has left the segment.
void FilesCursor::Settle() {
  for (;;) {
    valid_ = last_->Valid() && SegmentOf(View(last_->key())) == segment_;
    if (valid_) break;
    if (!last_->status().ok() || ++segment_ == kSegmentCount) return;
    last_ = Total(FamilyIn(segment_));
    last_->Seek({&kSegmentStarts[static_cast<std::size_t>(segment_)], 1});
  }
  key_ = View(last_->key());
  as_version_ = FamilyIn(segment_) == Family::kNewest;
  if (as_version_) valid_ = ShowNewest(key_, View(last_->value()));
}

/// A newest version's entry as the version it is of. False: it cannot be read.
bool FilesCursor::ShowNewest(std::string_view prefix, std::string_view entry) {
  if (entry.size() < kRevisionBytes) {
    status_ = Failed("cannot read", of_.files_.directory_,
                     rocksdb::Status::Corruption("a newest version is damaged"));
    return false;
  }
  version_key_.assign(prefix).append(entry.substr(0, kRevisionBytes));
  key_ = version_key_;
  version_ = entry.substr(kRevisionBytes);
  if (!version_.empty()) return true;
  rocksdb::Iterator* const version = Total(Family::kVersions);  // one with a large value
  version->Seek(Slice(key_));
  if (version->Valid() && View(version->key()) == key_) {
    version_ = View(version->value());
    return true;
  }
  status_ = Failed("cannot read", of_.files_.directory_,
                   version->status().ok() ? rocksdb::Status::Corruption("a version is missing")
                                          : version->status());
  return false;
}

void FilesCursor::Seek(std::string_view from) {
  status_ = absl::OkStatus();
  segment_ = SegmentOf(from);
  last_ = Total(FamilyIn(segment_));
  const std::string_view prefix =
      FamilyIn(segment_) == Family::kNewest ? KeyPrefixOf(from) : std::string_view();
  last_->Seek(Slice(prefix.empty() ? from : prefix));
  Settle();
  if (valid_ && key_ < from) Next();
}

void FilesCursor::SeekForward(std::string_view from) {
  for (int i = 0; i < kStepsBeforeSeek; ++i) {
    Next();
    if (!Valid() || key() >= from) return;
  }
  Seek(from);
}

void FilesCursor::Next() {
  last_->Next();
  Settle();
}

void FilesCursor::SeekWithin(std::string_view from, std::string_view prefix) {
  status_ = absl::OkStatus();
  shown_ == Shown::kNewest ? FindNewest(from, prefix) : FindVersion(from, prefix);
}

void FilesCursor::FindNewest(std::string_view from, std::string_view prefix) {
  rocksdb::ReadOptions options;
  options.snapshot = of_.snapshot_;
  if (found_ == nullptr) found_ = std::make_unique<rocksdb::PinnableSlice>();
  found_->Reset();
  const rocksdb::Status status =
      of_.files_.db_->Get(options, of_.files_.Handle(Family::kNewest), Slice(prefix), found_.get());
  as_version_ = true;
  valid_ = status.ok() && ShowNewest(prefix, View(*found_)) && key_ >= from;
  if (!status.ok() && !status.IsNotFound())
    status_ = Failed("cannot read", of_.files_.directory_, status);
}

void FilesCursor::FindVersion(std::string_view from, std::string_view prefix) {
  if (within_ == nullptr) {
    rocksdb::ReadOptions options;
    options.snapshot = of_.snapshot_;
    options.prefix_same_as_start = true;
    options.background_purge_on_iterator_cleanup = true;
    within_.reset(of_.files_.db_->NewIterator(options, of_.files_.Handle(Family::kVersions)));
  }
  last_ = within_.get();
  last_->Seek(Slice(from));
  as_version_ = false;
  valid_ = last_->Valid() && View(last_->key()).starts_with(prefix);
  if (valid_) key_ = View(last_->key());
}

std::string_view FilesCursor::value() const {
  return as_version_ ? version_ : View(last_->value());
}

absl::Status FilesCursor::status() const {
  if (last_ == nullptr || last_->status().ok()) return status_;
  return Failed("cannot read", of_.files_.directory_, last_->status());
}

}  // namespace trireme::kv::inline engine
