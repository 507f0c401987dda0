#include "io/direct_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "base/status_macros.h"
#include "fmt/format.h"

namespace trireme::io {
namespace {

std::atomic<std::uint64_t> g_bytes_copied{0};

constexpr std::uint64_t RoundDown(std::uint64_t bytes) {
  return bytes / kOverwriteBlockBytes * kOverwriteBlockBytes;
}
constexpr std::uint64_t RoundUp(std::uint64_t bytes) {
  return RoundDown(bytes + kOverwriteBlockBytes - 1);
}

/// Whether the system says that it writes blocks of ours past its cache; or does not say.
bool TakesOurBlocks(const std::string& path) {
  struct statx status;
  if (::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_DIOALIGN, &status) != 0 ||
      (status.stx_mask & STATX_DIOALIGN) == 0)
    return true;
  return status.stx_dio_offset_align != 0 &&
         kOverwriteBlockBytes % status.stx_dio_offset_align == 0 &&
         kOverwriteBlockBytes % status.stx_dio_mem_align == 0;
}

}  // namespace

std::unique_ptr<DiskFile> DirectFile::Over(std::unique_ptr<DiskFile> plain,
                                           const std::string& path) {
  const auto size = plain->Size();
  if (!size.ok() || *size % kOverwriteBlockBytes != 0 || !TakesOurBlocks(path)) return plain;
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC | O_NOFOLLOW);
  if (descriptor < 0) return plain;
  return std::make_unique<DirectFile>(std::move(plain), descriptor);
}

DirectFile::~DirectFile() {
  ::close(descriptor_);
}

std::uint64_t DirectFile::bytes_copied() {
  return g_bytes_copied.load(std::memory_order_relaxed);
}

absl::Status DirectFile::WriteAt(std::uint64_t offset, std::span<const std::string_view> parts) {
  staged_bytes_ = 0;
  TRIREME_ASSIGN_OR_RETURN(buffer_, DirectBuffer::Take());
  const absl::Status status = Put(offset, parts);
  buffer_.GiveBack();
  return status;
}

absl::Status DirectFile::Put(std::uint64_t offset, std::span<const std::string_view> parts) {
  TRIREME_RETURN_IF_ERROR(TakeFront(offset));
  std::uint64_t end = offset;  // of what the buffer has
  for (std::string_view part : parts) {
    g_bytes_copied.fetch_add(part.size(), std::memory_order_relaxed);
    while (!part.empty()) {
      const std::uint64_t filled = end - RoundDown(offset);
      const std::size_t count = std::min<std::uint64_t>(part.size(), kBufferBytesMax - filled);
      std::memcpy(buffer_.data() + filled, part.data(), count);
      part.remove_prefix(count);
      end += count;
      if (filled + count < kBufferBytesMax) continue;
      TRIREME_RETURN_IF_ERROR(WriteBuffer(RoundDown(offset), end));
      offset = end;
    }
  }
  return end > offset ? WriteBuffer(RoundDown(offset), end) : absl::OkStatus();
}

absl::StatusOr<char*> DirectFile::Stage(std::uint64_t offset, std::size_t size) {
  const std::uint64_t front = offset - RoundDown(offset);
  staged_bytes_ = 0;
  if (size == 0 || front + size > kBufferBytesMax) return nullptr;
  buffer_.GiveBack();
  TRIREME_ASSIGN_OR_RETURN(buffer_, DirectBuffer::Take());
  TRIREME_RETURN_IF_ERROR(TakeFront(offset));
  staged_at_ = offset;
  staged_bytes_ = size;
  return buffer_.data() + front;
}

absl::Status DirectFile::WriteStaged() {
  const std::uint64_t size = std::exchange(staged_bytes_, 0);
  if (size == 0) return DiskFile::WriteStaged();
  g_bytes_copied.fetch_add(size, std::memory_order_relaxed);
  const absl::Status status = WriteBuffer(RoundDown(staged_at_), staged_at_ + size);
  buffer_.GiveBack();
  return status;
}

/// What stands before `offset` in its block.
absl::Status DirectFile::TakeFront(std::uint64_t offset) {
  const std::uint64_t front = offset - RoundDown(offset);
  if (front == 0) return absl::OkStatus();
  if (last_end_ == offset) {
    std::memcpy(buffer_.data(), last_block_.data(), front);
    return absl::OkStatus();
  }
  TRIREME_ASSIGN_OR_RETURN(const std::size_t read,
                           plain_->ReadAt(offset - front, buffer_.data(), front));
  return read == front ? absl::OkStatus() : absl::InternalError("the file has shrunk");
}

/// From `offset`, the beginning of a block, to the end of the block of `end`.
absl::Status DirectFile::WriteBuffer(std::uint64_t offset, std::uint64_t end) {
  std::uint64_t size = RoundUp(end) - offset;
  std::memset(buffer_.data() + (end - offset), 0, size - (end - offset));
  last_block_.assign(buffer_.data() + (RoundDown(end) - offset), end - RoundDown(end));
  last_end_ = end;
  const char* from = buffer_.data();
  while (direct_ && size > 0) {
    const ssize_t n = ::pwrite(descriptor_, from, size, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      direct_ = false;
      break;
    }
    from += n;
    offset += static_cast<std::uint64_t>(n);
    size -= static_cast<std::uint64_t>(n);
  }
  if (size == 0) return absl::OkStatus();
  // Other blocks are wanted, or the device refuses: the plain way works, or says what is wrong.
  const std::string_view rest(from, size);
  return plain_->WriteAt(offset, std::span(&rest, 1));
}

}  // namespace trireme::io
