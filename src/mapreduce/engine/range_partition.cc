#include "mapreduce/engine/range_partition.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "mapreduce/engine/block_reader.h"
#include "mapreduce/engine/splits.h"

namespace trireme::mapreduce {
namespace {

/// The first 8 bytes, zero-padded, as a number that orders as they do.
std::uint64_t OrderedPrefix(std::string_view key) {
  const std::size_t size = std::min<std::size_t>(key.size(), 8);
  return __builtin_bswap64(internal::LoadPrefix(key.data(), size).k0);
}

int HexDigit(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  return -1;
}

/// Small ranges of the input, evenly spread: the records that begin in them are looked at.
std::vector<Split> SamplePlaces(const std::vector<Split>& splits, const InputFormat& format) {
  std::uint64_t total_bytes = 0;
  for (const Split& split : splits) total_bytes += split.SizeBytes();
  std::vector<Split> places;
  const std::uint64_t step =
      std::max(total_bytes / kSamplePlacesMax, std::uint64_t{kSampleBytesPerPlace});
  std::uint64_t before = 0, next = 0;  // bytes of the input up to the range, to the next place
  for (const Split& split : splits) {
    for (const InputRange& range : split.ranges) {
      for (; next < before + range.length; next += step) {
        InputRange place = range;
        if (CompressionOf(range.path) == Compression::kNone) {
          std::uint64_t skip = next - before;
          if (format.kind == InputFormat::Kind::kFixed) skip -= skip % format.record_bytes;
          place.offset += skip;
          place.length = std::min<std::uint64_t>(range.length - skip, kSampleBytesPerPlace);
        }
        places.push_back(Split{{std::move(place)}});
      }
      before += range.length;
    }
  }
  return places;
}

/// Appends the keys of some of a place's records, evenly spread over those of its first block.
absl::Status SamplePlace(io::FileSystem* files, const Split& place, const InputFormat& format,
                         const std::function<std::string_view(const Record&)>& key_of,
                         std::vector<std::string>* keys) {
  BlockReaderOptions options;
  options.format = format;
  options.buffer_bytes = kSampleBytesPerPlace;
  BlockReader reader(files, place, options);
  Block block;
  TRIREME_ASSIGN_OR_RETURN(const bool any, reader.Next(&block));
  if (!any) return absl::OkStatus();
  std::vector<std::string> found;
  RecordIterator records(block, reader);
  for (Record record; records.Next(&record);) {
    found.emplace_back(key_of(record).substr(0, kBoundaryBytesMax));
  }
  const std::size_t stride = found.size() / kSamplesPerPlaceMax + 1;
  for (std::size_t i = 0; i < found.size(); i += stride) keys->push_back(std::move(found[i]));
  return absl::OkStatus();
}

}  // namespace

std::string EncodeBoundaries(const std::vector<std::string>& boundaries) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < boundaries.size(); ++i) {
    if (i != 0) text += ',';
    for (const char byte : boundaries[i]) {
      text += kDigits[static_cast<unsigned char>(byte) >> 4];
      text += kDigits[static_cast<unsigned char>(byte) & 15];
    }
  }
  return text;
}

absl::StatusOr<std::vector<std::string>> DecodeBoundaries(std::string_view text) {
  std::vector<std::string> boundaries;
  if (text.empty()) return boundaries;
  boundaries.emplace_back();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ',') {
      boundaries.emplace_back();
      continue;
    }
    const int high = HexDigit(text[i]);
    const int low = i + 1 < text.size() ? HexDigit(text[i + 1]) : -1;
    if (high < 0 || low < 0)
      return absl::InvalidArgumentError(
          fmt::format("boundaries are no hexadecimal list at character {}", i));
    boundaries.back() += static_cast<char>(high << 4 | low);
    ++i;
  }
  if (!std::is_sorted(boundaries.begin(), boundaries.end()))
    return absl::InvalidArgumentError("boundaries do not ascend");
  return boundaries;
}

absl::StatusOr<std::vector<std::string>> SampleBoundaries(
    io::FileSystem* files, const std::vector<Split>& splits, const InputFormat& format,
    const std::function<std::string_view(const Record&)>& key_of, std::uint32_t partitions) {
  std::vector<std::string> keys;
  if (partitions <= 1) return keys;
  for (const Split& place : SamplePlaces(splits, format))
    TRIREME_RETURN_IF_ERROR(SamplePlace(files, place, format, key_of, &keys));
  std::sort(keys.begin(), keys.end());
  std::vector<std::string> boundaries;
  if (keys.empty()) return boundaries;
  for (std::uint64_t i = 1; i < partitions; ++i)
    boundaries.push_back(keys[keys.size() * i / partitions]);
  return boundaries;
}

RangePartitioner::RangePartitioner(std::vector<std::string> boundaries)
    : boundaries_(std::move(boundaries)) {
  for (const std::string& boundary : boundaries_) prefixes_.push_back(OrderedPrefix(boundary));
  // Boundaries whose prefix is below (i << shift) are below every key with top bits i.
  for (std::size_t i = 0; i < index_.size() - 1; ++i) {
    const std::uint64_t least = static_cast<std::uint64_t>(i) << (64 - kIndexBits);
    index_[i] = static_cast<std::uint32_t>(
        std::lower_bound(prefixes_.begin(), prefixes_.end(), least) - prefixes_.begin());
  }
  index_.back() = static_cast<std::uint32_t>(prefixes_.size());
}

std::uint32_t RangePartitioner::Partition(std::string_view key, std::uint32_t partitions) const {
  const std::uint64_t prefix = OrderedPrefix(key);
  const std::uint64_t top = prefix >> (64 - kIndexBits);
  std::uint32_t partition = index_[top];
  if (partition != index_[top + 1]) [[unlikely]]
    partition = CountAtOrBelow(key, prefix, partition, index_[top + 1]);
  return std::min(partition, partitions - 1);
}

/// How many boundaries are at or below the key, known to be in [low, high].
std::uint32_t RangePartitioner::CountAtOrBelow(std::string_view key, std::uint64_t prefix,
                                               std::uint32_t low, std::uint32_t high) const {
  while (low < high) {
    const std::uint32_t middle = (low + high) / 2;
    const bool at_or_below = prefixes_[middle] != prefix
                                 ? prefixes_[middle] < prefix
                                 : std::string_view(boundaries_[middle]) <= key;
    if (at_or_below) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

}  // namespace trireme::mapreduce
