#pragma once

#include <array>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "kv/model/layout.h"
#include "kv/store/files_cursor.h"
#include "rocksdb/slice.h"
#include "rocksdb/status.h"

/// How entries are dealt to families.
namespace trireme::kv::inline engine {

inline rocksdb::Slice Slice(std::string_view bytes) {
  return {bytes.data(), bytes.size()};
}
inline std::string_view View(const rocksdb::Slice& slice) {
  return {slice.data(), slice.size()};
}

inline absl::Status Failed(std::string_view what, const std::string& directory,
                           const rocksdb::Status& status) {
  const std::string text =
      fmt::format("{} the store in {}: {}", what, directory, status.ToString());
  if (status.IsCorruption())
    return absl::DataLossError(text + "; restore this member from a snapshot or from the others");
  // Busy, too large a merge: what becomes of a lack of room.
  if (status.IsNoSpace() || status.IsBusy() || status.IsCompactionTooLarge())
    return absl::ResourceExhaustedError(text + "; free space");
  return absl::UnavailableError(text);
}

// The order of all entries is cut into segments, each in one family.
inline constexpr std::array<Family, 5> kSegments = {Family::kRest, Family::kVersions, Family::kRest,
                                                    Family::kHistory, Family::kRest};
inline constexpr int kSegmentCount = static_cast<int>(kSegments.size());

inline int SegmentOf(std::string_view key) {
  const auto tag = key.empty() ? 0 : static_cast<unsigned char>(key[0]);
  if (tag <= kVersionTag) return tag == kVersionTag ? 1 : 0;
  if (tag <= kRevisionTag) return tag == kRevisionTag ? 3 : 2;
  return 4;
}

/// Of segments other than the first.
inline constexpr std::array<char, kSegments.size()> kSegmentStarts = {
    0, kVersionTag, kVersionTag + 1, kRevisionTag, kRevisionTag + 1};

inline Family FamilyOf(std::string_view key) {
  return kSegments[static_cast<std::size_t>(SegmentOf(key))];
}

/// A newest version with a larger value says where it is, and not the value again.
inline constexpr std::size_t kRepeatedBytesMax = 4 << 10;
/// Among the newest versions, before all of them: none is missing.
inline constexpr std::string_view kNewestComplete = "complete";

/// What stands under the key's prefix for its newest version.
inline void AppendNewest(std::string& to, std::string_view version_key, std::string_view version) {
  to.append(version_key.substr(version_key.size() - kRevisionBytes));
  if (version.size() <= kRepeatedBytesMax) to.append(version);
}

}  // namespace trireme::kv::inline engine
