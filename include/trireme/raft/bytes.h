#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace trireme {

/// Immutable bytes with shared owners, or a slice of some: one allocation holds the bytes of a
/// proposal, or of a whole network frame, on their way to the log, to the peers and to the state
/// machine. Copying one never copies bytes; copies may live in different threads.
class SharedBytes {
 public:
  SharedBytes() = default;

  /// One allocation, one copy.
  static SharedBytes Copy(std::string_view bytes) {
    if (bytes.empty()) return {};
    std::shared_ptr<char[]> owner = std::make_shared_for_overwrite<char[]>(bytes.size());
    std::memcpy(owner.get(), bytes.data(), bytes.size());
    const char* data = owner.get();
    return SharedBytes(std::shared_ptr<const char>(std::move(owner), data), bytes.size());
  }

  /// Takes the string over without copying it.
  static SharedBytes Own(std::string bytes) {
    if (bytes.empty()) return {};
    auto owner = std::make_shared<const std::string>(std::move(bytes));
    const char* data = owner->data();
    const std::size_t size = owner->size();
    return SharedBytes(std::shared_ptr<const char>(std::move(owner), data), size);
  }

  /// Takes over bytes that nobody writes any more.
  static SharedBytes Own(const std::shared_ptr<char[]>& bytes, std::size_t size) {
    return SharedBytes(std::shared_ptr<const char>(bytes, bytes.get()), size);
  }

  /// The part that `part`, a view into these bytes, covers: another owner of the same allocation.
  SharedBytes Slice(std::string_view part) const {
    if (part.empty()) return {};
    return SharedBytes(std::shared_ptr<const char>(data_, part.data()), part.size());
  }

  std::string_view view() const { return {data_.get(), size_}; }
  const char* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  friend bool operator==(const SharedBytes& a, const SharedBytes& b) {
    return a.view() == b.view();
  }

 private:
  SharedBytes(std::shared_ptr<const char> data, std::size_t size)
      : data_(std::move(data)), size_(size) {}

  std::shared_ptr<const char> data_;
  std::size_t size_ = 0;
};

}  // namespace trireme
