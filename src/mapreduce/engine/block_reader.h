#pragma once

#include <trireme/mapreduce.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/file_system.h"
#include "mapreduce/engine/byte_source.h"
#include "mapreduce/engine/input.h"

namespace trireme::mapreduce {

/// Bytes read at a time: what the level-2 cache keeps between the read and the map.
inline constexpr std::size_t kReadBufferBytes = 512u << 10;
/// The longest line or record of a format of the user's; longer ones fail the task.
inline constexpr std::size_t kRecordBytesMax = 64u << 20;
/// The longest file that can be one record (after decompression).
inline constexpr std::size_t kWholeFileBytesMax = 1u << 30;

struct BlockReaderOptions {
  InputFormat format;
  /// The job's own format, or null; replaces kLines. Outlives the reader.
  const RecordFormat* record_format = nullptr;
  std::size_t buffer_bytes = kReadBufferBytes;
  std::size_t record_bytes_max = kRecordBytesMax;
  std::size_t whole_file_bytes_max = kWholeFileBytesMax;
};

/// Reads a split as blocks of whole records, in order, through one reused buffer.
///
/// Lines: those whose first byte lies in the range (a line begins at offset 0 and after each '\n');
/// a last line without '\n' is a line, a '\r' before '\n' is part of the line. A block's data ends
/// with the '\n' of its last line, if that has one. Whole files: one block is one file.
/// `.gz` and `.zst` files are decompressed as they are read; offsets count decompressed bytes.
///
/// Errors name the file: unreadable, shorter than when the job was planned (DATA_LOSS), corrupt
/// compressed data (DATA_LOSS), a record over its limit (RESOURCE_EXHAUSTED).
class BlockReader {
 public:
  /// `files` outlives the reader; `split` is copied.
  BlockReader(io::FileSystem* files, Split split, BlockReaderOptions options);

  /// The next block, never empty except for an empty whole file; false after the last. The block's
  /// views are valid until the next call.
  [[nodiscard]] absl::StatusOr<bool> Next(Block* block);

  /// Bytes of the input passed so far (compressed bytes for compressed files), at most the split's
  /// size: for progress.
  std::uint64_t input_bytes_read() const;

  /// Which of the split's ranges the block of the last Next is of.
  std::size_t range_index() const { return next_range_; }

  /// The records of the block of the last Next, when it was cut by a RecordFormat of the job's.
  const std::vector<Record>& records() const { return records_; }

  const BlockReaderOptions& options() const { return options_; }

 private:
  const InputRange& range() const { return split_.ranges[next_range_]; }
  std::string_view unread() const { return {buffer_.get() + begin_, end_ - begin_}; }
  absl::Status OpenRange();
  absl::Status SkipToFirstLine();
  absl::Status SkipToFirstRecord();
  absl::Status Synchronize();
  absl::StatusOr<bool> NextInRange(Block* block);
  absl::StatusOr<std::size_t> WholeRecords();
  std::size_t Lines() const;
  absl::StatusOr<std::size_t> FixedRecords() const;
  absl::StatusOr<std::size_t> ParseRecords();
  absl::StatusOr<std::size_t> ParseRecord();
  absl::Status Fill();
  absl::Status CheckEnd() const;
  absl::Status Reserve();
  void MoveToFront();
  void Pass(std::size_t size);
  absl::Status BadFormat(const char* call, std::size_t size, std::size_t max) const;

  io::FileSystem* files_;
  Split split_;
  BlockReaderOptions options_;
  std::size_t next_range_ = 0;  // the open range while source_ is set
  std::uint64_t bytes_of_ranges_done_ = 0;

  std::unique_ptr<ByteSource> source_;  // null between ranges
  std::uint64_t range_end_ = 0;         // records that begin here or later are not ours
  bool at_end_ = false;                 // the source has no more bytes
  bool whole_file_given_ = false;
  bool more_in_buffer_ = false;      // whole records are left over from the last block
  std::uint64_t offset_ = 0;         // in the file, of buffer_[begin_]
  std::size_t begin_ = 0, end_ = 0;  // buffer_[begin_, end_) is not yet given out

  std::size_t capacity_ = 0;  // of buffer_, without the padding
  std::unique_ptr<char[]> buffer_;
  std::vector<Record> records_;
};

/// The records of one block, one after the other, as Mapper::Map gets them.
class RecordIterator {
 public:
  /// `block` is the last that `reader` gave.
  RecordIterator(const Block& block, const BlockReader& reader);

  /// False after the last record.
  bool Next(Record* record);

 private:
  const InputFormat format_;
  const std::vector<Record>* parsed_;  // null: by format_
  Block block_;
  std::size_t at_ = 0;  // bytes of the block passed, or records of *parsed_
  bool file_given_ = false;
};

}  // namespace trireme::mapreduce
