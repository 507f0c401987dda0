#include "raft/log/entry_reader.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/crc32c.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "raft/log/frame_reader.h"

namespace trireme::raft {
namespace {

/// Enough for the header and descriptor of most batches; data is read by itself.
constexpr std::size_t kReadWindowBytes = 4096;

/// One allocation and one read serve entries up to this many bytes that lie side by side.
constexpr std::uint64_t kSharedReadBytesMax = 1u << 20;

class ExtentReader {
 public:
  ExtentReader(const ReadPlan& plan, const Extent& extent, std::uint64_t bytes_max,
               std::vector<Entry>* entries)
      : plan_(plan),
        extent_(extent),
        segment_(*plan.segments.at(extent.place.segment)),
        bytes_max_(bytes_max),
        entries_(entries),
        reader_(segment_, kReadWindowBytes) {}

  /// True: go on with the next extent.
  absl::StatusOr<bool> Read(std::uint64_t* bytes) {
    Index next = std::max(plan_.first, extent_.run.first);
    const Index last = std::min(plan_.last, extent_.run.last);
    for (std::uint64_t at = extent_.place.offset; next <= last;) {
      if (at >= extent_.place.end)
        return Damaged(
            segment_.path, at,
            fmt::format("entry {} of group {} is not where it was", next.value, plan_.group.value));
      TRIREME_ASSIGN_OR_RETURN(const auto frame, reader_.Read(at, /*with_data=*/false));
      if (!frame) return Damaged(segment_.path, at, reader_.why());
      std::vector<EntryInfo> found = Find(*frame, next, last);
      const bool all = FitInto(*bytes, found);
      TRIREME_RETURN_IF_ERROR(Load(*frame, found));
      if (!all) return false;
      next = next + found.size();
      at = frame->end();
    }
    return true;
  }

 private:
  /// The group's entries in the frame from `next` on. A later section drops what an earlier one has
  /// from its first entry on.
  std::vector<EntryInfo> Find(const Frame& frame, Index next, Index last) const {
    std::vector<EntryInfo> found;
    for (const Section& section : frame.descriptor.sections) {
      if (section.change.group != plan_.group || section.entries.empty()) continue;
      const Index first = section.entries.front().index;
      const std::uint64_t kept = first > next ? first - next : 0;
      if (kept < found.size()) found.resize(kept);
      for (const EntryInfo& entry : section.entries) {
        if (entry.index < next || entry.index > last || entry.index - next != found.size())
          continue;
        if (entry.term == extent_.run.term) found.push_back(entry);
      }
    }
    return found;
  }

  /// Drops what is beyond bytes_max_; false when something is.
  bool FitInto(std::uint64_t& bytes, std::vector<EntryInfo>& found) const {
    for (std::size_t i = 0; i < found.size(); ++i) {
      const bool first = entries_->empty() && i == 0;
      if (!first && bytes + found[i].size_bytes > bytes_max_) {
        found.resize(i);
        return false;
      }
      bytes += found[i].size_bytes;
    }
    return true;
  }

  absl::Status Load(const Frame& frame, std::span<const EntryInfo> found) {
    while (!found.empty()) {
      const std::size_t n = SideBySide(found);
      TRIREME_RETURN_IF_ERROR(LoadSome(frame, found.first(n)));
      found = found.subspan(n);
    }
    return absl::OkStatus();
  }

  /// How many of the first entries one read serves.
  static std::size_t SideBySide(std::span<const EntryInfo> found) {
    std::size_t n = 1;
    std::uint64_t end = found[0].data_offset + found[0].size_bytes;
    while (n < found.size() && found[n].data_offset == end &&
           end + found[n].size_bytes - found[0].data_offset <= kSharedReadBytesMax) {
      end += found[n++].size_bytes;
    }
    return n;
  }

  absl::Status LoadSome(const Frame& frame, std::span<const EntryInfo> found) {
    const std::uint64_t base = found.front().data_offset;
    const std::uint64_t offset = frame.data_offset() + base;
    std::string bytes(found.back().data_offset + found.back().size_bytes - base, '\0');
    const auto read = segment_.file->ReadAt(offset, bytes.data(), bytes.size());
    if (!read.ok()) return Damaged(segment_.path, offset, read.status().ToString());
    const SharedBytes data = SharedBytes::Own(std::move(bytes));
    for (const EntryInfo& info : found) {
      const auto part = data.view().substr(info.data_offset - base, info.size_bytes);
      if (Crc32c(part) != info.checksum)
        return Damaged(segment_.path, frame.data_offset() + info.data_offset,
                       fmt::format("the data of entry {} of group {} has a wrong checksum",
                                   info.index.value, plan_.group.value));
      entries_->push_back({info.index, info.term, info.kind, data.Slice(part)});
    }
    return absl::OkStatus();
  }

  const ReadPlan& plan_;
  const Extent& extent_;
  const Segment& segment_;
  const std::uint64_t bytes_max_;
  std::vector<Entry>* const entries_;
  LogFrameReader reader_;
};

}  // namespace

ReadPlan PlanRead(GroupId group, const GroupState& state, const SegmentMap& segments, Index first,
                  Index last, std::uint64_t bytes_max) {
  ReadPlan plan{.group = group, .first = first, .last = last};
  std::uint64_t bytes = 0;  // not of the first extent, of which a part may be wanted
  for (auto at = state.Find(first); at != state.extents.end() && at->run.first <= last; ++at) {
    if (!plan.extents.empty() && bytes > bytes_max) break;
    if (!plan.extents.empty()) bytes += at->run.bytes;
    plan.extents.push_back(*at);
    plan.segments.insert(*segments.find(at->place.segment));
  }
  return plan;
}

absl::Status ReadEntries(const ReadPlan& plan, std::uint64_t bytes_max,
                         std::vector<Entry>* entries) {
  std::uint64_t bytes = 0;
  for (const Extent& extent : plan.extents) {
    ExtentReader reader(plan, extent, bytes_max, entries);
    TRIREME_ASSIGN_OR_RETURN(const bool more, reader.Read(&bytes));
    if (!more) break;
  }
  return absl::OkStatus();
}

}  // namespace trireme::raft
