#include "raft/log/directory.h"

#include <charconv>
#include <optional>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/status_macros.h"
#include "fmt/format.h"

namespace trireme::raft {
namespace {

constexpr std::string_view kIdentityName = "identity";
constexpr std::string_view kIdentityMagic = "TRIRAFT1";
constexpr std::size_t kIdentityBytes = 28;
constexpr std::size_t kDigits = 16;

/// Takes `prefix` and 16 hexadecimal digits off the front of a name.
std::optional<std::uint64_t> TakeNumber(std::string_view prefix, std::string_view& name) {
  if (!name.starts_with(prefix) || name.size() < prefix.size() + kDigits) return std::nullopt;
  const char* const digits = name.data() + prefix.size();
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(digits, digits + kDigits, number, 16);
  if (error != std::errc() || end != digits + kDigits) return std::nullopt;
  name.remove_prefix(prefix.size() + kDigits);
  return number;
}

std::optional<std::uint64_t> OnlyNumber(std::string_view prefix, std::string_view name) {
  const auto number = TakeNumber(prefix, name);
  return name.empty() ? number : std::nullopt;
}

std::optional<SnapshotEntry> SnapshotOf(const io::DiskEntry& entry) {
  std::string_view rest = entry.name;
  const auto group = TakeNumber("snap-", rest);
  const auto index = TakeNumber("-", rest);
  const auto term = TakeNumber("-", rest);
  if (!group || !index || !term || !rest.empty()) return std::nullopt;
  return SnapshotEntry{entry.name, GroupId{*group}, {Index{*index}, Term{*term}}, entry.size_bytes};
}

void Sort(const io::DiskEntry& entry, LogDirectory& into) {
  if (entry.name == kIdentityName) {
    into.has_identity = true;
  } else if (const auto segment = OnlyNumber("wal-", entry.name)) {
    into.segments[*segment] = entry.size_bytes;
  } else if (const auto spare = OnlyNumber("spare-", entry.name)) {
    into.spares[*spare] = entry.size_bytes;
  } else if (auto snapshot = SnapshotOf(entry)) {
    into.snapshots.push_back(*std::move(snapshot));
  } else if (entry.name.starts_with(kTemporaryPrefix)) {
    into.temporaries.push_back(entry.name);
  }
}

}  // namespace

std::string PathIn(const std::string& directory, std::string_view name) {
  return fmt::format("{}/{}", directory, name);
}

std::string SegmentName(std::uint64_t number) {
  return fmt::format("wal-{:016x}", number);
}

std::string SpareName(std::uint64_t number) {
  return fmt::format("spare-{:016x}", number);
}

std::string SnapshotName(GroupId group, LogPosition last) {
  return fmt::format("snap-{:016x}-{:016x}-{:016x}", group.value, last.index.value,
                     last.term.value);
}

absl::StatusOr<LogDirectory> ListLogDirectory(io::Disk& disk, const std::string& directory) {
  TRIREME_ASSIGN_OR_RETURN(const auto entries, disk.List(directory));
  LogDirectory listed;
  for (const io::DiskEntry& entry : entries) Sort(entry, listed);
  return listed;
}

absl::StatusOr<LogIdentity> ReadIdentity(io::Disk& disk, const std::string& directory) {
  const std::string path = PathIn(directory, kIdentityName);
  TRIREME_ASSIGN_OR_RETURN(const auto file, disk.Open(path, io::OpenMode::kRead));
  std::string bytes(kIdentityBytes + 1, '\0');
  TRIREME_ASSIGN_OR_RETURN(const std::size_t size, file->ReadAt(0, bytes.data(), bytes.size()));
  ByteReader from(std::string_view(bytes).substr(kIdentityMagic.size()));
  LogIdentity identity;
  std::uint32_t checksum = 0;
  if (size != kIdentityBytes || !bytes.starts_with(kIdentityMagic) ||
      !from.Little(&identity.cluster_id) || !from.Little(&identity.node.value) ||
      !from.Little(&checksum) ||
      checksum != Crc32c(std::string_view(bytes).substr(0, kIdentityBytes - 4)))
    return Damaged(path, 0, "not an identity of version 1");
  return identity;
}

absl::Status WriteIdentity(io::Disk& disk, const std::string& directory,
                           const LogIdentity& identity) {
  std::string bytes(kIdentityMagic);
  AppendLittle<std::uint64_t>(bytes, identity.cluster_id);
  AppendLittle<std::uint64_t>(bytes, identity.node.value);
  const std::uint32_t checksum = Crc32c(bytes);
  AppendLittle<std::uint32_t>(bytes, checksum);
  const std::string temporary = PathIn(directory, fmt::format("{}identity", kTemporaryPrefix));
  TRIREME_ASSIGN_OR_RETURN(const auto file, CreateAnew(disk, temporary));
  const std::string_view whole(bytes);
  TRIREME_RETURN_IF_ERROR(file->WriteAt(0, std::span(&whole, 1)));
  TRIREME_RETURN_IF_ERROR(file->Sync());
  TRIREME_RETURN_IF_ERROR(disk.Rename(temporary, PathIn(directory, kIdentityName)));
  return disk.SyncDirectory(directory);
}

absl::StatusOr<std::unique_ptr<io::DiskLock>> LockLogDirectory(io::Disk& disk,
                                                               const std::string& directory) {
  auto lock = disk.Lock(PathIn(directory, "lock"));
  if (lock.status().code() != absl::StatusCode::kFailedPrecondition) return lock;
  return absl::FailedPreconditionError(fmt::format(
      "{}: a running node has this directory; stop it, or name another directory", directory));
}

absl::Status Damaged(std::string_view path, std::uint64_t offset, std::string_view what) {
  return absl::DataLossError(fmt::format(
      "{}: damaged at offset {}: {}. Restore the whole directory from a copy of this node's, or "
      "remove the node from its cluster, empty the directory and add the node anew under another "
      "id; `trireme raft inspect` shows what is left",
      path, offset, what));
}

absl::StatusOr<std::unique_ptr<io::DiskFile>> CreateAnew(io::Disk& disk, const std::string& path) {
  auto created = disk.Open(path, io::OpenMode::kCreate);
  if (created.status().code() != absl::StatusCode::kAlreadyExists) return created;
  TRIREME_RETURN_IF_ERROR(disk.Remove(path));
  return disk.Open(path, io::OpenMode::kCreate);
}

}  // namespace trireme::raft
