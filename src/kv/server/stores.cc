#include "kv/server/stores.h"

#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/file.h"
#include "kv/model/state_stream.h"
#include "kv/store/files_stream.h"
#include "kv/store/memory_store.h"
#include "kv/store/rocks_store.h"

namespace trireme::kv::inline engine {
namespace {

namespace fs = std::filesystem;

absl::Status WriteNumber(const fs::path& path, std::uint64_t number) {
  const fs::path temporary = path.string() + ".tmp";
  TRIREME_ASSIGN_OR_RETURN(io::File file, io::File::Create(temporary.string()));
  TRIREME_RETURN_IF_ERROR(file.Append(fmt::format("{}\n", number)));
  TRIREME_RETURN_IF_ERROR(file.Sync());
  TRIREME_RETURN_IF_ERROR(file.Close());
  if (std::rename(temporary.c_str(), path.c_str()) != 0)
    return io::ErrnoStatus("rename", path.string(), errno);
  return io::SyncDirectory(path.parent_path().string());
}

absl::StatusOr<std::uint64_t> ReadNumber(const fs::path& path) {
  TRIREME_ASSIGN_OR_RETURN(const io::File file, io::File::OpenForRead(path.string()));
  char text[32];
  TRIREME_ASSIGN_OR_RETURN(const std::size_t size, file.ReadAt(0, text, sizeof text));
  std::uint64_t number = 0;
  const auto [at, error] = std::from_chars(text, text + size, number);
  if (error == std::errc() && at != text + size && *at == '\n') return number;
  return absl::DataLossError(
      fmt::format("{} does not name a store; restore this member from a snapshot or the others",
                  path.string()));
}

constexpr std::uint64_t kReadBytes = 1u << 20;

/// A store of the files of a stream, in an empty directory.
absl::StatusOr<std::unique_ptr<RocksStore>> ReceiveInto(const fs::path& directory,
                                                        raft::SnapshotSource& from) {
  FilesReader reader(directory.string());
  while (true) {
    TRIREME_ASSIGN_OR_RETURN(const SharedBytes bytes, from.Read(kReadBytes));
    if (bytes.empty()) break;
    TRIREME_RETURN_IF_ERROR(reader.Feed(bytes.view()));
  }
  TRIREME_RETURN_IF_ERROR(reader.Finish());
  return RocksStore::Open(directory.string());
}

absl::Status MakeEmpty(const fs::path& directory) {
  std::error_code error;
  fs::remove_all(directory, error);
  if (!error) fs::create_directories(directory, error);
  if (!error) return absl::OkStatus();
  return absl::UnavailableError(
      fmt::format("cannot make {}: {}", directory.string(), error.message()));
}

/// Gone with the object.
class TemporaryDirectory {
 public:
  TemporaryDirectory() : path_(fs::temp_directory_path() / "trireme-kv-XXXXXX") {}
  ~TemporaryDirectory() {
    std::error_code gone;
    fs::remove_all(path_, gone);
  }
  absl::StatusOr<fs::path> Make() {
    std::string path = path_.string();
    if (::mkdtemp(path.data()) == nullptr) return io::ErrnoStatus("mkdtemp", path, errno);
    return path_ = path;
  }

 private:
  fs::path path_;
};

absl::Status CopyState(OrderedStore& from, OrderedStore& to) {
  const auto snapshot = from.Snapshot();
  StateWriter writer(*snapshot);
  StateReader reader(to);
  for (bool more = true; more;) {
    std::string part;
    TRIREME_ASSIGN_OR_RETURN(more, writer.Next(&part));
    TRIREME_RETURN_IF_ERROR(reader.Feed(part));
  }
  return reader.Finish();
}

class MemoryStores final : public StoreProvider {
 public:
  bool durable() const override { return false; }
  absl::StatusOr<std::shared_ptr<OrderedStore>> Open() override { return OpenEmpty(); }
  absl::StatusOr<std::shared_ptr<OrderedStore>> OpenEmpty() override {
    return std::make_shared<MemoryStore>();
  }
  /// From a member that keeps its state in files; for a moment they are here too.
  absl::StatusOr<std::shared_ptr<OrderedStore>> Receive(raft::SnapshotSource& from) override {
    TemporaryDirectory temporary;
    TRIREME_ASSIGN_OR_RETURN(const fs::path directory, temporary.Make());
    TRIREME_ASSIGN_OR_RETURN(const auto files, ReceiveInto(directory, from));
    auto store = std::make_shared<MemoryStore>();
    TRIREME_RETURN_IF_ERROR(CopyState(*files, *store));
    return std::shared_ptr<OrderedStore>(std::move(store));
  }
  absl::Status Adopt() override { return absl::OkStatus(); }
};

class RocksStores final : public StoreProvider {
 public:
  explicit RocksStores(fs::path directory) : directory_(std::move(directory)) {}

  absl::Status Prepare() {
    std::error_code error;
    fs::create_directories(directory_, error);
    if (error)
      return absl::UnavailableError(
          fmt::format("cannot make {}: {}", directory_.string(), error.message()));
    TRIREME_RETURN_IF_ERROR(ReadCurrent());
    EraseOthers();
    return absl::OkStatus();
  }

  bool durable() const override { return true; }

  absl::StatusOr<std::shared_ptr<OrderedStore>> Open() override { return OpenNumber(current_); }

  absl::StatusOr<std::shared_ptr<OrderedStore>> OpenEmpty() override {
    filling_ = current_ + 1;
    TRIREME_RETURN_IF_ERROR(MakeEmpty(PathOf(filling_)));
    return OpenNumber(filling_);
  }

  absl::StatusOr<std::shared_ptr<OrderedStore>> Receive(raft::SnapshotSource& from) override {
    filling_ = current_ + 1;
    TRIREME_RETURN_IF_ERROR(MakeEmpty(PathOf(filling_)));
    auto store = ReceiveInto(PathOf(filling_), from);
    if (store.ok()) return Hold(*std::move(store), filling_);
    std::error_code error;
    fs::remove_all(PathOf(filling_), error);  // Room for all else until it is tried again.
    return store.status();
  }

  absl::Status Adopt() override {
    TRIREME_RETURN_IF_ERROR(WriteNumber(directory_ / "CURRENT", filling_));
    if (const auto old = replaced_.extract(current_)) *old.mapped() = true;
    current_ = filling_;
    return absl::OkStatus();
  }

 private:
  absl::Status ReadCurrent() {
    const fs::path path = directory_ / "CURRENT";
    if (!fs::exists(path)) return WriteNumber(path, current_);
    TRIREME_ASSIGN_OR_RETURN(current_, ReadNumber(path));
    return absl::OkStatus();
  }

  /// What was being filled when the process ended, or has been replaced.
  void EraseOthers() {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(directory_, error)) {
      if (!entry.is_directory() || entry.path() == PathOf(current_)) continue;
      fs::remove_all(entry.path(), error);
    }
  }

  absl::StatusOr<std::shared_ptr<OrderedStore>> OpenNumber(std::uint64_t number) {
    TRIREME_ASSIGN_OR_RETURN(std::unique_ptr<RocksStore> store,
                             RocksStore::Open(PathOf(number).string()));
    return Hold(std::move(store), number);
  }
  /// Its files go with its last holder, once another has taken its place.
  std::shared_ptr<OrderedStore> Hold(std::unique_ptr<RocksStore> store, std::uint64_t number) {
    const auto replaced = std::make_shared<std::atomic<bool>>(false);
    replaced_[number] = replaced;
    return {store.release(), [replaced, path = PathOf(number)](const RocksStore* held) {
              delete held;
              std::error_code error;
              if (*replaced) fs::remove_all(path, error);
            }};
  }
  fs::path PathOf(std::uint64_t number) const { return directory_ / std::to_string(number); }

  const fs::path directory_;
  std::uint64_t current_ = 1, filling_ = 0;
  std::map<std::uint64_t, std::shared_ptr<std::atomic<bool>>> replaced_;  ///< By number.
};

}  // namespace

absl::StatusOr<std::unique_ptr<StoreProvider>> MakeStores(const std::string& data_dir) {
  if (data_dir.empty()) return std::make_unique<MemoryStores>();
  auto stores = std::make_unique<RocksStores>(fs::path(data_dir) / "kv");
  TRIREME_RETURN_IF_ERROR(stores->Prepare());
  return stores;
}

}  // namespace trireme::kv::inline engine
