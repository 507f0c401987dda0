#include "mapreduce/engine/block_reader.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"

namespace trireme::mapreduce {
namespace {

using Kind = InputFormat::Kind;
constexpr std::uint64_t kNoEnd = std::numeric_limits<std::uint64_t>::max();
/// What is read beyond a range for the end of its last record, at first.
constexpr std::size_t kOverreadBytes = 4096;
/// Where a RecordFormat starts looking, before a range, for the first record in it: no separator of
/// records that is shorter than this can be missed.
constexpr std::size_t kSynchronizeBytes = 1024;
/// Records of one block that a RecordFormat cut.
constexpr std::size_t kParsedRecordsMax = 4096;

std::size_t FindNewline(const char* from, const char* end) {
  const void* at = std::memchr(from, '\n', static_cast<std::size_t>(end - from));
  return at == nullptr ? std::string_view::npos
                       : static_cast<std::size_t>(static_cast<const char*>(at) - from);
}

}  // namespace

BlockReader::BlockReader(io::FileSystem* files, Split split, BlockReaderOptions options)
    : files_(files), split_(std::move(split)), options_(options) {
  if (options_.format.kind != Kind::kLines) options_.record_format = nullptr;
  options_.buffer_bytes = std::max(options_.buffer_bytes, 2 * kSynchronizeBytes);
}

absl::StatusOr<bool> BlockReader::Next(Block* block) {
  records_.clear();
  for (;;) {
    if (source_ == nullptr) {
      if (next_range_ == split_.ranges.size()) return false;
      TRIREME_RETURN_IF_ERROR(OpenRange());
    }
    TRIREME_ASSIGN_OR_RETURN(const bool found, NextInRange(block));
    if (found) return true;
    source_.reset();
    bytes_of_ranges_done_ += range().length;
    ++next_range_;
  }
}

std::uint64_t BlockReader::input_bytes_read() const {
  if (source_ == nullptr) return bytes_of_ranges_done_;
  return bytes_of_ranges_done_ + std::min(source_->file_bytes_read(), range().length);
}

absl::Status BlockReader::OpenRange() {
  const bool whole =
      options_.format.kind == Kind::kFiles || CompressionOf(range().path) != Compression::kNone;
  offset_ = range().offset;
  if (options_.record_format != nullptr) {
    offset_ -= std::min<std::uint64_t>(offset_, kSynchronizeBytes);
  } else if (options_.format.kind == Kind::kLines && offset_ > 0) {
    offset_ -= 1;  // the byte that tells whether a line begins at the range's first
  }
  range_end_ = whole ? kNoEnd : range().offset + range().length;
  const std::uint64_t expected = whole ? 0 : range_end_ - offset_ + kOverreadBytes;
  TRIREME_ASSIGN_OR_RETURN(source_, OpenByteSource(*files_, range().path, offset_, expected));
  at_end_ = whole_file_given_ = more_in_buffer_ = false;
  begin_ = end_ = 0;
  if (range().offset == 0) return absl::OkStatus();
  if (options_.record_format != nullptr) return SkipToFirstRecord();
  return options_.format.kind == Kind::kLines ? SkipToFirstLine() : absl::OkStatus();
}

absl::Status BlockReader::SkipToFirstLine() {
  while (offset_ < range_end_) {
    TRIREME_RETURN_IF_ERROR(Fill());
    const std::size_t newline = FindNewline(buffer_.get() + begin_, buffer_.get() + end_);
    const bool found = newline != std::string_view::npos;
    Pass(found ? newline + 1 : end_ - begin_);
    if (found || at_end_) break;
  }
  return absl::OkStatus();
}

absl::Status BlockReader::SkipToFirstRecord() {
  if (offset_ > 0) TRIREME_RETURN_IF_ERROR(Synchronize());
  while (offset_ < range().offset) {
    TRIREME_ASSIGN_OR_RETURN(const std::size_t size, ParseRecord());
    if (size == 0) break;
    Pass(size);
  }
  return absl::OkStatus();
}

absl::Status BlockReader::Synchronize() {
  while (offset_ < range_end_) {
    TRIREME_RETURN_IF_ERROR(Fill());
    const std::string_view data = unread();
    const std::size_t skip = options_.record_format->Synchronize(data);
    if (skip > data.size()) return BadFormat("Synchronize", skip, data.size());
    if (skip < data.size() || at_end_) {
      Pass(skip);
      return absl::OkStatus();
    }
    // A separator may lie across the end of these bytes: the last of them are shown again.
    Pass(data.size() - std::min(data.size(), kSynchronizeBytes));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> BlockReader::NextInRange(Block* block) {
  while (offset_ < range_end_ && !whole_file_given_) {
    if (!more_in_buffer_) TRIREME_RETURN_IF_ERROR(Fill());
    TRIREME_ASSIGN_OR_RETURN(const std::size_t size, WholeRecords());
    if (size != 0 || whole_file_given_) {
      *block = {std::string_view(buffer_.get() + begin_, size), range().path, offset_};
      Pass(size);
      return true;
    }
    if (at_end_) return false;
  }
  return false;
}

/// How many bytes at the front are whole records that begin in the range; 0 when more are needed to
/// tell or, at the end, when there are none.
absl::StatusOr<std::size_t> BlockReader::WholeRecords() {
  if (options_.record_format != nullptr) return ParseRecords();
  switch (options_.format.kind) {
    case Kind::kFixed:
      return FixedRecords();
    case Kind::kFiles:
      whole_file_given_ = at_end_;
      return at_end_ ? end_ - begin_ : 0;
    case Kind::kLines:
      break;
  }
  return Lines();
}

std::size_t BlockReader::Lines() const {
  const char* begin = buffer_.get() + begin_;
  const char* end = buffer_.get() + end_;
  const std::uint64_t left = range_end_ - offset_;  // > 0
  if (unread().size() >= left) {
    const char* last =
        begin + (left - 1);  // the line that this byte is part of is the last of ours
    const std::size_t newline = FindNewline(last, end);
    if (newline != std::string_view::npos) return left + newline;
  }
  if (at_end_) return unread().size();
  const void* newline = begin == end ? nullptr : ::memrchr(begin, '\n', unread().size());
  if (newline == nullptr) return 0;
  return static_cast<std::size_t>(static_cast<const char*>(newline) - begin) + 1;
}

absl::StatusOr<std::size_t> BlockReader::FixedRecords() const {
  const std::uint64_t have = std::min<std::uint64_t>(unread().size(), range_end_ - offset_);
  const std::uint64_t rest = have % options_.format.record_bytes;
  if (at_end_ && rest != 0) {
    return absl::DataLossError(
        fmt::format("{}: {} bytes after the record at offset {} are no whole record of {} bytes",
                    range().path, rest, offset_ + have - rest, options_.format.record_bytes));
  }
  return static_cast<std::size_t>(have - rest);
}

absl::StatusOr<std::size_t> BlockReader::ParseRecords() {
  std::size_t at = 0;
  more_in_buffer_ = false;
  while (at < unread().size() && offset_ + at < range_end_) {
    if (records_.size() == kParsedRecordsMax) {
      more_in_buffer_ = true;
      break;
    }
    Record record;
    const std::string_view data = unread().substr(at);
    const std::size_t size = options_.record_format->Next(data, at_end_, &record);
    if (size > data.size() || (size == 0 && at_end_)) return BadFormat("Next", size, data.size());
    if (size == 0) break;
    record.file = range().path;
    record.offset = offset_ + at;
    records_.push_back(record);
    at += size;
  }
  return at;
}

/// The size of the record at the front, read to its end; 0 at the end of the file.
absl::StatusOr<std::size_t> BlockReader::ParseRecord() {
  for (;;) {
    TRIREME_RETURN_IF_ERROR(Fill());
    if (unread().empty()) return std::size_t{0};
    Record record;
    const std::size_t size = options_.record_format->Next(unread(), at_end_, &record);
    if (size > unread().size() || (size == 0 && at_end_))
      return BadFormat("Next", size, unread().size());
    if (size != 0) return size;
  }
}

/// Reads on. A first call for bytes already there that turned out too few reads as many again.
absl::Status BlockReader::Fill() {
  if (at_end_) return absl::OkStatus();
  MoveToFront();
  TRIREME_RETURN_IF_ERROR(Reserve());
  std::size_t wanted = std::min(capacity_, std::max(options_.buffer_bytes, 2 * end_)) - end_;
  if (range_end_ != kNoEnd) {
    const std::uint64_t position = offset_ + end_;
    const std::uint64_t ours = range_end_ > position ? range_end_ - position : 0;
    const bool fixed = options_.format.kind == Kind::kFixed;
    const std::uint64_t over = fixed ? 0 : std::max(kOverreadBytes, end_);
    wanted = static_cast<std::size_t>(std::min<std::uint64_t>(wanted, ours + over));
  }
  while (wanted != 0) {
    TRIREME_ASSIGN_OR_RETURN(const std::size_t n, source_->Read(buffer_.get() + end_, wanted));
    end_ += n;
    wanted -= n;
    if (n != 0) continue;
    at_end_ = true;
    return CheckEnd();
  }
  return absl::OkStatus();
}

/// A file that is shorter than planned has been changed: the job's result would depend on when.
absl::Status BlockReader::CheckEnd() const {
  if (CompressionOf(range().path) != Compression::kNone) return absl::OkStatus();
  const std::uint64_t planned = range().offset + range().length;
  if (offset_ + end_ >= planned) return absl::OkStatus();
  return absl::DataLossError(
      fmt::format("{}: ends at byte {} but had at least {} when the job began: run the job again",
                  range().path, offset_ + end_, planned));
}

/// Makes room for more bytes, within the limit of what a record may take.
absl::Status BlockReader::Reserve() {
  if (end_ < capacity_) return absl::OkStatus();
  const bool whole = options_.format.kind == Kind::kFiles;
  const std::size_t limit = whole ? options_.whole_file_bytes_max : options_.record_bytes_max;
  if (capacity_ != 0 && end_ >= limit) {
    return absl::ResourceExhaustedError(fmt::format(
        "{}: the record at offset {} is longer than the limit of {} bytes{}: check --format",
        range().path, offset_, limit, whole ? " for whole files" : ""));
  }
  const std::size_t record_bytes =
      options_.format.kind == Kind::kFixed ? options_.format.record_bytes : 0;
  const std::size_t capacity = std::max({options_.buffer_bytes, record_bytes, 2 * capacity_});
  std::unique_ptr<char[]> larger(new char[capacity + kBlockPadding]);
  if (end_ != 0) std::memcpy(larger.get(), buffer_.get(), end_);
  std::memset(larger.get() + capacity, 0, kBlockPadding);
  buffer_ = std::move(larger);
  capacity_ = capacity;
  return absl::OkStatus();
}

void BlockReader::MoveToFront() {
  if (begin_ == 0) return;
  std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
}

void BlockReader::Pass(std::size_t size) {
  begin_ += size;
  offset_ += size;
}

absl::Status BlockReader::BadFormat(const char* call, std::size_t size, std::size_t max) const {
  return absl::InvalidArgumentError(fmt::format(
      "{}: the job's RecordFormat::{} returned {} for {} bytes at offset {} of the file{}",
      range().path, call, size, max, offset_, at_end_ ? ", its end" : ""));
}

RecordIterator::RecordIterator(const Block& block, const BlockReader& reader)
    : format_(reader.options().format),
      parsed_(reader.options().record_format != nullptr ? &reader.records() : nullptr),
      block_(block) {}

bool RecordIterator::Next(Record* record) {
  if (parsed_ != nullptr) {
    if (at_ == parsed_->size()) return false;
    *record = (*parsed_)[at_++];
    return true;
  }
  if (format_.kind == Kind::kFiles) {
    *record = {block_.file, block_.data, block_.file, block_.offset};
    return !std::exchange(file_given_, true);
  }
  if (at_ == block_.data.size()) return false;
  const char* from = block_.data.data() + at_;
  std::size_t size = format_.record_bytes;
  std::size_t separator = 0;
  if (format_.kind == Kind::kLines) {
    size = FindNewline(from, block_.data.data() + block_.data.size());
    separator = size != std::string_view::npos;
    if (separator == 0) size = block_.data.size() - at_;
  }
  *record = {{}, std::string_view(from, size), block_.file, block_.offset + at_};
  at_ += size + separator;
  return true;
}

}  // namespace trireme::mapreduce
