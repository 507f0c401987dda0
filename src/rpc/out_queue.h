#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

namespace trireme::rpc {

/// Bytes on their way to a socket: small ones gathered in buffers, large ones by reference.
/// Not thread-safe.
class OutQueue {
 public:
  OutQueue() = default;
  OutQueue(const OutQueue&) = delete;
  OutQueue& operator=(const OutQueue&) = delete;

  void Append(std::string_view bytes);
  void AppendShared(std::shared_ptr<const void> owner, std::string_view bytes);

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  /// Fills at most `count_max` vectors from the front; returns how many.
  int Gather(iovec* vectors, int count_max) const;
  /// Drops `count` bytes from the front, which are there.
  void Consume(std::size_t count);

 private:
  struct Segment {
    std::string bytes;
    std::shared_ptr<const void> owner;
    std::string_view shared;
    std::string_view view() const { return owner ? shared : std::string_view(bytes); }
  };

  std::deque<Segment> segments_;
  std::string* last_ = nullptr;  // The last segment's bytes, if they are its own.
  std::size_t front_offset_ = 0;
  std::size_t size_ = 0;
  std::string spare_;  // The last emptied buffer, kept for its memory.
};

}  // namespace trireme::rpc
