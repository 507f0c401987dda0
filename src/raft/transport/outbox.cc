#include "raft/transport/outbox.h"

#include <limits.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "fmt/format.h"

namespace trireme::raft::tcp {
namespace {

/// What the kernel takes at once.
constexpr int kVectorsMax = IOV_MAX;
/// From here on a piece goes to TLS by reference: it fills records by itself.
constexpr std::size_t kTlsSharedBytesMin = 16u << 10;

iovec VectorOf(std::string_view bytes) {
  return {const_cast<char*>(bytes.data()), bytes.size()};
}

/// Bytes sent; 0 when the socket is full.
absl::StatusOr<std::size_t> SendVectors(int descriptor, std::span<iovec> vectors) {
  msghdr message{};
  message.msg_iov = vectors.data();
  message.msg_iovlen = vectors.size();
  while (true) {
    const ssize_t sent = ::sendmsg(descriptor, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) return static_cast<std::size_t>(sent);
    if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
    if (errno != EINTR) {
      return absl::UnavailableError(
          fmt::format("connection lost: write: {}", std::strerror(errno)));
    }
  }
}

}  // namespace

absl::Status Outbox::Send(std::span<const SharedBytes> pieces, std::size_t body_bytes) {
  std::array<char, kFrameHeaderBytes> bytes;
  EncodeFrameHeader(bytes.data(), pieces, static_cast<std::uint32_t>(body_bytes), !tls_);
  const std::string_view header(bytes.data(), bytes.size());
  if (!tls_) return SendPlain(header, pieces);
  const bool waited = !records_.empty();
  records_.Append(header);
  for (const SharedBytes& piece : pieces) {
    if (piece.size() < kTlsSharedBytesMin) {
      records_.Append(piece.view());
    } else {
      records_.AppendShared(std::make_shared<const SharedBytes>(piece), piece.view());
    }
  }
  return waited ? absl::OkStatus() : FlushTls();
}

absl::Status Outbox::Flush() {
  return tls_ ? FlushTls() : FlushPlain();
}

/// A place between the bytes of a frame.
class Outbox::Cursor {
 public:
  Cursor(std::string_view header, std::span<const SharedBytes> pieces)
      : front_(header), pieces_(pieces) {}

  bool AtEnd() const { return front_.empty() && pieces_.empty(); }

  /// Fills vectors with what follows; how many, and of how many bytes together.
  int Gather(iovec* vectors, std::size_t* size) const {
    int count = 0;
    *size = 0;
    if (!front_.empty()) vectors[count++] = VectorOf(front_);
    for (auto piece = pieces_.begin(); piece != pieces_.end() && count < kVectorsMax; ++piece) {
      if (!piece->empty()) vectors[count++] = VectorOf(piece->view());
    }
    for (int i = 0; i < count; ++i) *size += vectors[i].iov_len;
    return count;
  }

  void Skip(std::size_t count) {
    while (count >= front_.size() && !AtEnd()) {
      count -= front_.size();
      owner_ = pieces_.empty() ? nullptr : &pieces_.front();
      front_ = owner_ == nullptr ? std::string_view() : owner_->view();
      if (owner_ != nullptr) pieces_ = pieces_.subspan(1);
    }
    front_.remove_prefix(count);
  }

  /// Adds what follows to `to`; how many bytes.
  std::size_t MoveTo(std::deque<SharedBytes>& to) const {
    std::size_t size = front_.size();
    if (!front_.empty()) {
      to.push_back(owner_ == nullptr ? SharedBytes::Copy(front_) : owner_->Slice(front_));
    }
    for (const SharedBytes& piece : pieces_) {
      if (!piece.empty()) to.push_back(piece);
      size += piece.size();
    }
    return size;
  }

 private:
  std::string_view front_;              // Of the header, or of *owner_.
  const SharedBytes* owner_ = nullptr;  // Null: the header, which the caller owns.
  std::span<const SharedBytes> pieces_;
};

absl::Status Outbox::SendPlain(std::string_view header, std::span<const SharedBytes> pieces) {
  Cursor cursor(header, pieces);
  std::array<iovec, kVectorsMax> vectors;
  while (waiting_.empty() && !cursor.AtEnd()) {
    std::size_t size = 0;
    const int count = cursor.Gather(vectors.data(), &size);
    if (count == 0) return absl::OkStatus();  // Empty pieces were all that was left.
    auto sent = SendVectors(descriptor_, std::span(vectors).first(static_cast<std::size_t>(count)));
    if (!sent.ok()) return sent.status();
    cursor.Skip(*sent);
    if (*sent < size) break;  // Full: asking again would only say so.
  }
  waiting_bytes_ += cursor.MoveTo(waiting_);
  return absl::OkStatus();
}

absl::Status Outbox::FlushPlain() {
  std::array<iovec, kVectorsMax> vectors;
  while (!waiting_.empty()) {
    std::size_t size = 0;
    std::size_t count = 0;
    std::size_t offset = front_offset_;
    for (auto one = waiting_.begin(); one != waiting_.end() && count < vectors.size(); ++one) {
      vectors[count++] = VectorOf(one->view().substr(std::exchange(offset, 0)));
      size += vectors[count - 1].iov_len;
    }
    auto sent = SendVectors(descriptor_, std::span(vectors).first(count));
    if (!sent.ok()) return sent.status();
    waiting_bytes_ -= *sent;
    front_offset_ += *sent;
    while (!waiting_.empty() && front_offset_ >= waiting_.front().size()) {
      front_offset_ -= waiting_.front().size();
      waiting_.pop_front();
    }
    if (*sent < size) break;
  }
  return absl::OkStatus();
}

absl::Status Outbox::FlushTls() {
  while (!records_.empty()) {
    switch (socket_.Write(records_)) {
      case rpc::IoResult::kProgress:
        break;
      case rpc::IoResult::kWantRead:
      case rpc::IoResult::kWantWrite:
        return absl::OkStatus();
      case rpc::IoResult::kClosed:
        return socket_.error();
    }
  }
  return absl::OkStatus();
}

}  // namespace trireme::raft::tcp
