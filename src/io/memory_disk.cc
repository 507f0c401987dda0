#include "io/memory_disk.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "fmt/format.h"

namespace trireme::io {

/// The file and its fate: `cached` is what a read sees, `durable` what a crash leaves for certain.
struct MemoryDisk::Inode {
  struct Pending {
    bool resize = false;
    std::uint64_t offset = 0;  ///< Or the new size.
    std::string bytes;
  };

  std::string cached;
  std::string durable;
  std::vector<Pending> pending;
  bool sync_failed = false;  ///< Then `cached` may differ from `durable` with nothing pending.
  std::set<std::uint64_t> broken_sectors;

  static void Put(std::string& image, std::uint64_t offset, std::string_view bytes) {
    if (image.size() < offset + bytes.size()) image.resize(offset + bytes.size());
    std::memcpy(image.data() + offset, bytes.data(), bytes.size());
  }
  static void Apply(const Pending& change, std::string& image) {
    if (change.resize) {
      image.resize(change.offset);
    } else {
      Put(image, change.offset, change.bytes);
    }
  }
  /// Of the bytes from `end` to the end of its block, how many are to become zero.
  std::uint64_t ToZero(std::uint64_t end) const {
    const std::uint64_t block = (end + kOverwriteBlockBytes - 1) / kOverwriteBlockBytes;
    if (end >= cached.size()) return 0;
    const std::string_view rest =
        std::string_view(cached).substr(end, block * kOverwriteBlockBytes - end);
    return rest.find_first_not_of('\0') == std::string_view::npos ? 0 : rest.size();
  }
  void Flush() {
    for (const Pending& change : pending) Apply(change, durable);
    pending.clear();
  }
  /// Each sector of the write on its own.
  void ApplySome(const Pending& change, Random& random) {
    if (change.resize) {
      if (random.OneIn(2)) Apply(change, durable);
      return;
    }
    std::uint64_t done = 0;
    while (done < change.bytes.size()) {
      const std::uint64_t at = change.offset + done;
      const std::uint64_t n =
          std::min<std::uint64_t>(kSectorBytes - at % kSectorBytes, change.bytes.size() - done);
      if (random.OneIn(2)) Put(durable, at, std::string_view(change.bytes).substr(done, n));
      done += n;
    }
  }
  /// The first writes whole, then one in part, to the byte.
  void ApplyPrefix(Random& random) {
    const std::size_t whole = random.Below(pending.size() + 1);
    for (std::size_t i = 0; i < whole; ++i) Apply(pending[i], durable);
    if (whole == pending.size() || pending[whole].resize) return;
    const std::string_view torn = pending[whole].bytes;
    Put(durable, pending[whole].offset, torn.substr(0, random.Below(torn.size() + 1)));
  }
  void Crash(Random& random) {
    const bool same = pending.empty() && !sync_failed;
    switch (random.Below(4)) {
      case 0:
        break;
      case 1:
        Flush();
        break;
      case 2:
        for (const Pending& change : pending) ApplySome(change, random);
        break;
      default:
        ApplyPrefix(random);
    }
    pending.clear();
    sync_failed = false;
    if (!same) cached = durable;
  }
};

namespace {

std::string DirectoryOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

}  // namespace

class MemoryFile final : public DiskFile {
 public:
  MemoryFile(MemoryDisk* disk, std::shared_ptr<MemoryDisk::Inode> inode, std::string path,
             OpenMode mode)
      : disk_(disk),
        inode_(std::move(inode)),
        path_(std::move(path)),
        overwrites_(mode == OpenMode::kOverwrite),
        generation_(disk->generation_) {}

  absl::StatusOr<std::size_t> ReadAt(std::uint64_t offset, char* to,
                                     std::size_t size) const override {
    const std::lock_guard lock(disk_->mutex_);
    TRIREME_RETURN_IF_ERROR(disk_->Dead(path_, generation_));
    const std::string& bytes = inode_->cached;
    if (offset >= bytes.size()) return 0;
    const std::size_t n = std::min<std::uint64_t>(size, bytes.size() - offset);
    for (std::uint64_t sector = offset / MemoryDisk::kSectorBytes;
         sector * MemoryDisk::kSectorBytes < offset + n; ++sector) {
      if (inode_->broken_sectors.contains(sector))
        return absl::InternalError(fmt::format("read {}: Input/output error", path_));
    }
    std::memcpy(to, bytes.data() + offset, n);
    return n;
  }

  absl::Status WriteAt(std::uint64_t offset, std::span<const std::string_view> parts) override {
    const std::lock_guard lock(disk_->mutex_);
    TRIREME_RETURN_IF_ERROR(disk_->Dead(path_, generation_));
    return disk_->Write(*inode_, path_, offset, parts, overwrites_);
  }

  absl::Status Sync() override {
    const std::lock_guard lock(disk_->mutex_);
    TRIREME_RETURN_IF_ERROR(disk_->Dead(path_, generation_));
    return disk_->Sync(*inode_, path_);
  }

  absl::Status Allocate(std::uint64_t size) override {
    const std::lock_guard lock(disk_->mutex_);
    TRIREME_RETURN_IF_ERROR(disk_->Dead(path_, generation_));
    TRIREME_RETURN_IF_ERROR(disk_->Count());
    TRIREME_RETURN_IF_ERROR(disk_->Resize(*inode_, path_, size));
    return disk_->Dead(path_, generation_);
  }

  absl::StatusOr<std::uint64_t> Size() const override {
    const std::lock_guard lock(disk_->mutex_);
    TRIREME_RETURN_IF_ERROR(disk_->Dead(path_, generation_));
    return inode_->cached.size();
  }

 private:
  MemoryDisk* disk_;
  std::shared_ptr<MemoryDisk::Inode> inode_;
  std::string path_;
  bool overwrites_;
  std::uint64_t generation_;
};

class MemoryLock final : public DiskLock {
 public:
  MemoryLock(MemoryDisk* disk, std::string path)
      : disk_(disk), path_(std::move(path)), generation_(disk->generation_) {}
  ~MemoryLock() override {
    const std::lock_guard lock(disk_->mutex_);
    if (disk_->generation_ == generation_) disk_->locked_.erase(path_);
  }

 private:
  MemoryDisk* disk_;
  std::string path_;
  std::uint64_t generation_;
};

MemoryDisk::MemoryDisk() = default;
MemoryDisk::~MemoryDisk() = default;

absl::Status MemoryDisk::Dead(const std::string& path, std::uint64_t generation) const {
  if (generation == generation_ && !power_off_) return absl::OkStatus();
  return absl::UnavailableError(fmt::format("{}: the power is off", path));
}

/// To be called before each operation that changes something.
absl::Status MemoryDisk::Count() {
  if (power_off_) return absl::UnavailableError("the power is off");
  ++counters_.operations;
  if (operations_left_-- == 0) power_off_ = true;
  return absl::OkStatus();
}

std::uint64_t MemoryDisk::used_bytes() const {
  std::uint64_t used = 0;
  for (const auto& [name, inode] : names_) used += inode->cached.size();
  return used;
}

absl::Status MemoryDisk::Resize(Inode& inode, const std::string& path, std::uint64_t size) {
  if (size > inode.cached.size() && used_bytes() + size - inode.cached.size() > capacity_bytes_)
    return absl::ResourceExhaustedError(fmt::format("allocate {}: No space left on device", path));
  inode.cached.resize(size);
  inode.pending.push_back({.resize = true, .offset = size});
  return absl::OkStatus();
}

absl::Status MemoryDisk::Write(Inode& inode, const std::string& path, std::uint64_t offset,
                               std::span<const std::string_view> parts, bool overwrites) {
  TRIREME_RETURN_IF_ERROR(Count());
  std::string bytes;
  for (const std::string_view part : parts) bytes.append(part);
  counters_.bytes_written += bytes.size();
  if (overwrites) bytes.append(inode.ToZero(offset + bytes.size()), '\0');
  const bool fails = std::exchange(fail_write_, false);
  if (fails) bytes.resize(bytes.size() / 2);
  if (offset + bytes.size() > inode.cached.size())
    TRIREME_RETURN_IF_ERROR(Resize(inode, path, offset + bytes.size()));
  Inode::Put(inode.cached, offset, bytes);
  const auto first = inode.broken_sectors.lower_bound(offset / kSectorBytes);
  const auto last = inode.broken_sectors.upper_bound((offset + bytes.size()) / kSectorBytes);
  inode.broken_sectors.erase(first, last);
  ++counters_.writes;
  inode.pending.push_back({.offset = offset, .bytes = std::move(bytes)});
  if (fails) return absl::InternalError(fmt::format("write {}: Input/output error", path));
  return Dead(path, generation_);
}

absl::Status MemoryDisk::Sync(Inode& inode, const std::string& path) {
  TRIREME_RETURN_IF_ERROR(Count());
  TRIREME_RETURN_IF_ERROR(Dead(path, generation_));
  ++counters_.syncs;
  if (std::exchange(fail_sync_, false)) {
    inode.pending.clear();
    inode.sync_failed = true;
    return absl::InternalError(fmt::format("fdatasync {}: Input/output error", path));
  }
  inode.Flush();
  return absl::OkStatus();
}

void MemoryDisk::Apply(const NameChange& change, Names& names) {
  if (change.inode == nullptr) {
    names.erase(change.name);
    return;
  }
  names[change.name] = change.inode;
  const auto from = names.find(change.from);
  if (!change.from.empty() && from != names.end() && from->second == change.inode)
    names.erase(from);
}

absl::Status MemoryDisk::Change(NameChange change) {
  TRIREME_RETURN_IF_ERROR(Count());
  Apply(change, names_);
  changes_.push_back(std::move(change));
  return Dead(changes_.back().name, generation_);
}

absl::StatusOr<std::unique_ptr<DiskFile>> MemoryDisk::Open(const std::string& path, OpenMode mode) {
  const std::lock_guard lock(mutex_);
  TRIREME_RETURN_IF_ERROR(Dead(path, generation_));
  auto found = names_.find(path);
  if (mode == OpenMode::kCreate) {
    if (found != names_.end())
      return absl::AlreadyExistsError(fmt::format("create {}: File exists", path));
    if (!directories_.contains(DirectoryOf(path)))
      return absl::NotFoundError(fmt::format("create {}: No such directory", path));
    TRIREME_RETURN_IF_ERROR(Change({path, std::make_shared<Inode>(), ""}));
    found = names_.find(path);
  }
  if (found == names_.end()) return absl::NotFoundError(fmt::format("open {}: No such file", path));
  return std::make_unique<MemoryFile>(this, found->second, path, mode);
}

absl::StatusOr<std::vector<DiskEntry>> MemoryDisk::List(const std::string& directory) {
  const std::lock_guard lock(mutex_);
  TRIREME_RETURN_IF_ERROR(Dead(directory, generation_));
  if (!directories_.contains(directory))
    return absl::NotFoundError(fmt::format("open directory {}: No such directory", directory));
  std::vector<DiskEntry> found;
  for (const auto& [name, inode] : names_) {
    if (DirectoryOf(name) == directory)
      found.push_back({name.substr(directory.size() + 1), inode->cached.size()});
  }
  return found;
}

absl::Status MemoryDisk::Rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  TRIREME_RETURN_IF_ERROR(Dead(from, generation_));
  TRIREME_CHECK(DirectoryOf(from) == DirectoryOf(to));
  const auto found = names_.find(from);
  if (found == names_.end())
    return absl::NotFoundError(fmt::format("rename {}: No such file", from));
  return Change({to, found->second, from});
}

absl::Status MemoryDisk::Remove(const std::string& path) {
  const std::lock_guard lock(mutex_);
  TRIREME_RETURN_IF_ERROR(Dead(path, generation_));
  if (!names_.contains(path))
    return absl::NotFoundError(fmt::format("remove {}: No such file", path));
  return Change({path, nullptr, ""});
}

absl::Status MemoryDisk::MakeDirectories(const std::string& path) {
  const std::lock_guard lock(mutex_);
  TRIREME_RETURN_IF_ERROR(Dead(path, generation_));
  for (std::string at = path; !at.empty(); at = DirectoryOf(at)) directories_.insert(at);
  return absl::OkStatus();
}

absl::Status MemoryDisk::SyncDirectory(const std::string& directory) {
  const std::lock_guard lock(mutex_);
  TRIREME_RETURN_IF_ERROR(Count());
  TRIREME_RETURN_IF_ERROR(Dead(directory, generation_));
  ++counters_.directory_syncs;
  std::vector<NameChange> rest;
  for (NameChange& change : changes_) {
    if (DirectoryOf(change.name) == directory) {
      Apply(change, durable_names_);
    } else {
      rest.push_back(std::move(change));
    }
  }
  changes_ = std::move(rest);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<DiskLock>> MemoryDisk::Lock(const std::string& path) {
  const std::lock_guard lock(mutex_);
  TRIREME_RETURN_IF_ERROR(Dead(path, generation_));
  if (!locked_.insert(path).second)
    return absl::FailedPreconditionError(fmt::format("{} is locked by another process", path));
  return std::make_unique<MemoryLock>(this, path);
}

void MemoryDisk::PowerOffAfter(std::uint64_t operations) {
  const std::lock_guard lock(mutex_);
  operations_left_ = operations;
}

bool MemoryDisk::power_is_off() const {
  const std::lock_guard lock(mutex_);
  return power_off_;
}

/// None, all, a prefix, or any subset of the changes, in their order.
void MemoryDisk::CrashNames(Random& random) {
  const std::uint64_t mode = random.Below(4);
  const std::size_t prefix = mode == 0   ? 0
                             : mode == 1 ? changes_.size()
                                         : random.Below(changes_.size() + 1);
  for (std::size_t i = 0; i < changes_.size(); ++i) {
    if (mode == 3 ? random.OneIn(2) : i < prefix) Apply(changes_[i], durable_names_);
  }
  changes_.clear();
  names_ = durable_names_;
}

void MemoryDisk::Crash(Random& random) {
  const std::lock_guard lock(mutex_);
  CrashNames(random);
  std::set<Inode*> done;  // a lost rename can leave two names of one file
  for (const auto& [name, inode] : names_) {
    if (done.insert(inode.get()).second) inode->Crash(random);
  }
  locked_.clear();
  ++generation_;
  operations_left_ = UINT64_MAX;
  power_off_ = fail_sync_ = fail_write_ = false;
}

void MemoryDisk::KillProcess() {
  const std::lock_guard lock(mutex_);
  locked_.clear();
  ++generation_;
}

void MemoryDisk::SetCapacity(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  capacity_bytes_ = bytes;
}

void MemoryDisk::FailNextSync() {
  const std::lock_guard lock(mutex_);
  fail_sync_ = true;
}

void MemoryDisk::FailNextWrite() {
  const std::lock_guard lock(mutex_);
  fail_write_ = true;
}

void MemoryDisk::FlipBits(const std::string& path, std::uint64_t offset, unsigned char mask) {
  const std::lock_guard lock(mutex_);
  Inode& inode = *names_.at(path);
  for (std::string* image : {&inode.cached, &inode.durable}) {
    if (offset < image->size()) (*image)[offset] = static_cast<char>((*image)[offset] ^ mask);
  }
}

void MemoryDisk::Overwrite(const std::string& path, std::uint64_t offset, std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  Inode& inode = *names_.at(path);
  for (std::string* image : {&inode.cached, &inode.durable}) {
    if (offset < image->size()) {
      image->replace(offset, std::min<std::size_t>(bytes.size(), image->size() - offset),
                     bytes.substr(0, image->size() - offset));
    }
  }
}

void MemoryDisk::BreakSector(const std::string& path, std::uint64_t offset) {
  const std::lock_guard lock(mutex_);
  names_.at(path)->broken_sectors.insert(offset / kSectorBytes);
}

MemoryDiskCounters MemoryDisk::counters() const {
  const std::lock_guard lock(mutex_);
  return counters_;
}

}  // namespace trireme::io
