#include "kv/store/rocks_files.h"

#include <pthread.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "kv/model/layout.h"
#include "kv/store/floors.h"
#include "kv/store/rocks_entries.h"
#include "rocksdb/cache.h"
#include "rocksdb/compaction_filter.h"
#include "rocksdb/convenience.h"
#include "rocksdb/db.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/listener.h"
#include "rocksdb/rate_limiter.h"
#include "rocksdb/slice_transform.h"
#include "rocksdb/sst_file_writer.h"
#include "rocksdb/table.h"
#include "rocksdb/utilities/checkpoint.h"

namespace trireme::kv::inline engine {
namespace {

constexpr double kFilterBitsPerKey = 10;
constexpr std::size_t kBlockBytes = 8 << 10;
constexpr std::size_t kUnusedMemtableBytes = 256 << 10;
constexpr std::uint64_t kBytesPerSync = 1 << 20;
constexpr std::size_t kMergeReadBytes = 1 << 20;
constexpr std::uint64_t kRocksLogBytes = 1 << 20;
constexpr std::size_t kRocksLogs = 2;
constexpr std::array<const char*, kFamilies> kFamilyNames = {"default", "versions", "history",
                                                             "newest"};
/// Sorted runs of newest versions at which the newest runs are merged: few, since a range steps
/// over all of them and many have the same keys.
constexpr int kNewestRunsMax = 4;
/// Files on their way into the store, and copies of the store for others.
constexpr std::string_view kIncoming = "incoming", kOutgoing = "outgoing";
constexpr double kPercent = 100;
/// After the opening no files are merged for so long: a member that starts first reads its log.
constexpr std::chrono::milliseconds kMergesBegin{3000};
/// Entries lie in memory as they came, and are read in the order of their keys.
constexpr std::size_t kEntriesAhead = 4;

/// All versions of a key share a filter's entry: a key that was never there costs no read.
class KeyOfVersion final : public rocksdb::SliceTransform {
 public:
  const char* Name() const override { return "trireme.KeyOfVersion"; }
  bool InDomain(const rocksdb::Slice& key) const override {
    return key.size() > kRevisionBytes && key[0] == kVersionTag;
  }
  rocksdb::Slice Transform(const rocksdb::Slice& key) const override {
    return {key.data(), key.size() - kRevisionBytes};
  }
};

}  // namespace

struct RocksFiles::Shared {
  /// What only lacks room is tried again.
  void Fail(const absl::Status& status) {
    if (absl::IsResourceExhausted(status)) {
      lacks_room = true;
      return;
    }
    const std::scoped_lock lock(mutex);
    error.Update(status);
  }

  mutable std::mutex mutex;
  absl::Status error;  // Guarded by mutex.
  Floors floors;
  std::atomic<bool> merged = false;
  std::atomic<bool> lacks_room = false;  ///< RocksDB stands still for it.
  std::shared_ptr<rocksdb::Cache> cache;
};

class RocksFiles::Listener final : public rocksdb::EventListener {
 public:
  Listener(std::shared_ptr<Shared> shared, std::string directory)
      : shared_(std::move(shared)), directory_(std::move(directory)) {}
  void OnCompactionCompleted(rocksdb::DB*, const rocksdb::CompactionJobInfo& job) override {
    if (job.status.ok()) shared_->merged = true;
  }
  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* status) override {
    shared_->Fail(Failed("cannot merge files of", directory_, *status));
  }

 private:
  std::shared_ptr<Shared> shared_;
  std::string directory_;
};

/// Drops what cannot be read at or above the floor: versions of a key, newest first, after the one
/// that is the newest at the floor. A tombstone below the floor goes when nothing older can be in
/// files that are not merged. See docs/formats/kv-store.md.
class RocksFiles::Dropper final : public rocksdb::CompactionFilter {
 public:
  Dropper(std::int64_t floor, bool whole) : floor_(floor), whole_(whole) {}
  const char* Name() const override { return "trireme.Dropper"; }

  bool Filter(int, const rocksdb::Slice& key, const rocksdb::Slice& value, std::string*,
              bool*) const override {
    const auto version = ParseVersionKey(View(key));
    if (!version) return false;  // damage is for readers to find
    if (version->prefix != prefix_) {
      prefix_.assign(version->prefix);
      covered_ = false;
    }
    if (covered_) return true;
    covered_ = version->revision.main <= floor_;
    if (!whole_ || version->revision.main >= floor_) return false;
    const auto record = DecodeVersion(version->revision.main, View(value));
    return record && record->tombstone;
  }

 private:
  std::int64_t floor_;
  bool whole_;
  mutable std::string prefix_;
  mutable bool covered_ = false;  ///< The newest at the floor has been passed.
};

/// Drops keys whose newest version is a tombstone below the floor; RocksDB goes on hiding what is
/// older.
class RocksFiles::TombstoneDropper final : public rocksdb::CompactionFilter {
 public:
  TombstoneDropper(std::int64_t floor, bool) : floor_(floor) {}
  const char* Name() const override { return "trireme.TombstoneDropper"; }

  bool Filter(int, const rocksdb::Slice& key, const rocksdb::Slice& value, std::string*,
              bool*) const override {
    if (SegmentOf(View(key)) != 1 || value.size() <= kRevisionBytes) return false;
    const std::int64_t main = LoadNewestFirst(View(value)).main;
    const auto record = DecodeVersion(main, View(value).substr(kRevisionBytes));
    return main < floor_ && record && record->tombstone;
  }

 private:
  std::int64_t floor_;
};

template <typename Filter>
class RocksFiles::DropperFactory final : public rocksdb::CompactionFilterFactory {
 public:
  explicit DropperFactory(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
  const char* Name() const override { return "trireme.DropperFactory"; }
  std::unique_ptr<rocksdb::CompactionFilter> CreateCompactionFilter(
      const rocksdb::CompactionFilter::Context& context) override {
    const std::int64_t floor = shared_->floors.Lowest();
    if (floor <= 0) return nullptr;
    return std::make_unique<Filter>(floor, context.is_full_compaction);
  }

 private:
  std::shared_ptr<Shared> shared_;
};

/// One file, opened with its first entry.
class RocksFiles::Builder {
 public:
  Builder(std::string path, rocksdb::Options options)
      : path_(std::move(path)), options_(std::move(options)) {}

  rocksdb::Status Put(std::string_view key, std::string_view value) {
    const rocksdb::Status status = Begin();
    return status.ok() ? writer_->Put(Slice(key), Slice(value)) : status;
  }
  rocksdb::Status Delete(std::string_view key) {
    const rocksdb::Status status = Begin();
    return status.ok() ? writer_->Delete(Slice(key)) : status;
  }
  rocksdb::Status Finish() { return writer_ == nullptr ? rocksdb::Status() : writer_->Finish(); }
  std::string path() const { return writer_ == nullptr ? std::string() : path_; }

 private:
  rocksdb::Status Begin() {
    if (writer_ != nullptr) return rocksdb::Status();
    writer_ = std::make_unique<rocksdb::SstFileWriter>(rocksdb::EnvOptions(options_), options_);
    return writer_->Open(path_);
  }

  std::string path_;
  rocksdb::Options options_;
  std::unique_ptr<rocksdb::SstFileWriter> writer_;
};

/// A file for each family, of entries that come in order.
class RocksFiles::Builders {
 public:
  explicit Builders(std::vector<Builder> all) : all_(std::move(all)) {}

  rocksdb::Status Add(const Blob& entry) {
    Builder& to = Of(FamilyOf(entry.key()));
    if (entry.tombstone()) return to.Delete(entry.key());
    const rocksdb::Status status = to.Put(entry.key(), entry.value());
    return status.ok() ? AddIfNewest(entry.key(), entry.value()) : status;
  }
  /// The first of a key's versions.
  rocksdb::Status AddIfNewest(std::string_view key, std::string_view value) {
    const std::string_view prefix = KeyPrefixOf(key);
    if (prefix.empty() || prefix == prefix_) return rocksdb::Status();
    prefix_.assign(prefix);
    newest_.clear();
    AppendNewest(newest_, key, value);
    return Of(Family::kNewest).Put(prefix, newest_);
  }
  Builder& Of(Family family) { return all_[static_cast<std::size_t>(family)]; }

 private:
  std::vector<Builder> all_;
  std::string prefix_;  ///< Of the last version.
  std::string newest_;
};

rocksdb::Options RocksFiles::OptionsOf(Family family) const {
  rocksdb::Options db;
  db.write_buffer_size = kUnusedMemtableBytes;
  db.compression = options_.compress ? rocksdb::kLZ4Compression : rocksdb::kNoCompression;
  db.bytes_per_sync = kBytesPerSync;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = shared_->cache;
  table.block_size = kBlockBytes;
  table.format_version = 5;
  table.whole_key_filtering = false;
  if (family == Family::kVersions) {
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kFilterBitsPerKey));
    db.prefix_extractor = std::make_shared<KeyOfVersion>();
    db.compaction_style = rocksdb::kCompactionStyleUniversal;
    db.level0_file_num_compaction_trigger = options_.runs_max;
    // Nothing in them is garbage before a compaction, and then Reclaim merges all: runs need not be
    // merged for the space they take.
    db.compaction_options_universal.max_size_amplification_percent = INT32_MAX;
    db.level0_slowdown_writes_trigger = db.level0_stop_writes_trigger = INT32_MAX;
    db.compaction_filter_factory = std::make_shared<DropperFactory<Dropper>>(shared_);
  } else if (family == Family::kNewest) {
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kFilterBitsPerKey));
    table.whole_key_filtering = true;
    db.compaction_style = rocksdb::kCompactionStyleUniversal;
    db.level0_file_num_compaction_trigger = kNewestRunsMax;
    // A key stands once in a run: stepping over the runs is less than a seek in each.
    db.max_sequential_skip_in_iterations = INT32_MAX;
    db.level0_slowdown_writes_trigger = db.level0_stop_writes_trigger = INT32_MAX;
    db.compaction_filter_factory = std::make_shared<DropperFactory<TombstoneDropper>>(shared_);
  }
  db.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return db;
}

RocksFiles::RocksFiles(std::string directory, const RocksStoreOptions& options)
    : directory_(std::move(directory)), options_(options), shared_(std::make_shared<Shared>()) {
  shared_->cache = rocksdb::NewLRUCache(options.block_cache_bytes);
}

RocksFiles::~RocksFiles() {
  closing_ = true;
  shared_->floors.Stop();
  if (reclaimer_.joinable()) reclaimer_.join();
  for (rocksdb::ColumnFamilyHandle* handle : handles_)
    if (handle != nullptr) db_->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
}

absl::StatusOr<std::unique_ptr<RocksFiles>> RocksFiles::Open(const std::string& directory,
                                                             const RocksStoreOptions& options) {
  std::unique_ptr<RocksFiles> files(new RocksFiles(directory, options));
  TRIREME_RETURN_IF_ERROR(files->Open());
  return files;
}

absl::Status RocksFiles::Open() {
  rocksdb::DBOptions db(OptionsOf(Family::kRest));
  db.create_if_missing = true;
  db.create_missing_column_families = true;
  db.max_background_jobs = options_.merge_threads;
  db.avoid_unnecessary_blocking_io = true;
  db.compaction_readahead_size = kMergeReadBytes;
  db.stats_dump_period_sec = db.stats_persist_period_sec = 0;
  db.info_log_level = rocksdb::WARN_LEVEL;
  db.max_log_file_size = kRocksLogBytes;
  db.keep_log_file_num = kRocksLogs;
  db.listeners.push_back(std::make_shared<Listener>(shared_, directory_));
  if (options_.background_bytes_per_s > 0)
    db.rate_limiter.reset(
        rocksdb::NewGenericRateLimiter(static_cast<std::int64_t>(options_.background_bytes_per_s)));
  db.env->LowerThreadPoolCPUPriority(rocksdb::Env::LOW);
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (int i = 0; i < kFamilies; ++i) {
    families.emplace_back(kFamilyNames[i], OptionsOf(static_cast<Family>(i)));
    families.back().options.disable_auto_compactions = true;  // until BeginMerges
  }
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* opened = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(db, directory_, families, &handles, &opened);
  if (status.ToString().find("While lock file") != std::string::npos)
    return absl::FailedPreconditionError(fmt::format(
        "{} is in use by another process; end that one, or name another directory", directory_));
  if (!status.ok()) return Failed("cannot open", directory_, status);
  db_.reset(opened);
  std::ranges::copy(handles, handles_.begin());
  TRIREME_RETURN_IF_ERROR(EmptyFolder(kIncoming));
  TRIREME_RETURN_IF_ERROR(EmptyFolder(kOutgoing));
  TRIREME_RETURN_IF_ERROR(CollectNewest());
  reclaimer_ = std::thread([this] { Reclaim(); });
  return absl::OkStatus();
}

absl::Status RocksFiles::EmptyFolder(std::string_view name) const {
  const std::filesystem::path folder = std::filesystem::path(directory_) / name;
  std::error_code error;
  std::filesystem::create_directory(folder, error);
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end;) {
    std::filesystem::remove_all(at->path(), error);
    if (!error) at.increment(error);
  }
  if (!error) return absl::OkStatus();
  return absl::UnavailableError(
      fmt::format("cannot empty {}: {}", folder.string(), error.message()));
}

absl::Status RocksFiles::Copy(std::string* directory) {
  const std::string to = fmt::format("{}/{}/{}", directory_, kOutgoing, copies_made_++);
  rocksdb::Checkpoint* made = nullptr;
  rocksdb::Status status = rocksdb::Checkpoint::Create(db_.get(), &made);
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  if (status.ok()) status = checkpoint->CreateCheckpoint(to);
  if (!status.ok()) return Failed("cannot copy", directory_, status);
  *directory = to;
  return absl::OkStatus();
}

absl::Status RocksFiles::Resume() {
  if (!shared_->lacks_room.exchange(false)) return absl::OkStatus();
  const rocksdb::Status status = db_->Resume();
  if (status.ok()) return absl::OkStatus();
  shared_->lacks_room = true;
  return Failed("cannot go on with", directory_, status);
}

absl::Status RocksFiles::Ingest(const CowTree::Node* root) {
  TRIREME_RETURN_IF_ERROR(Resume());
  const absl::Status status = TryIngest(root);
  // What a failure leaves takes room that the next try needs.
  if (!status.ok()) (void)EmptyFolder(kIncoming);
  return status;
}

RocksFiles::Builders RocksFiles::NewBuilders() {
  std::vector<Builder> builders;
  for (int i = 0; i < kFamilies; ++i) {
    builders.emplace_back(fmt::format("{}/{}/{}.sst", directory_, kIncoming, files_made_++),
                          OptionsOf(static_cast<Family>(i)));
  }
  return Builders(std::move(builders));
}

absl::Status RocksFiles::TryIngest(const CowTree::Node* root) {
  Builders builders = NewBuilders();
  rocksdb::Status status;
  CowTree::Cursor cursor;
  for (cursor.Seek(root, ""); cursor.Valid() && status.ok(); cursor.Next()) {
    cursor.Prefetch(kEntriesAhead);
    status = builders.Add(cursor.entry());
  }
  return status.ok() ? TakeIn(builders) : Failed("cannot write a file of", directory_, status);
}

/// What the newest versions are, of a store that does not say so yet: a new one, or one from before
/// they were kept.
absl::Status RocksFiles::CollectNewest() {
  std::string ignored;
  rocksdb::Status status =
      db_->Get(rocksdb::ReadOptions(), Handle(Family::kNewest), Slice(kNewestComplete), &ignored);
  if (status.ok()) return absl::OkStatus();
  if (!status.IsNotFound()) return Failed("cannot read", directory_, status);
  Builders builders = NewBuilders();
  status = builders.Of(Family::kNewest).Put(kNewestComplete, "1");
  rocksdb::ReadOptions options;
  options.total_order_seek = true;
  options.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(options, Handle(Family::kVersions)));
  for (at->SeekToFirst(); at->Valid() && status.ok(); at->Next())
    status = builders.AddIfNewest(View(at->key()), View(at->value()));
  if (status.ok()) status = at->status();
  return status.ok() ? TakeIn(builders) : Failed("cannot collect from", directory_, status);
}

absl::Status RocksFiles::TakeIn(Builders& builders) {
  std::vector<rocksdb::IngestExternalFileArg> all;
  for (int i = 0; i < kFamilies; ++i) {
    Builder& builder = builders.Of(static_cast<Family>(i));
    const rocksdb::Status status = builder.Finish();
    if (!status.ok()) return Failed("cannot write a file of", directory_, status);
    if (builder.path().empty()) continue;
    auto& one = all.emplace_back();
    one.column_family = handles_[i];
    one.external_files = {builder.path()};
    one.options.move_files = true;
    one.options.write_global_seqno = false;
  }
  if (all.empty()) return absl::OkStatus();
  const rocksdb::Status status = db_->IngestExternalFiles(all);
  return status.ok() ? absl::OkStatus() : Failed("cannot take files into", directory_, status);
}

std::shared_ptr<const FilesState> RocksFiles::State() {
  shared_->merged = false;
  return std::make_shared<const FilesState>(*this);
}

std::int64_t RocksFiles::HoldFloor() {
  return shared_->floors.Hold();
}
void RocksFiles::ReleaseFloor(std::int64_t floor) {
  shared_->floors.Release(floor);
}

void RocksFiles::SetFloor(std::int64_t floor) {
  shared_->floors.Raise(floor);
}

void RocksFiles::BeginMerges() {
  const rocksdb::Status status = db_->EnableAutoCompaction({handles_.begin(), handles_.end()});
  if (!status.ok()) shared_->Fail(Failed("cannot merge files of", directory_, status));
}

/// Whenever there is more that nobody reads.
void RocksFiles::Reclaim() {
  ::pthread_setname_np(::pthread_self(), "kv-reclaim");
  if (!shared_->floors.Wait(kMergesBegin)) return;
  BeginMerges();
  std::int64_t seen = 0;
  while (const auto floor = shared_->floors.AwaitAbove(seen)) {
    seen = *floor;
    if (!WorthReclaiming(seen)) continue;
    const absl::Status status = ReclaimBelow(seen);
    if (!status.ok() && !closing_) shared_->Fail(status);
  }
}

/// As many changes below the floor as are in history made as many versions unreadable, or nearly:
/// enough of them are worth writing all others again, if there is room for both. History goes last,
/// so that what a crash leaves undone is found again.
bool RocksFiles::WorthReclaiming(std::int64_t floor) const {
  const auto number = [this](Family family, const std::string& property) {
    std::uint64_t value = 0;
    db_->GetIntProperty(Handle(family), property, &value);
    return static_cast<double>(value);
  };
  const std::string begin = RevisionKey({0, 0}), end = RevisionKey({floor, 0});
  const rocksdb::Range range(Slice(begin), Slice(end));
  std::uint64_t below = 0;
  rocksdb::SizeApproximationOptions options;
  if (!db_->GetApproximateSizes(options, Handle(Family::kHistory), &range, 1, &below).ok())
    return false;
  const double history_bytes =
      number(Family::kHistory, rocksdb::DB::Properties::kTotalSstFilesSize);
  if (below == 0 || history_bytes <= 0) return false;
  const double changes = number(Family::kHistory, rocksdb::DB::Properties::kEstimateNumKeys) *
                         static_cast<double>(below) / history_bytes;
  const double versions = number(Family::kVersions, rocksdb::DB::Properties::kEstimateNumKeys);
  if (changes * kPercent < versions * options_.reclaim_percent) return false;
  std::error_code error;
  const auto space = std::filesystem::space(directory_, error);
  return !error && static_cast<double>(space.available) >
                       number(Family::kVersions, rocksdb::DB::Properties::kTotalSstFilesSize);
}

absl::Status RocksFiles::ReclaimBelow(std::int64_t floor) {
  rocksdb::CompactRangeOptions merge;
  merge.exclusive_manual_compaction = false;
  merge.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
  merge.canceled = &closing_;
  rocksdb::Status status;
  for (const Family family : {Family::kVersions, Family::kNewest}) {
    if (status.ok()) status = db_->CompactRange(merge, Handle(family), nullptr, nullptr);
  }
  if (!status.ok()) return Failed("cannot merge the files of", directory_, status);
  // Whole files only: what stays is not read, and goes with its file.
  const std::string begin = RevisionKey({0, 0}), end = RevisionKey({floor, 0});
  const rocksdb::Slice from = Slice(begin), to = Slice(end);
  status = rocksdb::DeleteFilesInRange(db_.get(), Handle(Family::kHistory), &from, &to,
                                       /*include_end=*/false);
  return status.ok() ? absl::OkStatus() : Failed("cannot drop files of", directory_, status);
}

absl::Status RocksFiles::background_error() const {
  const std::scoped_lock lock(shared_->mutex);
  return shared_->error;
}

bool RocksFiles::merged() const {
  return shared_->merged;
}

}  // namespace trireme::kv::inline engine
