#include "io/direct_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"

namespace trireme::io {
namespace {
/// What O_DIRECT asks of addresses and sizes, of all file systems that are in use.
constexpr std::size_t kAlignment = 4096;
static_assert(kDirectBufferBytes % kAlignment == 0);
}  // namespace

DirectWriter::~DirectWriter() {
  {
    const std::lock_guard lock(mutex_);
    if (status_.ok()) status_ = absl::CancelledError("the file is not wanted any more");
  }
  Stop();
}

absl::Status DirectWriter::Append(std::string_view bytes) {
  while (!bytes.empty()) {
    if (filled_ == kDirectBufferBytes) TRIREME_RETURN_IF_ERROR(Turn());
    if (filling() == nullptr) {
      filling().reset(static_cast<char*>(std::aligned_alloc(kAlignment, kDirectBufferBytes)));
      if (filling() == nullptr)
        return absl::ResourceExhaustedError(
            fmt::format("no memory left to write {}", file_.path()));
    }
    const std::size_t size = std::min(bytes.size(), kDirectBufferBytes - filled_);
    std::memcpy(filling().get() + filled_, bytes.data(), size);
    filled_ += size;
    bytes.remove_prefix(size);
  }
  return absl::OkStatus();
}

/// Gives the full buffer away and takes the next, once it is written.
absl::Status DirectWriter::Turn() {
  ++turned_;
  filled_ = 0;
  if (turned_ < kDirectBuffers) return absl::OkStatus();
  if (!thread_.joinable()) TRIREME_RETURN_IF_ERROR(Start());
  std::unique_lock lock(mutex_);
  full_ = turned_;
  changed_.notify_all();
  changed_.wait(lock, [this] { return written_ + kDirectBuffers > turned_; });
  return status_;
}

absl::Status DirectWriter::Finish() {
  if (!thread_.joinable()) {
    for (std::size_t i = 0; i < turned_; ++i)
      TRIREME_RETURN_IF_ERROR(Write({ring_[i].get(), kDirectBufferBytes}));
  } else {
    Stop();
    TRIREME_RETURN_IF_ERROR(status_);
    if (direct_ && filled_ % kAlignment != 0) SetDirect(false);
  }
  return Write({filling().get(), filled_});
}

absl::Status DirectWriter::Start() {
  SetDirect(true);
  try {
    thread_ = std::thread([this] { Loop(); });
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError(
        fmt::format("start a thread to write {}: {}", file_.path(), error.what()));
  }
  return absl::OkStatus();
}

/// Ends the thread when it has written what it was given.
void DirectWriter::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void DirectWriter::Loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return written_ < full_ || stopping_; });
    if (written_ == full_) return;
    absl::Status status = status_;  // after an error buffers are only passed over
    if (status.ok()) {
      const std::string_view bytes(ring_[written_ % kDirectBuffers].get(), kDirectBufferBytes);
      lock.unlock();
      status = Write(bytes);
      lock.lock();
    }
    ++written_;
    if (status_.ok()) status_ = std::move(status);
    changed_.notify_all();
  }
}

absl::Status DirectWriter::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(file_.fd(), bytes.data(), bytes.size());
    if (n >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
    } else if (errno == EINVAL && direct_) {
      // It wants another alignment, or wrote a part that leaves none.
      SetDirect(false);
    } else if (errno != EINTR) {
      return ErrnoStatus("write", file_.path(), errno);
    }
  }
  return absl::OkStatus();
}

void DirectWriter::SetDirect(bool direct) {
  const int flags = ::fcntl(file_.fd(), F_GETFL);
  const int wanted = direct ? flags | O_DIRECT : flags & ~O_DIRECT;
  const bool set = flags >= 0 && ::fcntl(file_.fd(), F_SETFL, wanted) == 0;
  direct_ = direct && set;
}

}  // namespace trireme::io
