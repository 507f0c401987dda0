#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kv/store/cow_tree.h"
#include "kv/store/rocks_options.h"

namespace rocksdb {
class ColumnFamilyHandle;
class DB;
class Iterator;
class Options;
class Snapshot;
}  // namespace rocksdb

namespace trireme::kv::inline engine {

/// Kinds of entries that are kept in files of their own: versions are merged as they come in no
/// order, history comes in order and is never merged, the rest is little.
enum class Family : std::uint8_t { kRest, kVersions, kHistory };
inline constexpr int kFamilies = 3;

class FilesState;

/// Steps over all families' entries in order. One thread at a time.
class FilesCursor {
 public:
  explicit FilesCursor(const FilesState& of);
  ~FilesCursor();

  void Seek(std::string_view from);
  /// The same from an entry before it.
  void SeekForward(std::string_view from);
  void SeekWithin(std::string_view from, std::string_view prefix);
  void Next();
  bool Valid() const { return at_ != nullptr; }
  std::string_view key() const;
  std::string_view value() const;
  [[nodiscard]] absl::Status status() const;

 private:
  rocksdb::Iterator* Total(Family family);
  void Settle();

  const FilesState& of_;
  std::array<std::unique_ptr<rocksdb::Iterator>, kFamilies> total_;
  std::unique_ptr<rocksdb::Iterator> within_;  ///< Of versions; uses the filters.
  rocksdb::Iterator* last_ = nullptr;          ///< Moved last: has the status.
  rocksdb::Iterator* at_ = nullptr;            ///< Stands on an entry, or null.
  int segment_ = 0;
};

class RocksFiles;

/// What the files say at a moment. Any thread; RocksFiles must outlive it.
class FilesState {
 public:
  explicit FilesState(RocksFiles& files);
  ~FilesState();
  FilesState(const FilesState&) = delete;
  FilesState& operator=(const FilesState&) = delete;

  /// Cursors are expensive to make, so they are given back and used again.
  std::unique_ptr<FilesCursor> Take() const;
  void Give(std::unique_ptr<FilesCursor> cursor) const;

 private:
  friend class FilesCursor;
  static constexpr std::size_t kIdleMax = 16;

  RocksFiles& files_;
  const std::int64_t floor_;  ///< Revisions below need not be readable in it.
  const rocksdb::Snapshot* const snapshot_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<FilesCursor>> idle_;
};

/// The files of a store: RocksDB, without its log and its tables in memory. Everything comes in as
/// whole sorted files, several at once or none.
class RocksFiles {
 public:
  static absl::StatusOr<std::unique_ptr<RocksFiles>> Open(const std::string& directory,
                                                          const RocksStoreOptions& options);
  ~RocksFiles();

  /// Writes the entries of a tree over what there is, tombstones included. All of them survive a
  /// crash after it, or none. RESOURCE_EXHAUSTED: the disk is full; nothing has changed, and it may
  /// be tried again. One thread at a time.
  absl::Status Ingest(const CowTree::Node* root);
  std::shared_ptr<const FilesState> State();
  /// Copies what the files are now, by links, into `directory`, a new one, which the caller deletes
  /// when it is done; so does the next Open.
  absl::Status Copy(std::string* directory);
  /// Revisions below `floor` are not read any more in states to come, and what is said so survives
  /// a crash. Merging drops their versions; when they are many, all files are merged, in the
  /// background, and their history goes.
  void SetFloor(std::int64_t floor);
  /// The first thing that went wrong in the background.
  absl::Status background_error() const;
  /// Whether files have been merged since the last State: an older one keeps them on the disk.
  bool merged() const;

 private:
  friend class FilesState;
  friend class FilesCursor;
  class Listener;
  class Dropper;
  class DropperFactory;
  class Builder;
  /// Shared with RocksDB's threads.
  struct Shared;

  RocksFiles(std::string directory, const RocksStoreOptions& options);
  absl::Status Open();
  absl::Status TryIngest(const CowTree::Node* root);
  absl::Status Resume();
  absl::Status TakeIn(std::array<std::string, kFamilies> files);
  absl::Status EmptyFolder(std::string_view name) const;
  void Reclaim();
  bool WorthReclaiming(std::int64_t floor) const;
  absl::Status ReclaimBelow(std::int64_t floor);
  rocksdb::Options OptionsOf(Family family) const;
  rocksdb::ColumnFamilyHandle* Handle(Family family) const {
    return handles_[static_cast<std::size_t>(family)];
  }

  std::string directory_;
  RocksStoreOptions options_;
  std::shared_ptr<Shared> shared_;
  std::array<rocksdb::ColumnFamilyHandle*, kFamilies> handles_ = {};
  std::unique_ptr<rocksdb::DB> db_;
  std::uint64_t files_made_ = 0, copies_made_ = 0;
  std::atomic<bool> closing_ = false;
  std::thread reclaimer_;
};

}  // namespace trireme::kv::inline engine
