#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "io/direct_buffer.h"
#include "io/disk.h"

namespace trireme::io {

/// OpenMode::kOverwrite on a POSIX system: writes go from an aligned buffer straight to the device
/// (O_DIRECT), past the system's cache and its bookkeeping of dirty pages, in whole blocks. The
/// block that the last write ended in is kept, so that one that goes on there need not read it.
/// Where the file system cannot do that, everything goes to `plain`; from the first write that is
/// refused on, for good.
class DirectFile final : public DiskFile {
 public:
  /// What one write call carries at most.
  static constexpr std::size_t kBufferBytesMax = DirectBuffer::kBytes;

  /// `plain` is the file at `path`, open for reading and writing. Gives `plain` back when direct
  /// writing is not for this file: its size is no multiple of a block, or the system refuses, or
  /// wants larger blocks than kOverwriteBlockBytes.
  static std::unique_ptr<DiskFile> Over(std::unique_ptr<DiskFile> plain, const std::string& path);
  /// `descriptor`, which becomes the file's own, is what whole blocks are written to.
  DirectFile(std::unique_ptr<DiskFile> plain, int descriptor)
      : plain_(std::move(plain)), descriptor_(descriptor) {}
  ~DirectFile() override;

  /// Into aligned buffers, by all files of the process and those who stage, so far.
  static std::uint64_t bytes_copied();

  absl::StatusOr<std::size_t> ReadAt(std::uint64_t offset, char* to,
                                     std::size_t size) const override {
    return plain_->ReadAt(offset, to, size);
  }
  absl::Status WriteAt(std::uint64_t offset, std::span<const std::string_view> parts) override;
  absl::StatusOr<char*> Stage(std::uint64_t offset, std::size_t size) override;
  absl::Status WriteStaged() override;
  absl::Status Sync() override { return plain_->Sync(); }
  absl::Status Allocate(std::uint64_t size) override { return plain_->Allocate(size); }
  absl::StatusOr<std::uint64_t> Size() const override { return plain_->Size(); }
  void WillRead() const override { plain_->WillRead(); }
  bool bypasses_cache() const override { return direct_; }

 private:
  absl::Status Put(std::uint64_t offset, std::span<const std::string_view> parts);
  absl::Status TakeFront(std::uint64_t offset);
  absl::Status WriteBuffer(std::uint64_t offset, std::uint64_t end);

  const std::unique_ptr<DiskFile> plain_;
  const int descriptor_;
  std::atomic<bool> direct_{true};
  DirectBuffer buffer_;     // while something is staged or written
  std::string last_block_;  // what the last write put into the block it ended in
  std::uint64_t last_end_ = 0;
  std::uint64_t staged_at_ = 0;
  std::uint64_t staged_bytes_ = 0;  // 0: nothing is
};

}  // namespace trireme::io
