#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "io/file_system.h"
#include "mapreduce/engine/splits.h"

namespace trireme::mapreduce {

/// The bytes of a file from some offset to its end, decompressed when its name says so.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// Reads up to `size` bytes; 0 only at the end (or for size 0).
  [[nodiscard]] virtual absl::StatusOr<std::size_t> Read(char* to, std::size_t size) = 0;
  /// Bytes of the file itself passed so far.
  virtual std::uint64_t file_bytes_read() const = 0;
};

/// Opens `path` at `offset` (0 for compressed files). `expected_bytes` will be read, more or less;
/// 0: to the end. Errors name the path.
[[nodiscard]] absl::StatusOr<std::unique_ptr<ByteSource>> OpenByteSource(
    io::FileSystem& files, const std::string& path, std::uint64_t offset,
    std::uint64_t expected_bytes = 0);

}  // namespace trireme::mapreduce
