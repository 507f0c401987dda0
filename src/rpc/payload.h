#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace trireme::rpc {

/// The bytes of one message on their way out. Large ones are shared, never copied, between the
/// caller and the socket's gather write. Immutable, so handles may be used from any thread.
class Payload {
 public:
  /// From this size on bytes go to the socket by reference; below it one memcpy is cheaper.
  static constexpr std::size_t kSharedBytesMin = 4096;

  Payload() = default;
  // Implicit, so that a serialised message can be passed as it is.
  Payload(std::string bytes) {  // NOLINT
    if (bytes.size() < kSharedBytesMin) {
      small_ = std::move(bytes);
      return;
    }
    auto owner = std::make_shared<const std::string>(std::move(bytes));
    shared_ = *owner;
    owner_ = std::move(owner);
  }
  /// Bytes that `owner` keeps alive and unchanged: a mapped file, a cache entry.
  Payload(std::shared_ptr<const void> owner, std::string_view bytes)
      : owner_(std::move(owner)), shared_(bytes) {}

  std::string_view view() const { return owner_ ? shared_ : std::string_view(small_); }
  std::size_t size() const { return view().size(); }
  /// Null when the bytes are small and held inline.
  const std::shared_ptr<const void>& owner() const { return owner_; }

 private:
  std::string small_;
  std::shared_ptr<const void> owner_;
  std::string_view shared_;
};

}  // namespace trireme::rpc
