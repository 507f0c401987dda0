#pragma once

#include <trireme/mapreduce.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "io/file.h"
#include "io/file_system.h"
#include "mapreduce/engine/short_copy.h"

/// The intermediate file; docs/formats/intermediate.md is its definition.
namespace trireme::mapreduce {

inline constexpr std::size_t kBlockBytes = 64 << 10;
inline constexpr std::size_t kBlockHeaderBytes = 16;
inline constexpr std::uint64_t kIntermediateRecordBytesMax = 1ull << 30;
/// Readable bytes after a decoded block, so that key prefixes load without looking at the end.
inline constexpr std::size_t kBlockSlack = 16;

/// Where one run keeps one partition.
struct Segment {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::uint64_t records = 0;
};

/// Writes one intermediate file: runs in turn, partitions of a run in ascending order.
class RunWriter {
 public:
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<RunWriter>> Create(const std::string& path,
                                                                         std::uint32_t partitions);

  void BeginRun();
  /// Ends the segment in hand. Partitions passed over are empty.
  void BeginPartition(std::uint32_t partition) {
    if (partition != partition_) NextPartition(partition);
  }
  inline void Add(std::string_view key, std::string_view value);
  /// The same for a record that is encoded already, with kCopySlack readable bytes behind it.
  inline void AddEncoded(std::string_view record);

  /// Ends the run; reports what went wrong since the last call.
  [[nodiscard]] absl::Status EndRun();
  /// Writes rows and footer. The file is whole after that, and not before.
  [[nodiscard]] absl::Status Finish();

  std::uint32_t runs() const { return runs_; }
  std::uint64_t bytes() const { return file_offset_; }
  std::uint64_t records() const { return records_; }

 private:
  RunWriter(io::File file, std::uint32_t partitions);
  Segment& Row() { return rows_[(runs_ - 1) * static_cast<std::size_t>(partitions_) + partition_]; }
  void NextPartition(std::uint32_t partition);
  void StartBlock();
  void EndBlock();
  void Flush();
  /// Where the next `size` bytes go; room for kCopySlack more is behind them.
  char* Reserve(std::size_t size) {
    if (capacity_ - used_ < size + kCopySlack) [[unlikely]]
      MakeRoom(size);
    return buffer_.get() + used_;
  }
  void MakeRoom(std::size_t size);
  void EndRecord(const char* end) {
    used_ = static_cast<std::size_t>(end - buffer_.get());
    ++block_records_;
    if (used_ - block_start_ >= kBlockBytes + kBlockHeaderBytes) [[unlikely]] {
      EndBlock();
      StartBlock();
    }
  }
  io::File file_;
  std::uint32_t partitions_;
  std::uint32_t runs_ = 0;
  std::uint32_t partition_ = 0;
  std::vector<Segment> rows_;
  std::unique_ptr<char[]> buffer_;  // what is not yet written; its last part is the block in hand
  std::size_t used_ = 0, capacity_ = 0;
  std::size_t block_start_ = 0;  // of the block in hand within buffer_
  std::uint32_t block_records_ = 0;
  std::uint64_t file_offset_ = 0;  // of the end of the last whole block
  std::uint64_t records_ = 0;
  absl::Status status_;
};

inline void RunWriter::AddEncoded(std::string_view record) {
  EndRecord(CopyPadded(Reserve(record.size()), record));
}

inline void RunWriter::Add(std::string_view key, std::string_view value) {
  char* at = Reserve(2 * kVarintBytesMax + key.size() + value.size());
  at = StoreVarint(StoreVarint(at, key.size()), value.size());
  EndRecord(CopyShort(CopyShort(at, key), value));
}

/// A stream of blocks, each verified. One thread.
class BlockSource {
 public:
  virtual ~BlockSource() = default;
  /// The next block's payload, followed by kBlockSlack readable bytes and valid until the next
  /// call; empty at the end. DATA_LOSS when the bytes are not what was written.
  [[nodiscard]] virtual absl::StatusOr<std::string_view> Next() = 0;
  /// Bytes that are still to come, for showing progress; 0 when that is not known.
  virtual std::uint64_t left_bytes() const { return 0; }
};

/// An intermediate file opened for reading. Thread-safe.
class RunFile {
 public:
  /// DATA_LOSS when the footer is not valid, NOT_FOUND when there is no such file.
  [[nodiscard]] static absl::StatusOr<std::shared_ptr<const RunFile>> Open(const std::string& path);

  std::uint32_t runs() const { return runs_; }
  std::uint32_t partitions() const { return partitions_; }
  const io::File& file() const { return file_; }

  [[nodiscard]] absl::StatusOr<Segment> Find(std::uint32_t run, std::uint32_t partition) const;

 private:
  explicit RunFile(io::File file) : file_(std::move(file)) {}
  io::File file_;
  std::uint64_t rows_offset_ = 0;
  std::uint32_t runs_ = 0;
  std::uint32_t partitions_ = 0;
};

/// Reads the blocks in bytes [offset, offset + bytes) of the file that `owner` keeps open.
std::unique_ptr<BlockSource> ReadBlocks(std::shared_ptr<const io::File> file, Segment segment);
std::unique_ptr<BlockSource> ReadBlocks(std::shared_ptr<const RunFile> file, Segment segment);

/// Verifies the blocks of segments whose bytes pass by one after the other, cut anywhere. One
/// thread.
class BlockVerifier {
 public:
  /// `name` is for messages.
  BlockVerifier(std::string name, std::vector<Segment> segments);
  ~BlockVerifier();
  BlockVerifier(const BlockVerifier&) = delete;
  BlockVerifier& operator=(const BlockVerifier&) = delete;

  /// DATA_LOSS when they are not what was written; it must not be fed again then.
  [[nodiscard]] absl::Status Feed(std::string_view bytes);
  /// DATA_LOSS when the segments are not whole.
  [[nodiscard]] absl::Status Finish() const;

 private:
  struct Hash;

  void NextSegment();
  absl::Status TakeHeader(std::string_view& bytes);
  absl::Status TakePayload(std::string_view& bytes);

  const std::string name_;
  const std::vector<Segment> segments_;
  std::size_t next_segment_ = 0;
  std::uint64_t position_ = 0;      // of the next byte, over all segments
  std::uint64_t segment_left_ = 0;  // bytes of the segment in hand
  char header_[kBlockHeaderBytes];
  std::size_t header_bytes_ = 0;    // of it that are there
  std::uint64_t payload_left_ = 0;  // of the block in hand
  std::unique_ptr<Hash> hash_;
};

/// The segments of `partition`, run by run, of an intermediate file of `size_bytes` that need not
/// be a local one; `name` is for messages. One read, mostly.
[[nodiscard]] absl::StatusOr<std::vector<Segment>> FindSegments(const io::ReadableFile& file,
                                                                const std::string& name,
                                                                std::uint64_t size_bytes,
                                                                std::uint32_t partition);

/// Appends the sources of `partition`, run by run, of the intermediate file at `path`.
[[nodiscard]] absl::Status OpenPartition(const std::string& path, std::uint32_t partition,
                                         std::vector<std::unique_ptr<BlockSource>>* to);

}  // namespace trireme::mapreduce
