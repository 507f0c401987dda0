#pragma once

#include <trireme/mapreduce.h>

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "io/file_system.h"
#include "mapreduce/engine/input.h"

/// Partitions by key range, so that the part files, one after the other, are in total order.
namespace trireme::mapreduce {

inline constexpr std::size_t kSamplePlacesMax = 128;  ///< of the input that are looked at
inline constexpr std::size_t kSampleBytesPerPlace = 64u << 10;
inline constexpr std::size_t kSamplesPerPlaceMax = 256;  ///< records
/// Boundaries are cut to this length; keys with longer common prefixes may gather in one partition.
inline constexpr std::size_t kBoundaryBytesMax = 256;

/// Boundaries, sorted, as text that survives every way a parameter travels (hexadecimal).
std::string EncodeBoundaries(const std::vector<std::string>& boundaries);
[[nodiscard]] absl::StatusOr<std::vector<std::string>> DecodeBoundaries(std::string_view text);

/// Chooses `partitions` - 1 boundaries between ranges of about equal numbers of keys, by looking at
/// places spread evenly over the input. `key_of` gives a record's key. Always the same for the same
/// input. Compressed files are looked at from their beginning only.
[[nodiscard]] absl::StatusOr<std::vector<std::string>> SampleBoundaries(
    io::FileSystem* files, const std::vector<Split>& splits, const InputFormat& format,
    const std::function<std::string_view(const Record&)>& key_of, std::uint32_t partitions);

/// Partition i has the keys at or above boundary i-1 and below boundary i. A job with more reduces
/// than boundaries leaves the last ones empty; with fewer, its last one takes the rest.
class RangePartitioner final : public Partitioner {
 public:
  /// `boundaries` ascend.
  explicit RangePartitioner(std::vector<std::string> boundaries);
  std::uint32_t Partition(std::string_view key, std::uint32_t partitions) const override;

 private:
  static constexpr int kIndexBits = 12;

  std::uint32_t CountAtOrBelow(std::string_view key, std::uint64_t prefix, std::uint32_t low,
                               std::uint32_t high) const;

  std::vector<std::string> boundaries_;
  std::vector<std::uint64_t> prefixes_;  // their first 8 bytes, big-endian, zero-padded
  // By the top bits of a key's prefix: how many boundaries are surely at or below it.
  std::array<std::uint32_t, (1 << kIndexBits) + 1> index_;
};

}  // namespace trireme::mapreduce
