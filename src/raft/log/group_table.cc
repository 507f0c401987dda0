#include "raft/log/group_table.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/check.h"
#include "raft/log/options.h"

namespace trireme::raft {
namespace {

/// Cuts the run down to [first, last], its bytes in proportion.
void Shrink(EntryRun& run, Index first, Index last) {
  const std::uint64_t count = run.last - run.first + 1;
  const std::uint64_t left = last - first + 1;
  run.bytes = static_cast<std::uint64_t>(static_cast<unsigned __int128>(run.bytes) * left / count);
  run.first = first;
  run.last = last;
}

/// `next`'s frames are found by reading on from `extent`'s: they come after them, as those of moved
/// entries may not.
bool CanExtend(const Extent& extent, const Extent& next, std::uint32_t bytes_max) {
  return !extent.sealed && extent.place.segment == next.place.segment &&
         extent.run.term == next.run.term && next.run.first - extent.run.last == 1 &&
         next.place.offset >= extent.place.end && next.place.end - extent.place.offset <= bytes_max;
}

void Extend(Extent& extent, const Extent& next) {
  extent.run.last = next.run.last;
  extent.run.bytes += next.run.bytes;
  extent.run.has_configuration |= next.run.has_configuration;
  extent.place.end = next.place.end;
  extent.sealed = next.sealed;
}

template <class Extents>
auto FirstEndingAt(Extents& extents, Index index) {
  return std::lower_bound(extents.begin(), extents.end(), index,
                          [](const Extent& e, Index i) { return e.run.last < i; });
}

}  // namespace

void SegmentUse::Add(const Extent& extent) {
  ++segments_[extent.place.segment];
  ++extents_;
  live_bytes_ += extent.run.bytes;
}

void SegmentUse::Remove(const Extent& extent) {
  const auto found = segments_.find(extent.place.segment);
  TRIREME_CHECK(found != segments_.end());
  if (--found->second == 0) segments_.erase(found);
  --extents_;
  live_bytes_ -= extent.run.bytes;
}

void SegmentUse::Resize(const Extent& extent, std::uint64_t bytes_before) {
  live_bytes_ += extent.run.bytes;
  live_bytes_ -= bytes_before;
}

LogPosition GroupState::last() const {
  return extents.empty() ? dropped_to
                         : LogPosition{extents.back().run.last, extents.back().run.term};
}

std::deque<Extent>::const_iterator GroupState::Find(Index index) const {
  const auto found = FirstEndingAt(extents, index);
  return found != extents.end() && found->run.first <= index ? found : extents.end();
}

std::optional<Term> GroupState::TermAt(Index index) const {
  if (index == dropped_to.index) return dropped_to.term;
  const auto found = Find(index);
  if (found == extents.end()) return std::nullopt;
  return found->run.term;
}

std::uint64_t SummaryBytesMax(std::uint64_t configuration_bytes) {
  constexpr std::uint64_t kNumbers = 9;  // group; term, vote; position, two sizes; position
  return kNumbers * kVarintBytesMax + 1 + configuration_bytes;
}

const GroupState* GroupTable::Find(GroupId group) const {
  const auto found = groups_.find(group);
  return found == groups_.end() ? nullptr : &found->second;
}

GroupChange GroupTable::Summary(GroupId group, const GroupState& state) {
  return {.group = group,
          .hard_state = state.hard_state,
          .snapshot = state.snapshot,
          .dropped_to = state.dropped_to};
}

void GroupTable::Apply(const GroupChange& change, FramePlace place) {
  const auto [at, is_new] = groups_.try_emplace(change.group);
  GroupState& state = at->second;
  if (is_new) checkpoint_bytes_ += SummaryBytesMax(0);
  if (change.hard_state) state.hard_state = *change.hard_state;
  if (change.snapshot) {
    checkpoint_bytes_ += change.snapshot->configuration.size();
    checkpoint_bytes_ -= state.snapshot.configuration.size();
    state.snapshot = *change.snapshot;
  }
  if (change.forget || change.reset) DropFrom(state, Index{1});
  if (change.dropped_to) {
    DropTo(state, change.dropped_to->index);
    state.dropped_to = *change.dropped_to;
  }
  if (!change.moved && !change.runs.empty()) DropFrom(state, change.runs.front().first);
  for (const EntryRun& run : change.runs) {
    change.moved ? Move(state, run, place) : Append(state, run, place);
  }
  if (change.forget) {
    checkpoint_bytes_ -= SummaryBytesMax(state.snapshot.configuration.size());
    groups_.erase(at);
  }
  if (use_.extents() > points_max_) Thin();
}

void GroupTable::Append(GroupState& state, const EntryRun& run, FramePlace place) {
  const Extent extent{run, place};
  if (state.extents.empty() || !CanExtend(state.extents.back(), extent, extent_bytes_max_)) {
    state.extents.push_back(extent);
    use_.Add(extent);
    return;
  }
  Extent& back = state.extents.back();
  const std::uint64_t before = back.run.bytes;
  Extend(back, extent);
  use_.Resize(back, before);
}

/// The entries are somewhere else now, or were not known before. What is left of an extent in
/// front of them ends where they begin, of one behind them begins where they end.
void GroupTable::Move(GroupState& state, const EntryRun& run, FramePlace place) {
  auto at = FirstEndingAt(state.extents, run.first);
  while (at != state.extents.end() && at->run.first <= run.last) {
    Extent before = *at;
    Extent behind = *at;
    use_.Remove(*at);
    at = state.extents.erase(at);
    if (behind.run.last > run.last) {
      Shrink(behind.run, run.last + 1, behind.run.last);
      use_.Add(behind);
      at = state.extents.insert(at, behind);
    }
    if (before.run.first < run.first) {
      Shrink(before.run, before.run.first, run.first - 1);
      before.sealed = true;
      use_.Add(before);
      at = std::next(state.extents.insert(at, before));
    }
  }
  const Extent extent{run, place};
  use_.Add(extent);
  state.extents.insert(at, extent);
}

void GroupTable::DropFrom(GroupState& state, Index first) {
  if (state.last_index() < first) return;
  while (!state.extents.empty() && state.extents.back().run.first >= first) {
    use_.Remove(state.extents.back());
    state.extents.pop_back();
  }
  if (state.extents.empty()) return;
  Extent& back = state.extents.back();
  back.sealed = true;
  if (back.run.last < first) return;
  const std::uint64_t before = back.run.bytes;
  Shrink(back.run, back.run.first, first - 1);
  use_.Resize(back, before);
}

void GroupTable::DropTo(GroupState& state, Index last) {
  while (!state.extents.empty() && state.extents.front().run.last <= last) {
    use_.Remove(state.extents.front());
    state.extents.pop_front();
  }
  if (state.extents.empty() || state.extents.front().run.first > last) return;
  Extent& front = state.extents.front();
  const std::uint64_t before = front.run.bytes;
  Shrink(front.run, last + 1, front.run.last);
  use_.Resize(front, before);
}

/// Lets each extent span twice the bytes, until there are few enough of them or each spans all of
/// its segment.
void GroupTable::Thin() {
  while (use_.extents() > points_max_ / 2 && extent_bytes_max_ < kSegmentBytesMax) {
    extent_bytes_max_ *= 2;
    for (auto& [group, state] : groups_) {
      std::deque<Extent> thinned;
      for (const Extent& extent : state.extents) {
        use_.Remove(extent);
        if (!thinned.empty() && CanExtend(thinned.back(), extent, extent_bytes_max_)) {
          const std::uint64_t before = thinned.back().run.bytes;
          Extend(thinned.back(), extent);
          use_.Resize(thinned.back(), before);
        } else {
          thinned.push_back(extent);
          use_.Add(extent);
        }
      }
      state.extents = std::move(thinned);
    }
  }
}

}  // namespace trireme::raft
