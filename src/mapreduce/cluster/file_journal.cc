#include "mapreduce/cluster/file_journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/bytes.h"
#include "base/status_macros.h"
#include "fmt/format.h"

namespace trireme::mapreduce::cluster {
namespace {

constexpr std::uint32_t kMagic = 0x314A5254;  // "TRJ1"
constexpr std::size_t kTrailerBytes = 8;

std::uint64_t HeaderChecksum(const char* header) {
  return XXH3_64bits(header, 16);
}

/// The payload size of the header at `offset`, or nothing if none is there.
bool ReadHeader(std::string_view bytes, std::uint64_t offset, std::uint32_t* payload_bytes) {
  if (bytes.size() - offset < kJournalHeaderBytes) return false;
  const char* at = bytes.data() + offset;
  if (LoadLittle<std::uint32_t>(at) != kMagic) return false;
  *payload_bytes = LoadLittle<std::uint32_t>(at + 4);
  return LoadLittle<std::uint64_t>(at + 8) == offset &&
         LoadLittle<std::uint64_t>(at + 16) == HeaderChecksum(at) &&
         *payload_bytes <= kJournalFrameBytesMax;
}

bool ReadFrame(std::string_view bytes, std::uint64_t offset, std::string_view* payload) {
  std::uint32_t size = 0;
  if (!ReadHeader(bytes, offset, &size)) return false;
  const std::string_view rest = bytes.substr(offset + kJournalHeaderBytes);
  if (rest.size() < std::uint64_t{size} + kTrailerBytes) return false;
  *payload = rest.substr(0, size);
  return LoadLittle<std::uint64_t>(rest.data() + size) ==
         XXH3_64bits_withSeed(payload->data(), size, HeaderChecksum(bytes.data() + offset));
}

bool AnyHeaderAfter(std::string_view bytes, std::uint64_t offset) {
  const std::string_view magic(reinterpret_cast<const char*>(&kMagic), sizeof kMagic);
  std::uint32_t size = 0;
  for (std::size_t at = bytes.find(magic, offset + 1); at != std::string_view::npos;
       at = bytes.find(magic, at + 1)) {
    if (ReadHeader(bytes, at, &size)) return true;
  }
  return false;
}

absl::Status WriteAll(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::write(fd, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return io::ErrnoStatus("write", path, errno);
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return absl::OkStatus();
}

absl::StatusOr<int> Lock(const std::string& directory) {
  const std::string path = directory + "/lock";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return io::ErrnoStatus("open", path, errno);
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  ::close(fd);
  return absl::FailedPreconditionError(fmt::format(
      "--state {}: another coordinator is using it; stop that one or name another directory",
      directory));
}

absl::StatusOr<std::string> ReadAll(int fd, const std::string& path) {
  struct stat stat;
  if (::fstat(fd, &stat) != 0) return io::ErrnoStatus("stat", path, errno);
  std::string bytes(static_cast<std::size_t>(stat.st_size), '\0');
  std::size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t got =
        ::pread(fd, bytes.data() + have, bytes.size() - have, static_cast<off_t>(have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return io::ErrnoStatus("read", path, errno);
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  bytes.resize(have);
  return bytes;
}

}  // namespace

std::string MakeJournalFrame(std::string_view payload, std::uint64_t offset) {
  std::string frame;
  frame.reserve(kJournalHeaderBytes + payload.size() + kTrailerBytes);
  AppendLittle<std::uint32_t>(frame, kMagic);
  AppendLittle<std::uint32_t>(frame, static_cast<std::uint32_t>(payload.size()));
  AppendLittle<std::uint64_t>(frame, offset);
  const std::uint64_t checksum = HeaderChecksum(frame.data());
  AppendLittle<std::uint64_t>(frame, checksum);
  frame.append(payload);
  AppendLittle<std::uint64_t>(frame,
                              XXH3_64bits_withSeed(payload.data(), payload.size(), checksum));
  return frame;
}

absl::Status ParseJournal(std::string_view bytes, std::string_view path,
                          std::vector<std::string>* batches, std::uint64_t* end) {
  *end = 0;
  while (*end < bytes.size()) {
    std::string_view payload;
    if (!ReadFrame(bytes, *end, &payload)) {
      if (!AnyHeaderAfter(bytes, *end)) return absl::OkStatus();
      return absl::DataLossError(fmt::format(
          "{}: corrupt at offset {}, and valid batches follow; restore the file from a copy, or "
          "start with an empty --state",
          path, *end));
    }
    batches->emplace_back(payload);
    *end += kJournalHeaderBytes + payload.size() + kTrailerBytes;
  }
  return absl::OkStatus();
}

FileJournal::FileJournal(std::string directory, int lock_fd)
    : directory_(std::move(directory)), path_(directory_ + "/journal"), lock_fd_(lock_fd) {}

FileJournal::~FileJournal() {
  if (fd_ >= 0) ::close(fd_);
  ::close(lock_fd_);
}

absl::StatusOr<FileJournal::Opened> FileJournal::Open(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return io::ErrnoStatus("mkdir", directory, error.value());
  TRIREME_ASSIGN_OR_RETURN(const int lock_fd, Lock(directory));
  Opened opened;
  opened.journal.reset(new FileJournal(directory, lock_fd));
  TRIREME_RETURN_IF_ERROR(opened.journal->Load(&opened));
  return opened;
}

absl::Status FileJournal::Load(Opened* to) {
  ::unlink((path_ + ".tmp").c_str());
  fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd_ < 0) return io::ErrnoStatus("open", path_, errno);
  TRIREME_ASSIGN_OR_RETURN(const std::string bytes, ReadAll(fd_, path_));
  TRIREME_RETURN_IF_ERROR(ParseJournal(bytes, path_, &to->batches, &end_));
  to->torn_bytes = bytes.size() - end_;
  compacted_bytes_ = end_;
  if (to->torn_bytes > 0 && ::ftruncate(fd_, static_cast<off_t>(end_)) != 0) {
    return io::ErrnoStatus("truncate", path_, errno);
  }
  if (::fsync(fd_) != 0) return io::ErrnoStatus("fsync", path_, errno);
  return io::SyncDirectory(directory_);
}

absl::StatusOr<JournalToken> FileJournal::Append(std::string payload, Urgency /*urgency*/) {
  if (!poisoned_.ok()) return poisoned_;
  poisoned_ = AppendFrame(payload);
  if (!poisoned_.ok()) return poisoned_;
  return ++appended_;
}

absl::Status FileJournal::AppendFrame(std::string_view payload) {
  if (payload.size() > kJournalFrameBytesMax) {
    return absl::ResourceExhaustedError(fmt::format("{}: a batch of {} bytes is over the limit {}",
                                                    path_, payload.size(), kJournalFrameBytesMax));
  }
  const std::string frame = MakeJournalFrame(payload, end_);
  TRIREME_RETURN_IF_ERROR(WriteAll(fd_, frame, path_));
  if (::fdatasync(fd_) != 0) return io::ErrnoStatus("fdatasync", path_, errno);
  end_ += frame.size();
  return absl::OkStatus();
}

bool FileJournal::WantsCompaction() const {
  return end_ > kCompactBytesMin && end_ / kCompactGrowth > compacted_bytes_;
}

absl::Status FileJournal::Compact(std::vector<std::string> payloads) {
  if (!poisoned_.ok()) return poisoned_;
  return poisoned_ = WriteCompacted(payloads);
}

absl::Status FileJournal::WriteCompacted(const std::vector<std::string>& payloads) {
  const std::string temporary = path_ + ".tmp";
  const int fd = ::open(temporary.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) return io::ErrnoStatus("open", temporary, errno);
  ::close(std::exchange(fd_, fd));
  std::uint64_t end = 0;
  for (const std::string& payload : payloads) {
    const std::string frame = MakeJournalFrame(payload, end);
    TRIREME_RETURN_IF_ERROR(WriteAll(fd, frame, temporary));
    end += frame.size();
  }
  if (::fsync(fd) != 0) return io::ErrnoStatus("fsync", temporary, errno);
  if (::rename(temporary.c_str(), path_.c_str()) != 0) {
    return io::ErrnoStatus("rename", temporary, errno);
  }
  end_ = compacted_bytes_ = end;
  return io::SyncDirectory(directory_);
}

}  // namespace trireme::mapreduce::cluster
