#include "cli/kv/bolt_snapshot.h"

#include <cstring>
#include <optional>

#include "base/crc32c.h"
#include "base/status_macros.h"
#include "cli/kv/failure.h"
#include "fmt/format.h"
#include "io/file.h"

namespace trireme::kvcli {
namespace {

// bbolt's page.go and db.go: little-endian, a header before each page.
constexpr std::uint32_t kMagic = 0xED0CDAED;
constexpr std::size_t kPageHeader = 16, kMetaBytes = 64, kBucketHeader = 16;
constexpr std::size_t kBranchElement = 16, kLeafElement = 16;
constexpr std::uint16_t kBranch = 1, kLeaf = 2;
constexpr std::uint32_t kIsBucket = 1;
constexpr int kDepthMax = 64;
constexpr std::size_t kPageBytesMax = 1u << 30;

template <class Number>
Number At(std::string_view bytes, std::size_t offset) {
  Number value = 0;
  if (offset <= bytes.size() && bytes.size() - offset >= sizeof value)
    std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

absl::Status Damaged(const std::string& what) {
  return Fail(kError, fmt::format("snapshot file integrity check failed: {}", what));
}

/// A page with its overflow, or one that lies within a bucket's value.
struct Page {
  std::string_view bytes;
  std::uint16_t flags() const { return At<std::uint16_t>(bytes, 8); }
  std::uint16_t count() const { return At<std::uint16_t>(bytes, 10); }

  /// `size` bytes at `position` from the element's beginning; nothing if they are not all there.
  std::optional<std::string_view> Slice(std::size_t element, std::uint64_t position,
                                        std::uint64_t size) const {
    const std::uint64_t begin = element + position;
    if (begin > bytes.size() || size > bytes.size() - begin) return std::nullopt;
    return bytes.substr(begin, size);
  }
};

class Bolt {
 public:
  explicit Bolt(io::File file) : file_(std::move(file)) {}

  absl::StatusOr<SnapshotStatus> Status() {
    TRIREME_ASSIGN_OR_RETURN(size_, file_.Size());
    TRIREME_RETURN_IF_ERROR(ReadMeta());
    TRIREME_RETURN_IF_ERROR(WalkPage(root_, 0, true));
    status_.hash = hash_;
    status_.size_bytes = static_cast<std::int64_t>(pages_ * page_bytes_);
    return status_;
  }

 private:
  absl::Status ReadMeta() {
    std::string head(1u << 18, '\0');
    TRIREME_ASSIGN_OR_RETURN(const std::size_t size, file_.ReadAt(0, head.data(), head.size()));
    head.resize(size);
    page_bytes_ = At<std::uint32_t>(head, kPageHeader + 8);
    if (page_bytes_ < 512 || page_bytes_ > head.size() / 2) return Damaged("its page size");
    std::uint64_t newest = 0;
    for (const std::size_t at : {kPageHeader, page_bytes_ + kPageHeader}) {
      const std::string_view meta = std::string_view(head).substr(at, kMetaBytes);
      if (At<std::uint32_t>(meta, 0) != kMagic || At<std::uint64_t>(meta, 48) < newest) continue;
      newest = At<std::uint64_t>(meta, 48);
      root_ = At<std::uint64_t>(meta, 16);
      pages_ = At<std::uint64_t>(meta, 40);
    }
    if (pages_ == 0 || pages_ > size_ / page_bytes_) return Damaged("its number of pages");
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> ReadPage(std::uint64_t id) {
    if (++pages_read_ > pages_) return Damaged("its tree has a loop");
    std::string head(kPageHeader, '\0');
    if (id >= pages_) return Damaged(fmt::format("it names page {} of {}", id, pages_));
    TRIREME_RETURN_IF_ERROR(file_.ReadAt(id * page_bytes_, head.data(), head.size()).status());
    const std::uint64_t more = At<std::uint32_t>(head, 12);
    if (more >= pages_ - id || (more + 1) * page_bytes_ > kPageBytesMax)
      return Damaged(fmt::format("the length of page {}", id));
    std::string bytes((more + 1) * page_bytes_, '\0');
    TRIREME_ASSIGN_OR_RETURN(const std::size_t size,
                             file_.ReadAt(id * page_bytes_, bytes.data(), bytes.size()));
    if (size < bytes.size()) return Damaged(fmt::format("page {} is cut short", id));
    return bytes;
  }

  absl::Status WalkPage(std::uint64_t id, int depth, bool of_buckets) {
    if (depth > kDepthMax) return Damaged("its tree is too deep");
    TRIREME_ASSIGN_OR_RETURN(const std::string bytes, ReadPage(id));
    return Walk({bytes}, depth, of_buckets);
  }

  absl::Status Walk(const Page& page, int depth, bool of_buckets) {
    if (page.flags() == kLeaf) return WalkLeaf(page, depth, of_buckets);
    if (page.flags() != kBranch)
      return Damaged(fmt::format("a page of the kind {:x} in its tree", page.flags()));
    for (std::size_t i = 0; i < page.count(); ++i) {
      const std::size_t element = kPageHeader + i * kBranchElement;
      if (!page.Slice(element, 0, kBranchElement)) return Damaged("a page's elements");
      TRIREME_RETURN_IF_ERROR(
          WalkPage(At<std::uint64_t>(page.bytes, element + 8), depth + 1, of_buckets));
    }
    return absl::OkStatus();
  }

  absl::Status WalkLeaf(const Page& page, int depth, bool of_buckets) {
    for (std::size_t i = 0; i < page.count(); ++i) {
      const std::size_t element = kPageHeader + i * kLeafElement;
      const std::uint64_t position = At<std::uint32_t>(page.bytes, element + 4);
      const std::uint64_t key_size = At<std::uint32_t>(page.bytes, element + 8);
      const auto key = page.Slice(element, position, key_size);
      const auto value =
          page.Slice(element, position + key_size, At<std::uint32_t>(page.bytes, element + 12));
      if (!key || !value) return Damaged("a page's elements");
      const bool bucket = (At<std::uint32_t>(page.bytes, element) & kIsBucket) != 0;
      if (bucket != of_buckets) return Damaged("a bucket where a key should be");
      if (bucket) {
        TRIREME_RETURN_IF_ERROR(WalkBucket(*key, *value, depth));
      } else {
        Count(*key, *value);
      }
    }
    return absl::OkStatus();
  }

  absl::Status WalkBucket(std::string_view name, std::string_view value, int depth) {
    if (value.size() < kBucketHeader) return Damaged("a bucket's header");
    hash_ = Crc32c(name, hash_);
    of_keys_ = name == "key";
    const auto root = At<std::uint64_t>(value, 0);
    if (root != 0) return WalkPage(root, depth + 1, false);
    // The bucket is small and lies within its own value.
    return Walk({value.substr(kBucketHeader)}, depth + 1, false);
  }

  void Count(std::string_view key, std::string_view value) {
    hash_ = Crc32c(value, Crc32c(key, hash_));
    ++status_.keys;
    if (!of_keys_ || key.size() < 8) return;
    std::uint64_t revision = 0;
    for (const char c : key.substr(0, 8)) revision = revision << 8 | static_cast<unsigned char>(c);
    status_.revision = static_cast<std::int64_t>(revision);
  }

  io::File file_;
  std::uint64_t size_ = 0, page_bytes_ = 0, root_ = 0, pages_ = 0, pages_read_ = 0;
  bool of_keys_ = false;
  std::uint32_t hash_ = 0;
  SnapshotStatus status_;
};

}  // namespace

bool IsBolt(std::string_view first_bytes) {
  return At<std::uint32_t>(first_bytes, kPageHeader) == kMagic;
}

absl::StatusOr<SnapshotStatus> BoltStatus(const std::string& path) {
  auto file = io::File::OpenForRead(path);
  if (!file.ok()) return Fail(kError, std::string(file.status().message()));
  return Bolt(*std::move(file)).Status();
}

}  // namespace trireme::kvcli
