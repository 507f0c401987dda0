#include "mapreduce/engine/splits.h"

#include <algorithm>
#include <bit>
#include <string>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"

namespace trireme::mapreduce {
namespace {

bool EndsWith(std::string_view text, std::string_view end) {
  return text.size() > end.size() && text.substr(text.size() - end.size()) == end;
}

/// Collects ranges into splits of at least `pack_bytes`.
class Packer {
 public:
  explicit Packer(std::uint64_t pack_bytes) : pack_bytes_(pack_bytes) {}

  void Add(InputRange range) {
    pending_bytes_ += range.length;
    pending_.ranges.push_back(std::move(range));
    if (pending_bytes_ >= pack_bytes_ || pending_.ranges.size() == kRangesPerSplitMax) Close();
  }

  std::vector<Split> Take() {
    if (!pending_.ranges.empty()) Close();
    return std::move(splits_);
  }

 private:
  void Close() {
    splits_.push_back(std::move(pending_));
    pending_ = Split();
    pending_bytes_ = 0;
  }

  std::uint64_t pack_bytes_;
  std::uint64_t pending_bytes_ = 0;
  Split pending_;
  std::vector<Split> splits_;
};

absl::Status CheckSize(const io::FileInfo& file, std::uint64_t record_bytes) {
  if (file.size_bytes % record_bytes == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("{}: its {} bytes are no multiple of the record length {}: check --format "
                  "fixed:{} and that the file is whole",
                  file.path, file.size_bytes, record_bytes, record_bytes));
}

/// Where to cut a file; 0 for never.
std::uint64_t PieceBytes(const io::FileInfo& file, const InputFormat& format,
                         std::uint64_t split_bytes) {
  if (format.kind == InputFormat::Kind::kFiles) return 0;
  if (CompressionOf(file.path) != Compression::kNone) return 0;
  if (format.kind != InputFormat::Kind::kFixed) return split_bytes;
  const std::uint64_t records = std::max<std::uint64_t>(split_bytes / format.record_bytes, 1);
  return records * format.record_bytes;
}

absl::Status Cut(const io::FileInfo& file, std::uint64_t piece_bytes, Packer& packer) {
  if (piece_bytes != 0 && file.size_bytes / piece_bytes >= kSplitsMax) {
    return absl::InvalidArgumentError(
        fmt::format("{}: cut every {} bytes makes over {} map tasks: choose a larger --split-size",
                    file.path, piece_bytes, kSplitsMax));
  }
  std::uint64_t offset = 0;
  const std::uint64_t last_max = piece_bytes + piece_bytes / kSplitSlackFraction;
  for (; piece_bytes != 0 && file.size_bytes - offset > last_max; offset += piece_bytes) {
    packer.Add({file.path, offset, piece_bytes});
  }
  packer.Add({file.path, offset, file.size_bytes - offset});
  return absl::OkStatus();
}

}  // namespace

Compression CompressionOf(std::string_view path) {
  if (EndsWith(path, ".gz")) return Compression::kGzip;
  if (EndsWith(path, ".zst")) return Compression::kZstd;
  return Compression::kNone;
}

absl::StatusOr<std::vector<Split>> PlanSplits(const std::vector<io::FileInfo>& files,
                                              const InputFormat& format,
                                              std::uint64_t split_bytes) {
  const bool fixed = format.kind == InputFormat::Kind::kFixed;
  if (split_bytes == 0 || (fixed && format.record_bytes == 0)) {
    return absl::InvalidArgumentError("split size and record length must be at least 1 byte");
  }
  std::uint64_t total_bytes = 0;
  for (const io::FileInfo& file : files) total_bytes += file.size_bytes;
  Packer packer(std::max<std::uint64_t>(std::min(split_bytes / 16, total_bytes / 32), 1));
  for (const io::FileInfo& file : files) {
    if (file.size_bytes == 0 && format.kind != InputFormat::Kind::kFiles) continue;
    if (fixed && CompressionOf(file.path) == Compression::kNone)
      TRIREME_RETURN_IF_ERROR(CheckSize(file, format.record_bytes));
    TRIREME_RETURN_IF_ERROR(Cut(file, PieceBytes(file, format, split_bytes), packer));
  }
  std::vector<Split> splits = packer.Take();
  if (splits.size() > kSplitsMax) {
    return absl::InvalidArgumentError(
        fmt::format("the input makes {} map tasks, over {}: choose a larger --split-size",
                    splits.size(), kSplitsMax));
  }
  return splits;
}

std::uint32_t DefaultReduces(std::uint64_t total_bytes) {
  constexpr std::uint64_t kBytesPerReduce = 2 * kSplitBytesDefault;
  const bool left = total_bytes % kBytesPerReduce > kBytesPerReduce / 4;
  const std::uint64_t wanted = total_bytes / kBytesPerReduce + (left ? 1 : 0);
  return static_cast<std::uint32_t>(
      std::bit_ceil(std::clamp<std::uint64_t>(wanted, 1, kDefaultReducesMax)));
}

}  // namespace trireme::mapreduce
