#include "mapreduce/cluster/slot_wire.h"

#include <sys/socket.h>

#include <cerrno>

#include "base/bytes.h"
#include "io/file.h"

namespace trireme::mapreduce {
namespace {

constexpr std::size_t kHeaderBytes = 5;

}  // namespace

absl::Status SendFrame(int socket, SlotMessage type, std::string_view payload) {
  if (payload.size() > kSlotMessageBytesMax)
    return absl::ResourceExhaustedError("a message to or from a slot exceeds 64 MiB");
  std::string frame;
  frame.reserve(kHeaderBytes + payload.size());
  AppendLittle(frame, static_cast<std::uint32_t>(payload.size()));
  frame.push_back(static_cast<char>(type));
  frame.append(payload);
  for (std::string_view left = frame; !left.empty();) {
    const ssize_t n = ::send(socket, left.data(), left.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return io::ErrnoStatus("send to", "a slot's process", errno);
    left.remove_prefix(static_cast<std::size_t>(n));
  }
  return absl::OkStatus();
}

bool FrameReader::Fill(int socket) {
  bytes_.erase(0, begin_);
  begin_ = 0;
  char buffer[64 << 10];
  ssize_t n;
  do {
    n = ::recv(socket, buffer, sizeof buffer, 0);
  } while (n < 0 && errno == EINTR);
  if (n <= 0) return false;
  bytes_.append(buffer, static_cast<std::size_t>(n));
  return bytes_.size() < kHeaderBytes ||
         LoadLittle<std::uint32_t>(bytes_.data()) <= kSlotMessageBytesMax;
}

std::optional<SlotFrame> FrameReader::Next() {
  const std::string_view left = std::string_view(bytes_).substr(begin_);
  if (left.size() < kHeaderBytes) return std::nullopt;
  const std::size_t size = LoadLittle<std::uint32_t>(left.data());
  if (left.size() - kHeaderBytes < size) return std::nullopt;
  begin_ += kHeaderBytes + size;
  return SlotFrame{static_cast<SlotMessage>(left[4]), std::string(left.substr(kHeaderBytes, size))};
}

}  // namespace trireme::mapreduce
