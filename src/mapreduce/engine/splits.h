#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "io/file_system.h"
#include "mapreduce/engine/input.h"

/// How an input is cut into map tasks. Pure functions of the files' names and sizes: never of
/// slots, workers or mode, since the order of tasks shows in the order of a key's values.
namespace trireme::mapreduce {

inline constexpr std::uint64_t kSplitBytesDefault = 64ull << 20;
/// A file's last piece may exceed the split size by this fraction of it, instead of leaving a
/// crumb.
inline constexpr std::uint64_t kSplitSlackFraction = 10;
inline constexpr std::uint64_t kSplitsMax = 1u << 22;
/// Files, empty ones too, that one task reads.
inline constexpr std::size_t kRangesPerSplitMax = 4096;

enum class Compression : std::uint8_t { kNone, kGzip, kZstd };

/// By the name's end: `.gz`, `.zst`.
Compression CompressionOf(std::string_view path);

/// Plans the map tasks for `files`, in their order. Files over `split_bytes` are cut there (fixed
/// records: at a multiple of the record before it), except compressed and whole ones. Neighbours
/// that are small, beside split_bytes (a sixteenth) and the whole input (a 32nd), share a task.
/// Empty files are left out unless whole files are the records.
///
/// INVALID_ARGUMENT for an uncompressed file of fixed records whose size is not a multiple of
/// theirs, and for a split size that makes over kSplitsMax tasks.
absl::StatusOr<std::vector<Split>> PlanSplits(const std::vector<io::FileInfo>& files,
                                              const InputFormat& format,
                                              std::uint64_t split_bytes = kSplitBytesDefault);

/// One reduce per two default splits of input, where a remainder of up to half a split is shared
/// out, rounded up to a power of two: reduces of one size then fill the slots of most machines to
/// the last round. From 1 to 256.
inline constexpr std::uint32_t kDefaultReducesMax = 256;
std::uint32_t DefaultReduces(std::uint64_t total_bytes);

}  // namespace trireme::mapreduce
