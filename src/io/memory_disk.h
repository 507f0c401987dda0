#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "io/disk.h"

namespace trireme::io {

struct MemoryDiskCounters {
  std::uint64_t operations = 0;  ///< All that change something, failed ones included.
  std::uint64_t writes = 0;
  std::uint64_t bytes_written = 0;
  std::uint64_t syncs = 0;
  std::uint64_t directory_syncs = 0;
};

/// A disk in memory that forgets in a crash all that it may forget: of each file, sectors written
/// since its last sync, in any combination; of each directory, names changed since its last sync.
/// The model is that of Pillai et al. (OSDI '14), section 2.2, with atomic renames; what survives
/// is drawn from a seed. A failed sync leaves its bytes readable and lost, as Linux does (Rebello
/// et al., ATC '20). It can be full, and sectors of it can decay (Bairavasundaram et al., "An
/// Analysis of Data Corruption in the Storage Stack", FAST '08). Thread-safe.
class MemoryDisk final : public Disk {
 public:
  static constexpr std::uint64_t kSectorBytes = 512;

  MemoryDisk();
  ~MemoryDisk() override;

  [[nodiscard]] absl::StatusOr<std::unique_ptr<DiskFile>> Open(const std::string& path,
                                                               OpenMode mode) override;
  [[nodiscard]] absl::StatusOr<std::vector<DiskEntry>> List(const std::string& directory) override;
  [[nodiscard]] absl::Status Rename(const std::string& from, const std::string& to) override;
  [[nodiscard]] absl::Status Remove(const std::string& path) override;
  [[nodiscard]] absl::Status MakeDirectories(const std::string& path) override;
  [[nodiscard]] absl::Status SyncDirectory(const std::string& directory) override;
  [[nodiscard]] absl::StatusOr<std::unique_ptr<DiskLock>> Lock(const std::string& path) override;

  /// The power goes off during the operation after the next `operations` ones that change
  /// something: it fails and may have happened in part, all later ones fail with UNAVAILABLE.
  void PowerOffAfter(std::uint64_t operations);
  bool power_is_off() const;
  /// Draws what survives, and turns the power on. Files that were open stay dead, locks are gone.
  void Crash(Random& random);

  /// kill -9: files that were open are dead, locks are gone; what was written is there, synced or
  /// not.
  void KillProcess();

  void SetCapacity(std::uint64_t bytes);
  /// The next sync of a file (not of a directory) fails.
  void FailNextSync();
  /// The next write fails, after half of its bytes.
  void FailNextWrite();
  /// Bit rot: what the disk holds at `offset` changes, without notice.
  void FlipBits(const std::string& path, std::uint64_t offset, unsigned char mask);
  /// What stands there is other bytes from now on, durably; no longer than the file.
  void Overwrite(const std::string& path, std::uint64_t offset, std::string_view bytes);
  /// A latent sector error: reads of the sector at `offset` fail until it is written again.
  void BreakSector(const std::string& path, std::uint64_t offset);

  MemoryDiskCounters counters() const;

 private:
  friend class MemoryFile;
  friend class MemoryLock;
  struct Inode;
  using Names = std::map<std::string, std::shared_ptr<Inode>>;
  /// A name that changed: it leads to `inode`, or to nothing; and `from`, if any, leads nowhere.
  struct NameChange {
    std::string name;
    std::shared_ptr<Inode> inode;
    std::string from;
  };

  absl::Status Count();
  absl::Status Dead(const std::string& path, std::uint64_t generation) const;
  absl::Status Resize(Inode& inode, const std::string& path, std::uint64_t size);
  absl::Status Write(Inode& inode, const std::string& path, std::uint64_t offset,
                     std::span<const std::string_view> parts, bool overwrites);
  absl::Status Sync(Inode& inode, const std::string& path);
  absl::Status Change(NameChange change);
  static void Apply(const NameChange& change, Names& names);
  void CrashNames(Random& random);
  std::uint64_t used_bytes() const;

  mutable std::mutex mutex_;
  Names names_;
  Names durable_names_;
  std::vector<NameChange> changes_;  ///< Of names_, since their directories' last sync.
  std::set<std::string> directories_;
  std::set<std::string> locked_;
  std::uint64_t generation_ = 0;
  std::uint64_t capacity_bytes_ = UINT64_MAX;
  std::uint64_t operations_left_ = UINT64_MAX;
  bool power_off_ = false;
  bool fail_sync_ = false;
  bool fail_write_ = false;
  MemoryDiskCounters counters_;
};

}  // namespace trireme::io
