#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace rocksdb {
class Iterator;
class PinnableSlice;
class Snapshot;
}  // namespace rocksdb

namespace trireme::kv::inline engine {

/// Kinds of entries that are kept in files of their own: versions are merged as they come in no
/// order, history comes in order and is never merged, the rest is little. Newest says again of each
/// key what its newest version is, so that reading those meets no other (docs/formats/kv-store.md).
enum class Family : std::uint8_t { kRest, kVersions, kHistory, kNewest };
inline constexpr int kFamilies = 4;

/// kNewest: perhaps without versions that are not the newest of their key.
enum class Shown : std::uint8_t { kAll, kNewest };
inline constexpr std::size_t kShownKinds = 2;

class FilesState;
class RocksFiles;

/// Steps over all families' entries in order. One thread at a time.
class FilesCursor {
 public:
  FilesCursor(const FilesState& of, Shown shown);
  ~FilesCursor();

  /// Shown::kNewest: `from` is as StoreReader::NewNewestIterator wants it.
  void Seek(std::string_view from);
  /// The same from an entry before it.
  void SeekForward(std::string_view from);
  void SeekWithin(std::string_view from, std::string_view prefix);
  void Next();
  bool Valid() const { return valid_; }
  std::string_view key() const { return key_; }
  std::string_view value() const;
  [[nodiscard]] absl::Status status() const;

 private:
  friend class FilesState;

  Family FamilyIn(int segment) const;
  rocksdb::Iterator* Total(Family family);
  void Settle();
  bool ShowNewest(std::string_view prefix, std::string_view entry);
  void FindNewest(std::string_view from, std::string_view prefix);
  void FindVersion(std::string_view from, std::string_view prefix);

  const FilesState& of_;
  const Shown shown_;
  std::array<std::unique_ptr<rocksdb::Iterator>, kFamilies> total_;
  std::unique_ptr<rocksdb::Iterator> within_;  ///< Of versions; uses the filters.
  rocksdb::Iterator* last_ = nullptr;          ///< Moved last: has the status.
  int segment_ = 0;
  bool valid_ = false;
  std::string_view key_;
  // Of an entry among the newest: itself as a version.
  bool as_version_ = false;
  std::string version_key_;
  std::string_view version_;
  std::unique_ptr<rocksdb::PinnableSlice> found_;
  absl::Status status_;  ///< Of what is not last_'s.
};

/// What the files say at a moment. Any thread; RocksFiles must outlive it.
class FilesState {
 public:
  explicit FilesState(RocksFiles& files);
  ~FilesState();
  FilesState(const FilesState&) = delete;
  FilesState& operator=(const FilesState&) = delete;

  /// Cursors are expensive to make, so they are given back and used again.
  std::unique_ptr<FilesCursor> Take(Shown shown) const;
  void Give(std::unique_ptr<FilesCursor> cursor) const;

 private:
  friend class FilesCursor;
  static constexpr std::size_t kIdleMax = 16;

  RocksFiles& files_;
  const std::int64_t floor_;  ///< Revisions below need not be readable in it.
  const rocksdb::Snapshot* const snapshot_;
  mutable std::mutex mutex_;
  mutable std::array<std::vector<std::unique_ptr<FilesCursor>>, kShownKinds> idle_;
};

}  // namespace trireme::kv::inline engine
