#include "raft/log/snapshot_file.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "base/status_macros.h"
#include "fmt/format.h"

namespace trireme::raft {
namespace {

constexpr std::string_view kMagic = "TRIRSNP1";
constexpr std::size_t kHeaderBytes = 56;
constexpr std::uint64_t kPieceAndChecksumBytes = kSnapshotPieceBytes + 4;

std::string Header(const LogIdentity& identity, GroupId group, LogPosition last) {
  std::string bytes(kMagic);
  AppendLittle<std::uint64_t>(bytes, identity.cluster_id);
  AppendLittle<std::uint64_t>(bytes, identity.node.value);
  AppendLittle<std::uint64_t>(bytes, group.value);
  AppendLittle<std::uint64_t>(bytes, last.index.value);
  AppendLittle<std::uint64_t>(bytes, last.term.value);
  AppendLittle<std::uint32_t>(bytes, 0);
  const std::uint32_t checksum = Crc32c(bytes);
  AppendLittle<std::uint32_t>(bytes, checksum);
  return bytes;
}

std::uint32_t SeedOf(const std::string& header) {
  return LoadLittle<std::uint32_t>(header.data() + kHeaderBytes - 4);
}

std::uint32_t PieceChecksum(std::uint32_t seed, std::uint64_t piece, std::string_view bytes) {
  std::string number;
  AppendLittle<std::uint64_t>(number, piece);
  return Crc32c(bytes, Crc32c(number, seed));
}

class Writer final : public SnapshotWriter {
 public:
  Writer(io::Disk& disk, std::string directory, std::string name, std::string header)
      : disk_(disk),
        directory_(std::move(directory)),
        name_(std::move(name)),
        temporary_(PathIn(directory_, fmt::format("{}{}", kTemporaryPrefix, name_))),
        header_(std::move(header)) {}

  ~Writer() override {
    if (file_ != nullptr) disk_.Remove(temporary_).IgnoreError();
  }

  absl::Status Begin() {
    TRIREME_ASSIGN_OR_RETURN(file_, CreateAnew(disk_, temporary_));
    return Write(header_);
  }

  absl::Status Reserve(std::uint64_t size_bytes) override {
    return file_->Allocate(SnapshotFileBytes(size_bytes));
  }

  absl::Status Append(std::string_view bytes) override {
    TRIREME_CHECK(file_ != nullptr);
    size_bytes_ += bytes.size();
    while (!bytes.empty()) {
      const std::size_t n = std::min(bytes.size(), kSnapshotPieceBytes - piece_.size());
      piece_.append(bytes.substr(0, n));
      bytes.remove_prefix(n);
      if (piece_.size() == kSnapshotPieceBytes) TRIREME_RETURN_IF_ERROR(WritePiece());
    }
    return absl::OkStatus();
  }

  std::uint64_t size_bytes() const override { return size_bytes_; }

  absl::Status Finish() override {
    TRIREME_CHECK(file_ != nullptr);
    if (!piece_.empty()) TRIREME_RETURN_IF_ERROR(WritePiece());
    TRIREME_RETURN_IF_ERROR(file_->Sync());
    TRIREME_RETURN_IF_ERROR(disk_.Rename(temporary_, PathIn(directory_, name_)));
    file_.reset();
    return disk_.SyncDirectory(directory_);
  }

 private:
  absl::Status WritePiece() {
    AppendLittle<std::uint32_t>(piece_, PieceChecksum(SeedOf(header_), pieces_++, piece_));
    const absl::Status status = Write(piece_);
    piece_.clear();
    return status;
  }

  absl::Status Write(std::string_view bytes) {
    TRIREME_RETURN_IF_ERROR(file_->WriteAt(offset_, std::span(&bytes, 1)));
    offset_ += bytes.size();
    return absl::OkStatus();
  }

  io::Disk& disk_;
  const std::string directory_;
  const std::string name_;
  const std::string temporary_;
  const std::string header_;
  std::unique_ptr<io::DiskFile> file_;
  std::string piece_;
  std::uint64_t pieces_ = 0;
  std::uint64_t offset_ = 0;
  std::uint64_t size_bytes_ = 0;
};

}  // namespace

std::uint64_t SnapshotFileBytes(std::uint64_t size_bytes) {
  const std::uint64_t pieces = (size_bytes + kSnapshotPieceBytes - 1) / kSnapshotPieceBytes;
  return kHeaderBytes + size_bytes + 4 * pieces;
}

absl::StatusOr<std::shared_ptr<const SnapshotFile>> SnapshotFile::Open(io::Disk& disk,
                                                                       const std::string& path,
                                                                       const LogIdentity& identity,
                                                                       GroupId group,
                                                                       LogPosition last) {
  auto opened = std::make_shared<SnapshotFile>();
  opened->path_ = path;
  TRIREME_ASSIGN_OR_RETURN(opened->file_, disk.Open(path, io::OpenMode::kRead));
  const std::string expected = Header(identity, group, last);
  std::string header(kHeaderBytes, '\0');
  const auto read = opened->file_->ReadAt(0, header.data(), header.size());
  if (!read.ok() || header != expected)
    return Damaged(path, 0, "the header is not that of this group's snapshot");
  opened->seed_ = SeedOf(expected);
  TRIREME_ASSIGN_OR_RETURN(const std::uint64_t size, opened->file_->Size());
  const std::uint64_t body = size - kHeaderBytes;
  const std::uint64_t pieces = (body + kPieceAndChecksumBytes - 1) / kPieceAndChecksumBytes;
  if (body < 4 * pieces || SnapshotFileBytes(body - 4 * pieces) != size)
    return Damaged(path, size, "no snapshot has a file of this size");
  opened->size_bytes_ = body - 4 * pieces;
  return opened;
}

absl::Status SnapshotFile::ReadPiece(std::uint64_t piece, std::string* to) const {
  const std::uint64_t offset = kHeaderBytes + piece * kPieceAndChecksumBytes;
  const std::uint64_t size =
      std::min(kSnapshotPieceBytes, size_bytes_ - piece * kSnapshotPieceBytes);
  to->resize(size + 4);
  const auto read = file_->ReadAt(offset, to->data(), to->size());
  if (!read.ok()) return Damaged(path_, offset, read.status().ToString());
  const std::string_view bytes = std::string_view(*to).substr(0, size);
  if (*read != size + 4 ||
      LoadLittle<std::uint32_t>(to->data() + size) != PieceChecksum(seed_, piece, bytes))
    return Damaged(path_, offset, "wrong checksum");
  to->resize(size);
  return absl::OkStatus();
}

absl::StatusOr<std::string> SnapshotFile::Read(std::uint64_t offset,
                                               std::uint64_t bytes_max) const {
  std::string result;
  std::string piece;
  const std::uint64_t end = std::min(size_bytes_, offset + std::min(bytes_max, size_bytes_));
  while (offset < end) {
    TRIREME_RETURN_IF_ERROR(ReadPiece(offset / kSnapshotPieceBytes, &piece));
    const std::uint64_t skip = offset % kSnapshotPieceBytes;
    const std::uint64_t n = std::min<std::uint64_t>(piece.size() - skip, end - offset);
    result.append(piece, skip, n);
    offset += n;
  }
  return result;
}

absl::Status SnapshotFile::Verify() const {
  std::string piece;
  for (std::uint64_t i = 0; i * kSnapshotPieceBytes < size_bytes_; ++i)
    TRIREME_RETURN_IF_ERROR(ReadPiece(i, &piece));
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<SnapshotWriter>> CreateSnapshotFile(io::Disk& disk,
                                                                   const std::string& directory,
                                                                   const LogIdentity& identity,
                                                                   GroupId group,
                                                                   LogPosition last) {
  auto writer = std::make_unique<Writer>(disk, directory, SnapshotName(group, last),
                                         Header(identity, group, last));
  TRIREME_RETURN_IF_ERROR(writer->Begin());
  return writer;
}

}  // namespace trireme::raft
