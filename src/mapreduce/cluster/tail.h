#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace trireme::mapreduce {

/// The last bytes of a stream, from the beginning of a line where that is known.
class Tail {
 public:
  explicit Tail(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  void Append(std::string_view bytes) {
    bytes_.append(bytes);
    if (bytes_.size() > 2 * bytes_max_) Cut();
  }
  std::string Take() {
    if (bytes_.size() > bytes_max_) Cut();
    std::string tail;
    tail.swap(bytes_);
    return tail;
  }

 private:
  void Cut() {
    const std::size_t begin = bytes_.size() - bytes_max_;
    const std::size_t line = bytes_.find('\n', begin);
    bytes_.erase(0, line == std::string::npos || line + 1 == bytes_.size() ? begin : line + 1);
  }

  const std::size_t bytes_max_;
  std::string bytes_;
};

}  // namespace trireme::mapreduce
