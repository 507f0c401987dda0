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
#include "kv/store/files_cursor.h"
#include "kv/store/rocks_options.h"

namespace rocksdb {
class ColumnFamilyHandle;
class DB;
class Options;
}  // namespace rocksdb

namespace trireme::kv::inline engine {

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
  /// Until ReleaseFloor what is readable at or above it stays so.
  std::int64_t HoldFloor();
  void ReleaseFloor(std::int64_t floor);

  class Listener;
  class Dropper;
  class TombstoneDropper;
  template <typename Filter>
  class DropperFactory;
  class Builder;
  class Builders;
  /// Shared with RocksDB's threads.
  struct Shared;

  RocksFiles(std::string directory, const RocksStoreOptions& options);
  absl::Status Open();
  absl::Status TryIngest(const CowTree::Node* root);
  absl::Status Resume();
  absl::Status CollectNewest();
  absl::Status TakeIn(Builders& builders);
  absl::Status EmptyFolder(std::string_view name) const;
  void BeginMerges();
  void Reclaim();
  bool WorthReclaiming(std::int64_t floor) const;
  absl::Status ReclaimBelow(std::int64_t floor);
  rocksdb::Options OptionsOf(Family family) const;
  Builders NewBuilders();
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
