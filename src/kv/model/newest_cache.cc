#include "kv/model/newest_cache.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include "absl/hash/hash.h"
#include "base/check.h"

namespace trireme::kv::inline engine {
namespace {

/// At most as many bytes of entries for each slot, so that slots suffice for the shortest keys.
constexpr std::size_t kRingBytesPerSlot = 24;
constexpr std::size_t kRingBytesMin = 4096, kRingBytesMax = std::size_t{1} << 26;

std::size_t HashOf(std::string_view key) {
  return absl::HashOf(absl::string_view(key.data(), key.size()));
}
std::uint32_t TagOf(std::size_t hash) {
  return static_cast<std::uint32_t>(hash >> 56);
}

}  // namespace

/// At most, the slots take between a sixth and a third of what the entries do.
NewestCache::NewestCache(std::size_t bytes_max)
    : ring_bytes_(std::clamp(bytes_max / 5 * 4, kRingBytesMin, kRingBytesMax) / kUnitBytes *
                  kUnitBytes),
      buckets_max_(std::bit_ceil(ring_bytes_ / kRingBytesPerSlot / kBucketSlots)),
      bucket_mask_(std::min(kBucketsMin, buckets_max_) - 1),
      ring_(static_cast<char*>(std::calloc(ring_bytes_, 1))),
      slots_(NewSlots(bucket_mask_ + 1)) {
  TRIREME_CHECK(ring_ != nullptr);
}

NewestCache::Slots NewestCache::NewSlots(std::size_t buckets) {
  Slots slots(static_cast<Slot*>(std::calloc(buckets * kBucketSlots, sizeof(Slot))));
  TRIREME_CHECK(slots != nullptr);
  return slots;
}

/// Each bucket becomes two, so that none of them has too many.
void NewestCache::Grow() {
  const std::size_t slots = (bucket_mask_ + 1) * kBucketSlots;
  const Slots before = std::exchange(slots_, NewSlots(2 * (bucket_mask_ + 1)));
  bucket_mask_ = 2 * bucket_mask_ + 1;
  for (std::size_t i = 0; i < slots; ++i) {
    if (before[i].place == 0) continue;
    Slot* bucket = BucketOf(HashOf(KeyOf(At((before[i].place - 1) * kUnitBytes))));
    *std::find_if(bucket, bucket + kBucketSlots, [](const Slot& s) { return s.place == 0; }) =
        before[i];
  }
}

std::size_t NewestCache::BytesOf(const Entry& entry) {
  return (sizeof(Entry) + entry.key_size + kUnitBytes - 1) / kUnitBytes * kUnitBytes;
}

NewestCache::Slot* NewestCache::FindSlot(std::size_t hash, std::string_view key) const {
  Slot* bucket = BucketOf(hash);
  for (Slot* slot = bucket; slot < bucket + kBucketSlots; ++slot) {
    if (slot->place == 0 || slot->tag != TagOf(hash)) continue;
    if (KeyOf(At((slot->place - 1) * kUnitBytes)) == key) return slot;
  }
  return nullptr;
}

bool NewestCache::Find(std::string_view key, Revision* revision, VersionRecord* record) const {
  const Slot* slot = FindSlot(HashOf(key), key);
  if (slot == nullptr) return false;
  const Entry& entry = At((slot->place - 1) * kUnitBytes);
  *revision = {entry.main, entry.sub};
  *record = {.create_revision = entry.create_revision, .version = entry.version};
  return true;
}

void NewestCache::Set(std::string_view key, Revision revision, const VersionRecord& record) {
  const std::size_t hash = HashOf(key);
  Slot* slot = FindSlot(hash, key);
  const bool fits = !record.tombstone && record.lease == kNoLease && key.size() <= kKeyBytesMax &&
                    record.version <= std::numeric_limits<std::uint32_t>::max() &&
                    revision.sub <= std::numeric_limits<std::uint16_t>::max();
  if (!fits) {
    if (slot != nullptr) *slot = {};
    return;
  }
  const Entry entry = {
      revision.main, record.create_revision, static_cast<std::uint32_t>(record.version),
      static_cast<std::uint16_t>(revision.sub), static_cast<std::uint16_t>(key.size())};
  if (slot != nullptr) {
    At((slot->place - 1) * kUnitBytes) = entry;
    return;
  }
  const std::size_t offset = Append(entry, key);
  if (count_ > (bucket_mask_ + 1) * kBucketSlots / 2 && bucket_mask_ + 1 < buckets_max_) Grow();
  Slot* bucket = BucketOf(hash);
  slot = std::find_if(bucket, bucket + kBucketSlots, [](const Slot& s) { return s.place == 0; });
  if (slot == bucket + kBucketSlots) slot = bucket + revision.main % kBucketSlots;
  *slot = {static_cast<std::uint32_t>(offset / kUnitBytes + 1), TagOf(hash)};
}

/// Entries are not cut in two: what does not fit before the end of the ring begins it anew.
std::size_t NewestCache::Append(const Entry& entry, std::string_view key) {
  const std::size_t bytes = BytesOf(entry);
  if (next_ + bytes > ring_bytes_) {
    while (count_ > 0 && oldest_ >= next_) DropOldest();
    end_ = next_;
    next_ = 0;
    if (count_ == 0) oldest_ = 0;
  }
  while (count_ > 0 && oldest_ >= next_ && oldest_ < next_ + bytes) DropOldest();
  At(next_) = entry;
  std::memcpy(ring_.get() + next_ + sizeof(Entry), key.data(), key.size());
  ++count_;
  const std::size_t offset = next_;
  next_ += bytes;
  return offset;
}

void NewestCache::DropOldest() {
  const Entry& entry = At(oldest_);
  const std::size_t hash = HashOf(KeyOf(entry));
  Slot* bucket = BucketOf(hash);
  for (Slot* slot = bucket; slot < bucket + kBucketSlots; ++slot)
    if (slot->place == oldest_ / kUnitBytes + 1) *slot = {};
  oldest_ += BytesOf(entry);
  --count_;
  if (oldest_ == end_ && next_ < end_) oldest_ = 0;
  if (count_ == 0) oldest_ = next_;
}

}  // namespace trireme::kv::inline engine
