#include "raft/log/entry_reader.h"

#include <algorithm>
#include <deque>
#include <iterator>
#include <map>
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

/// The same where all frames are read.
constexpr std::size_t kSweepWindowBytes = 256u << 10;

/// One allocation and one read serve entries up to this many bytes that lie side by side.
constexpr std::uint64_t kSharedReadBytesMax = 1u << 20;

absl::Status NotWhereItWas(const Segment& segment, std::uint64_t at, Index entry, GroupId group) {
  return Damaged(segment.path, at,
                 fmt::format("entry {} of group {} is not where it was", entry.value, group.value));
}

/// Takes one extent's entries out of the frames that hold them.
class ExtentTaker {
 public:
  ExtentTaker(const ReadPlan& plan, const Extent& extent, std::uint64_t bytes_max,
              bool only_configurations, std::vector<Entry>* entries)
      : group_(plan.group),
        extent_(extent),
        segment_(*plan.segments.at(extent.place.segment)),
        bytes_max_(bytes_max),
        only_configurations_(only_configurations),
        next_(std::max(plan.first, extent.run.first)),
        last_(std::min(plan.last, extent.run.last)),
        entries_(entries) {}

  GroupId group() const { return group_; }
  const FramePlace& place() const { return extent_.place; }
  const Segment& segment() const { return segment_; }
  Index next() const { return next_; }
  bool done() const { return next_ > last_; }

  /// What `sections`, those of the group in the frame, have of it. False: over bytes_max.
  absl::StatusOr<bool> Take(const Frame& frame, std::span<const Section* const> sections,
                            std::uint64_t* bytes) {
    std::vector<EntryInfo> found = Find(sections);
    const bool all = FitInto(*bytes, found);
    next_ = next_ + found.size();
    if (only_configurations_) {
      std::erase_if(found, [](const EntryInfo& e) { return e.kind != EntryKind::kConfiguration; });
    }
    TRIREME_RETURN_IF_ERROR(Load(frame, found));
    return all;
  }

 private:
  /// The group's entries in the frame from `next_` on. A later section drops what an earlier one
  /// has from its first entry on.
  std::vector<EntryInfo> Find(std::span<const Section* const> sections) const {
    std::vector<EntryInfo> found;
    for (const Section* const section : sections) {
      if (section->entries.empty()) continue;
      const Index first = section->entries.front().index;
      const std::uint64_t kept = first > next_ ? first - next_ : 0;
      if (kept < found.size()) found.resize(kept);
      for (const EntryInfo& entry : section->entries) {
        if (entry.index < next_ || entry.index > last_ || entry.index - next_ != found.size())
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
                                   info.index.value, group_.value));
      entries_->push_back({info.index, info.term, info.kind, data.Slice(part)});
    }
    return absl::OkStatus();
  }

  const GroupId group_;
  const Extent& extent_;
  const Segment& segment_;
  const std::uint64_t bytes_max_;
  const bool only_configurations_;
  Index next_;
  const Index last_;
  std::vector<Entry>* const entries_;
};

/// All extents of one segment, from its front to its end.
class SegmentSweep {
 public:
  explicit SegmentSweep(std::vector<ExtentTaker*> takers)
      : takers_(std::move(takers)), reader_(takers_.front()->segment(), kSweepWindowBytes) {
    std::sort(takers_.begin(), takers_.end(), [](const ExtentTaker* a, const ExtentTaker* b) {
      return a->place().offset < b->place().offset;
    });
  }

  absl::Status Run() {
    std::uint64_t at = takers_.front()->place().offset;
    for (std::size_t begun = 0; begun < takers_.size() || !active_.empty();) {
      if (active_.empty()) at = std::max<std::uint64_t>(at, takers_[begun]->place().offset);
      for (; begun < takers_.size() && takers_[begun]->place().offset <= at; ++begun)
        active_.emplace(takers_[begun]->group(), takers_[begun]);
      TRIREME_ASSIGN_OR_RETURN(const auto frame, reader_.Read(at, /*with_data=*/false));
      if (!frame) return Damaged(takers_.front()->segment().path, at, reader_.why());
      TRIREME_RETURN_IF_ERROR(Take(*frame));
      at = frame->end();
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Take(const Frame& frame) {
    std::map<GroupId, std::vector<const Section*>> sections;
    for (const Section& section : frame.descriptor.sections)
      sections[section.change.group].push_back(&section);
    for (const auto& [group, own] : sections) {
      auto [at, end] = active_.equal_range(group);
      while (at != end) {
        ExtentTaker& taker = *at->second;
        std::uint64_t bytes = 0;
        TRIREME_RETURN_IF_ERROR(taker.Take(frame, own, &bytes).status());
        if (!taker.done() && frame.end() >= taker.place().end)
          return NotWhereItWas(taker.segment(), frame.offset, taker.next(), group);
        at = taker.done() ? active_.erase(at) : std::next(at);
      }
    }
    return absl::OkStatus();
  }

  std::vector<ExtentTaker*> takers_;
  LogFrameReader reader_;
  std::multimap<GroupId, ExtentTaker*> active_;
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
    ExtentTaker taker(plan, extent, bytes_max, /*only_configurations=*/false, entries);
    LogFrameReader reader(taker.segment(), kReadWindowBytes);
    for (std::uint64_t at = extent.place.offset; !taker.done();) {
      if (at >= extent.place.end)
        return NotWhereItWas(taker.segment(), at, taker.next(), plan.group);
      TRIREME_ASSIGN_OR_RETURN(const auto frame, reader.Read(at, /*with_data=*/false));
      if (!frame) return Damaged(taker.segment().path, at, reader.why());
      std::vector<const Section*> own;
      for (const Section& section : frame->descriptor.sections) {
        if (section.change.group == plan.group) own.push_back(&section);
      }
      TRIREME_ASSIGN_OR_RETURN(const bool more, taker.Take(*frame, own, &bytes));
      if (!more) return absl::OkStatus();
      at = frame->end();
    }
  }
  return absl::OkStatus();
}

absl::Status ReadAllEntries(std::span<WantedEntries> wanted) {
  std::deque<ExtentTaker> takers;
  std::deque<std::vector<Entry>> taken;  // by extent: their order is not that of the segments
  std::map<std::uint64_t, std::vector<ExtentTaker*>> by_segment;
  for (const WantedEntries& one : wanted) {
    for (const Extent& extent : one.plan.extents) {
      ExtentTaker& taker = takers.emplace_back(one.plan, extent, UINT64_MAX,
                                               one.only_configurations, &taken.emplace_back());
      by_segment[extent.place.segment].push_back(&taker);
    }
  }
  for (auto& [segment, of_segment] : by_segment)
    TRIREME_RETURN_IF_ERROR(SegmentSweep(std::move(of_segment)).Run());
  for (WantedEntries& one : wanted) {
    for (std::size_t i = 0; i < one.plan.extents.size(); ++i) {
      std::move(taken.front().begin(), taken.front().end(), std::back_inserter(one.entries));
      taken.pop_front();
    }
  }
  return absl::OkStatus();
}

}  // namespace trireme::raft
