#pragma once

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>

#include "absl/status/status.h"
#include "io/file.h"

namespace trireme::io {

/// Written at a time past the page cache; a disk is busy enough with less than this many at once.
inline constexpr std::size_t kDirectBufferBytes = 512u << 10;
/// One fills while the others are written. A file that fits into all of them goes through the page
/// cache, so that what is small is quickly read again.
inline constexpr std::size_t kDirectBuffers = 4;

/// Fills a file from its front to its end with O_DIRECT: bytes gather in aligned buffers, and a
/// thread of its own writes the full ones meanwhile. Where the file system refuses that, the same
/// through the page cache. For files that are synced anyway: the disk starts with the first
/// megabytes instead of at the sync, and no page of cache is taken and copied into. One owner.
class DirectWriter {
 public:
  /// `file` is empty and outlives the writer.
  explicit DirectWriter(File* file) : file_(*file) {}
  /// Waits for the write under way; what was not written is dropped.
  ~DirectWriter();
  DirectWriter(const DirectWriter&) = delete;
  DirectWriter& operator=(const DirectWriter&) = delete;

  /// An error may be that of earlier bytes. After one the file's contents are of no use.
  [[nodiscard]] absl::Status Append(std::string_view bytes);
  /// Returns when all bytes are in the file; they are not synced. Nothing may be appended any more.
  [[nodiscard]] absl::Status Finish();

 private:
  struct Free {
    void operator()(char* bytes) const { std::free(bytes); }
  };
  /// Buffers are used in turn; all are full when written.
  using Buffer = std::unique_ptr<char, Free>;

  Buffer& filling() { return ring_[turned_ % kDirectBuffers]; }
  absl::Status Turn();
  absl::Status Start();
  void Loop();
  void Stop();
  absl::Status Write(std::string_view bytes);
  void SetDirect(bool direct);

  File& file_;
  std::array<Buffer, kDirectBuffers> ring_;
  std::size_t filled_ = 0;  // bytes of the buffer that fills
  std::size_t turned_ = 0;  // full buffers so far
  bool direct_ = false;     // the thread's while it runs

  std::thread thread_;  // from when all buffers are full
  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_:
  std::size_t full_ = 0;     // buffers given to the thread
  std::size_t written_ = 0;  // of these
  bool stopping_ = false;
  absl::Status status_;
};

}  // namespace trireme::io
