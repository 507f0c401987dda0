#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "raft/transport/frame.h"
#include "raft/transport/frame_reader.h"
#include "rpc/address.h"
#include "rpc/sockets.h"

namespace trireme::raft {

inline std::string Framed(std::string_view body) {
  const SharedBytes piece = SharedBytes::Copy(body);
  char header[tcp::kFrameHeaderBytes];
  tcp::EncodeFrameHeader(header, {&piece, 1}, static_cast<std::uint32_t>(body.size()), true);
  return std::string(header, sizeof header).append(body);
}

/// A socket in the hands of the test.
class RawPeer {
 public:
  /// Dials.
  explicit RawPeer(const std::string& address) {
    const auto to = *rpc::Resolve(*rpc::ParseAddress(address));
    descriptor_ = *rpc::BeginConnect(to.front());
  }
  explicit RawPeer(rpc::OwnedDescriptor descriptor) : descriptor_(std::move(descriptor)) {}

  void Write(std::string_view bytes) {
    while (!bytes.empty()) {
      Await(POLLOUT);
      const ssize_t sent = ::send(descriptor_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;  // What the other side does then is what the test looks at.
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  void WriteFrame(std::string_view body) { Write(Framed(body)); }
  void SayHello(tcp::Hello hello) { WriteFrame(tcp::EncodeHello(hello)); }

  /// The next frame, without empty ones; nothing when the connection ends.
  std::optional<std::string> ReadFrame() {
    std::optional<std::string> frame;
    const auto deliver = [&](SharedBytes body) {
      frame = std::string(body.view());
      return false;
    };
    while (!frame) {
      char byte = 0;
      Await(POLLIN);
      if (::recv(descriptor_.get(), &byte, 1, 0) <= 0) return std::nullopt;
      ++bytes_read_;
      EXPECT_TRUE(reader_->Take({&byte, 1}, deliver).ok());
    }
    reader_.emplace(true);
    reader_->set_body_bytes_max(1u << 20);
    return frame;
  }
  absl::StatusOr<tcp::Hello> ReadHello() {
    const auto frame = ReadFrame();
    return frame ? tcp::DecodeHello(*frame) : absl::AbortedError("closed");
  }
  /// So many bytes, fewer at the end.
  std::string ReadBytes(std::size_t count) {
    std::string bytes;
    char byte = 0;
    while (bytes.size() < count && Await(POLLIN) && ::recv(descriptor_.get(), &byte, 1, 0) == 1) {
      bytes += byte;
    }
    return bytes;
  }
  /// Reads to the end: whether it comes.
  bool AwaitEnd() {
    char buffer[4096];
    while (Await(POLLIN)) {
      const ssize_t got = ::recv(descriptor_.get(), buffer, sizeof buffer, 0);
      if (got <= 0) return true;
      bytes_read_ += static_cast<std::size_t>(got);
    }
    return false;
  }
  std::size_t bytes_read() const { return bytes_read_; }

 private:
  bool Await(short events) {
    pollfd one{descriptor_.get(), events, 0};
    constexpr int kPatienceMs = 60000;
    return ::poll(&one, 1, kPatienceMs) == 1;
  }

  rpc::OwnedDescriptor descriptor_;
  std::optional<tcp::FrameReader> reader_{std::in_place, true};
  std::size_t bytes_read_ = 0;
};

}  // namespace trireme::raft
