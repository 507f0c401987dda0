#include "mapreduce/engine/run_file.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "fmt/format.h"

namespace trireme::mapreduce {
namespace {

constexpr std::string_view kMagic = "TRIRUN01";
constexpr std::size_t kRowBytes = 32;
constexpr std::size_t kFooterBytes = 32;
constexpr std::size_t kWriteBytes = 1 << 20;
constexpr std::size_t kReadBytes = 128 << 10;
/// Read of a file that is elsewhere, in the hope that all rows are in it.
constexpr std::size_t kTailBytes = 64 << 10;

std::uint64_t Checksum(std::string_view bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

/// Of a block: its two counts seed the hash of its payload.
std::uint64_t BlockSeed(std::uint32_t payload_bytes, std::uint32_t records) {
  return static_cast<std::uint64_t>(records) << 32 | payload_bytes;
}

std::uint64_t BlockChecksum(std::uint32_t payload_bytes, std::uint32_t records,
                            const char* payload) {
  return XXH3_64bits_withSeed(payload, payload_bytes, BlockSeed(payload_bytes, records));
}

/// What stands before a block's payload.
struct BlockHeader {
  explicit BlockHeader(const char* at)
      : payload_bytes(LoadLittle<std::uint32_t>(at)),
        records(LoadLittle<std::uint32_t>(at + 4)),
        checksum(LoadLittle<std::uint64_t>(at + 8)) {}

  std::uint32_t payload_bytes, records;
  std::uint64_t checksum;
};

absl::Status Damaged(const std::string& path, std::uint64_t offset, std::string_view what) {
  return absl::DataLossError(
      fmt::format("intermediate file {} is damaged at offset {}: {}", path, offset, what));
}

struct Footer {
  std::uint64_t rows_offset = 0;
  std::uint32_t runs = 0;
  std::uint32_t partitions = 0;
};

/// `bytes` are the last kFooterBytes of a file of `size_bytes`.
absl::StatusOr<Footer> DecodeFooter(const std::string& path, std::string_view bytes,
                                    std::uint64_t size_bytes) {
  const std::uint64_t at = size_bytes - kFooterBytes;
  Footer footer;
  ByteReader reader(bytes);
  std::uint64_t checksum = 0;
  const bool whole = reader.Little(&footer.rows_offset) && reader.Little(&footer.runs) &&
                     reader.Little(&footer.partitions) && reader.Little(&checksum);
  if (!whole || reader.rest() != kMagic || checksum != Checksum(bytes.substr(0, 16)))
    return Damaged(path, at, "no valid footer");
  const std::uint64_t rows = static_cast<std::uint64_t>(footer.runs) * footer.partitions;
  if (footer.rows_offset < kMagic.size() || footer.rows_offset > at ||
      (at - footer.rows_offset) % kRowBytes != 0 || (at - footer.rows_offset) / kRowBytes != rows)
    return Damaged(path, at, "footer does not fit the file");
  return footer;
}

/// `row` are kRowBytes bytes that lie at `at`, or fewer.
absl::StatusOr<Segment> DecodeRow(const std::string& path, std::string_view row, std::uint64_t at,
                                  std::uint64_t rows_offset) {
  if (row.size() != kRowBytes ||
      LoadLittle<std::uint64_t>(row.data() + 24) != Checksum(row.substr(0, 24)))
    return Damaged(path, at, "wrong checksum of a row");
  const Segment segment{LoadLittle<std::uint64_t>(row.data()),
                        LoadLittle<std::uint64_t>(row.data() + 8),
                        LoadLittle<std::uint64_t>(row.data() + 16)};
  if (segment.offset > rows_offset || segment.bytes > rows_offset - segment.offset)
    return Damaged(path, at, "row points outside the file");
  return segment;
}

}  // namespace

RunWriter::RunWriter(io::File file, std::uint32_t partitions)
    : file_(std::move(file)), partitions_(partitions), file_offset_(kMagic.size()) {
  capacity_ = kWriteBytes + 2 * kBlockBytes;
  buffer_ = std::make_unique_for_overwrite<char[]>(capacity_);
  std::memcpy(buffer_.get(), kMagic.data(), kMagic.size());
  used_ = kMagic.size();
}

absl::StatusOr<std::unique_ptr<RunWriter>> RunWriter::Create(const std::string& path,
                                                             std::uint32_t partitions) {
  TRIREME_ASSIGN_OR_RETURN(io::File file, io::File::Create(path));
  return std::unique_ptr<RunWriter>(new RunWriter(std::move(file), partitions));
}

void RunWriter::BeginRun() {
  ++runs_;
  partition_ = 0;
  rows_.resize(static_cast<std::size_t>(runs_) * partitions_);
  StartBlock();
}

void RunWriter::NextPartition(std::uint32_t partition) {
  TRIREME_CHECK(partition < partitions_ && partition > partition_);
  EndBlock();
  partition_ = partition;
  StartBlock();
}

void RunWriter::StartBlock() {
  Reserve(kBlockHeaderBytes);
  block_start_ = used_;
  block_records_ = 0;
  used_ += kBlockHeaderBytes;
}

void RunWriter::EndBlock() {
  if (block_records_ == 0) {
    used_ = block_start_;
    return;
  }
  char* header = buffer_.get() + block_start_;
  const auto payload_bytes = static_cast<std::uint32_t>(used_ - block_start_ - kBlockHeaderBytes);
  StoreLittle<std::uint32_t>(header, payload_bytes);
  StoreLittle<std::uint32_t>(header + 4, block_records_);
  StoreLittle<std::uint64_t>(
      header + 8, BlockChecksum(payload_bytes, block_records_, header + kBlockHeaderBytes));
  Segment& row = Row();
  if (row.bytes == 0) row.offset = file_offset_;
  row.bytes += payload_bytes + kBlockHeaderBytes;
  row.records += block_records_;
  records_ += block_records_;
  file_offset_ += payload_bytes + kBlockHeaderBytes;
  if (used_ >= kWriteBytes) Flush();
}

void RunWriter::Flush() {
  if (status_.ok()) status_ = file_.Append({buffer_.get(), used_});
  used_ = 0;
}

void RunWriter::MakeRoom(std::size_t size) {
  capacity_ = std::max(2 * capacity_, used_ + size + kCopySlack);
  auto larger = std::make_unique_for_overwrite<char[]>(capacity_);
  std::memcpy(larger.get(), buffer_.get(), used_);
  buffer_ = std::move(larger);
}

absl::Status RunWriter::EndRun() {
  EndBlock();
  return status_;
}

absl::Status RunWriter::Finish() {
  Flush();
  std::string tail;
  for (const Segment& row : rows_) {
    const std::size_t start = tail.size();
    AppendLittle(tail, row.offset);
    AppendLittle(tail, row.bytes);
    AppendLittle(tail, row.records);
    AppendLittle(tail, Checksum(std::string_view(tail).substr(start)));
  }
  const std::size_t start = tail.size();
  AppendLittle(tail, file_offset_);
  AppendLittle(tail, runs_);
  AppendLittle(tail, partitions_);
  AppendLittle(tail, Checksum(std::string_view(tail).substr(start)));
  tail += kMagic;
  file_offset_ += tail.size();
  if (status_.ok()) status_ = file_.Append(tail);
  if (!status_.ok()) return status_;
  return file_.Close();
}

absl::StatusOr<std::shared_ptr<const RunFile>> RunFile::Open(const std::string& path) {
  TRIREME_ASSIGN_OR_RETURN(io::File opened, io::File::OpenForRead(path));
  std::shared_ptr<RunFile> run(new RunFile(std::move(opened)));
  const io::File& file = run->file_;
  TRIREME_ASSIGN_OR_RETURN(const std::uint64_t size, file.Size());
  if (size < kMagic.size() + kFooterBytes) return Damaged(path, size, "too short");
  char magic[kMagic.size()];
  TRIREME_ASSIGN_OR_RETURN(const std::size_t front, file.ReadAt(0, magic, sizeof magic));
  if (std::string_view(magic, front) != kMagic) return Damaged(path, 0, "does not begin as one");
  const std::uint64_t at = size - kFooterBytes;
  char bytes[kFooterBytes];
  TRIREME_ASSIGN_OR_RETURN(const std::size_t read, file.ReadAt(at, bytes, kFooterBytes));
  if (read != kFooterBytes) return Damaged(path, at, "cut off");
  TRIREME_ASSIGN_OR_RETURN(const Footer footer, DecodeFooter(path, {bytes, kFooterBytes}, size));
  run->rows_offset_ = footer.rows_offset;
  run->runs_ = footer.runs;
  run->partitions_ = footer.partitions;
  return run;
}

absl::StatusOr<Segment> RunFile::Find(std::uint32_t run, std::uint32_t partition) const {
  TRIREME_CHECK(run < runs_);
  if (partition >= partitions_) return Damaged(file_.path(), rows_offset_, "has fewer partitions");
  const std::uint64_t at =
      rows_offset_ + (static_cast<std::uint64_t>(run) * partitions_ + partition) * kRowBytes;
  char row[kRowBytes];
  TRIREME_ASSIGN_OR_RETURN(const std::size_t read, file_.ReadAt(at, row, kRowBytes));
  return DecodeRow(file_.path(), {row, read}, at, rows_offset_);
}

absl::StatusOr<std::vector<Segment>> FindSegments(const io::ReadableFile& file,
                                                  const std::string& name, std::uint64_t size_bytes,
                                                  std::uint32_t partition) {
  if (size_bytes < kMagic.size() + kFooterBytes) return Damaged(name, size_bytes, "too short");
  std::string tail(std::min<std::uint64_t>(size_bytes, kTailBytes), '\0');
  const std::uint64_t tail_offset = size_bytes - tail.size();
  TRIREME_ASSIGN_OR_RETURN(const std::size_t read,
                           file.ReadAt(tail_offset, tail.data(), tail.size()));
  if (read != tail.size()) return Damaged(name, tail_offset + read, "cut off");
  const std::string_view end = std::string_view(tail).substr(tail.size() - kFooterBytes);
  TRIREME_ASSIGN_OR_RETURN(const Footer footer, DecodeFooter(name, end, size_bytes));
  if (partition >= footer.partitions)
    return Damaged(name, footer.rows_offset, "has fewer partitions");
  std::vector<Segment> segments;
  for (std::uint64_t run = 0; run < footer.runs; ++run) {
    const std::uint64_t at = footer.rows_offset + (run * footer.partitions + partition) * kRowBytes;
    char bytes[kRowBytes];
    std::string_view row(bytes, kRowBytes);
    if (at >= tail_offset) {
      row = std::string_view(tail).substr(at - tail_offset, kRowBytes);
    } else {
      TRIREME_ASSIGN_OR_RETURN(const std::size_t got, file.ReadAt(at, bytes, kRowBytes));
      row = {bytes, got};
    }
    TRIREME_ASSIGN_OR_RETURN(segments.emplace_back(), DecodeRow(name, row, at, footer.rows_offset));
  }
  return segments;
}

namespace {

/// Reads ahead kReadBytes at a time and hands the blocks out of that buffer.
class FileBlockSource : public BlockSource {
 public:
  FileBlockSource(std::shared_ptr<const void> owner, const io::File* file, Segment segment)
      : owner_(std::move(owner)),
        file_(file),
        next_(segment.offset),
        end_(segment.offset + segment.bytes) {}

  absl::StatusOr<std::string_view> Next() override {
    if (held_end_ == held_begin_ && next_ == end_) return std::string_view();
    TRIREME_RETURN_IF_ERROR(Hold(kBlockHeaderBytes));
    const auto [payload_bytes, records, checksum] = BlockHeader(buffer_.data() + held_begin_);
    if (payload_bytes == 0 || payload_bytes > left() - kBlockHeaderBytes)
      return Damaged(file_->path(), position(), "a block leaves its segment");
    TRIREME_RETURN_IF_ERROR(Hold(kBlockHeaderBytes + payload_bytes));
    const char* payload = buffer_.data() + held_begin_ + kBlockHeaderBytes;
    if (checksum != BlockChecksum(payload_bytes, records, payload))
      return Damaged(file_->path(), position(), "wrong checksum of a block");
    held_begin_ += kBlockHeaderBytes + payload_bytes;
    return std::string_view(payload, payload_bytes);
  }

  std::uint64_t left_bytes() const override { return left(); }

 private:
  std::uint64_t left() const { return end_ - next_ + (held_end_ - held_begin_); }
  std::uint64_t position() const { return next_ - (held_end_ - held_begin_); }

  /// Makes at least `want` bytes of the segment lie in the buffer from held_begin_ on.
  absl::Status Hold(std::size_t want) {
    if (held_end_ - held_begin_ >= want) return absl::OkStatus();
    if (left() < want) return Damaged(file_->path(), position(), "a block is cut off");
    const std::size_t held = held_end_ - held_begin_;
    const std::size_t size = std::min<std::uint64_t>(std::max(want, kReadBytes), left());
    if (buffer_.size() < size + kBlockSlack) {
      std::string larger(size + kBlockSlack, '\0');
      std::memcpy(larger.data(), buffer_.data() + held_begin_, held);
      buffer_ = std::move(larger);
    } else {
      std::memmove(buffer_.data(), buffer_.data() + held_begin_, held);
    }
    held_begin_ = 0;
    held_end_ = held;
    TRIREME_ASSIGN_OR_RETURN(const std::size_t read,
                             file_->ReadAt(next_, buffer_.data() + held, size - held));
    if (read != size - held) return Damaged(file_->path(), next_ + read, "the file ends early");
    next_ += read;
    held_end_ = size;
    return absl::OkStatus();
  }

  std::shared_ptr<const void> owner_;
  const io::File* file_;
  std::uint64_t next_, end_;  // what of the segment is not yet read
  std::string buffer_;
  std::size_t held_begin_ = 0, held_end_ = 0;  // read, not yet handed out
};

}  // namespace

std::unique_ptr<BlockSource> ReadBlocks(std::shared_ptr<const io::File> file, Segment segment) {
  const io::File* raw = file.get();
  return std::make_unique<FileBlockSource>(std::move(file), raw, segment);
}

std::unique_ptr<BlockSource> ReadBlocks(std::shared_ptr<const RunFile> file, Segment segment) {
  const io::File* raw = &file->file();
  return std::make_unique<FileBlockSource>(std::move(file), raw, segment);
}

struct BlockVerifier::Hash {
  Hash() : state(XXH3_createState()) {}
  ~Hash() { XXH3_freeState(state); }
  XXH3_state_t* const state;
};

BlockVerifier::BlockVerifier(std::string name, std::vector<Segment> segments)
    : name_(std::move(name)), segments_(std::move(segments)), hash_(std::make_unique<Hash>()) {
  NextSegment();
}

BlockVerifier::~BlockVerifier() = default;

/// Goes on to the next that is not empty, if there is one.
void BlockVerifier::NextSegment() {
  while (segment_left_ == 0 && next_segment_ < segments_.size())
    segment_left_ = segments_[next_segment_++].bytes;
}

absl::Status BlockVerifier::Feed(std::string_view bytes) {
  while (!bytes.empty()) {
    TRIREME_RETURN_IF_ERROR(payload_left_ == 0 ? TakeHeader(bytes) : TakePayload(bytes));
  }
  return absl::OkStatus();
}

absl::Status BlockVerifier::TakeHeader(std::string_view& bytes) {
  const std::size_t taken = std::min(bytes.size(), kBlockHeaderBytes - header_bytes_);
  if (segment_left_ < kBlockHeaderBytes)
    return Damaged(name_, position_, segment_left_ == 0 ? "too long" : "a block is cut off");
  std::memcpy(header_ + header_bytes_, bytes.data(), taken);
  bytes.remove_prefix(taken);
  position_ += taken;
  header_bytes_ += taken;
  if (header_bytes_ < kBlockHeaderBytes) return absl::OkStatus();
  const BlockHeader header(header_);
  header_bytes_ = 0;
  if (header.payload_bytes == 0 || header.payload_bytes > segment_left_ - kBlockHeaderBytes)
    return Damaged(name_, position_, "a block leaves its segment");
  segment_left_ -= kBlockHeaderBytes + header.payload_bytes;
  payload_left_ = header.payload_bytes;
  XXH3_64bits_reset_withSeed(hash_->state, BlockSeed(header.payload_bytes, header.records));
  return absl::OkStatus();
}

absl::Status BlockVerifier::TakePayload(std::string_view& bytes) {
  const std::size_t taken = std::min<std::uint64_t>(bytes.size(), payload_left_);
  XXH3_64bits_update(hash_->state, bytes.data(), taken);
  bytes.remove_prefix(taken);
  position_ += taken;
  payload_left_ -= taken;
  if (payload_left_ != 0) return absl::OkStatus();
  if (XXH3_64bits_digest(hash_->state) != BlockHeader(header_).checksum)
    return Damaged(name_, position_, "wrong checksum of a block");
  NextSegment();
  return absl::OkStatus();
}

absl::Status BlockVerifier::Finish() const {
  if (payload_left_ == 0 && header_bytes_ == 0 && segment_left_ == 0) return absl::OkStatus();
  return Damaged(name_, position_, "too short");
}

absl::Status OpenPartition(const std::string& path, std::uint32_t partition,
                           std::vector<std::unique_ptr<BlockSource>>* to) {
  TRIREME_ASSIGN_OR_RETURN(std::shared_ptr<const RunFile> file, RunFile::Open(path));
  for (std::uint32_t run = 0; run < file->runs(); ++run) {
    TRIREME_ASSIGN_OR_RETURN(const Segment segment, file->Find(run, partition));
    if (segment.bytes != 0) to->push_back(ReadBlocks(file, segment));
  }
  return absl::OkStatus();
}

}  // namespace trireme::mapreduce
