#include "raft/log/change_planner.h"

#include <algorithm>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "raft/log/options.h"

namespace trireme::raft {
namespace {

template <class... Values>
absl::Status Refuse(GroupId group, fmt::format_string<const Values&...> format,
                    const Values&... values) {
  return absl::InvalidArgumentError(fmt::format("group {}: {}; nothing of the batch is written",
                                                group.value, fmt::format(format, values...)));
}

}  // namespace

Index ChangePlanner::View::last_index() const {
  return runs.empty() ? std::max(kept, dropped_to.index) : runs.back().last;
}

std::optional<Term> ChangePlanner::View::TermAt(Index index) const {
  if (index == dropped_to.index) return dropped_to.term;
  if (index < dropped_to.index || index > last_index()) return std::nullopt;
  for (auto run = runs.rbegin(); run != runs.rend(); ++run) {
    if (run->first <= index) return run->term;
  }
  return state->TermAt(index);
}

void ChangePlanner::View::DropFrom(Index first) {
  while (!runs.empty() && runs.back().first >= first) runs.pop_back();
  if (!runs.empty()) runs.back().last = std::min(runs.back().last, first - 1);
  kept = std::min(kept, first - 1);
}

void ChangePlanner::View::Reset(LogPosition to) {
  runs.clear();
  kept = Index{};
  dropped_to = to;
}

ChangePlanner::View& ChangePlanner::ViewOf(GroupId group) {
  const auto [at, is_new] = views_.try_emplace(group);
  if (!is_new) return at->second;
  View& view = at->second;
  view.state = table_.Find(group);
  if (view.state == nullptr) {
    summary_bytes_ += SummaryBytesMax(0);
    return view;
  }
  view.snapshot = view.state->snapshot.last;
  view.dropped_to = view.state->dropped_to;
  view.kept = view.state->last_index();
  return view;
}

absl::StatusOr<GroupChange> ChangePlanner::Plan(const GroupWrite& write) {
  View& view = ViewOf(write.group);
  GroupChange change{.group = write.group, .forget = write.forget, .hard_state = write.hard_state};
  if (write.forget) {
    if (write.hard_state || write.snapshot || !write.entries.empty() || write.drop_to != Index{})
      return Refuse(write.group, "it is to be forgotten, and more is to be written of it");
    view = View{};
    return change;
  }
  if (write.snapshot) TRIREME_RETURN_IF_ERROR(PlanSnapshot(write, view, change));
  if (write.drop_to > view.dropped_to.index) TRIREME_RETURN_IF_ERROR(PlanDrop(write, view, change));
  if (!write.entries.empty()) TRIREME_RETURN_IF_ERROR(PlanEntries(write, view, change));
  return change;
}

absl::Status ChangePlanner::PlanSnapshot(const GroupWrite& write, View& view, GroupChange& change) {
  const LogPosition last = write.snapshot->last;
  if ((last.index.value == 0) != (last.term.value == 0))
    return Refuse(write.group, "a snapshot at index {} of term {}", last.index.value,
                  last.term.value);
  if (last.index < view.snapshot.index || last.term < view.snapshot.term)
    return Refuse(write.group, "a snapshot at {} after one at {}", last.index.value,
                  view.snapshot.index.value);
  if (write.snapshot->configuration.size() > kConfigurationBytesMax)
    return Refuse(write.group, "a configuration of {} bytes, over the limit of {}",
                  write.snapshot->configuration.size(), kConfigurationBytesMax);
  summary_bytes_ += write.snapshot->configuration.size();
  change.snapshot = write.snapshot;
  view.snapshot = last;
  if (view.TermAt(last.index) == last.term) return absl::OkStatus();
  change.dropped_to = last;
  change.reset = true;
  view.Reset(last);
  return absl::OkStatus();
}

absl::Status ChangePlanner::PlanDrop(const GroupWrite& write, View& view, GroupChange& change) {
  const std::optional<Term> term = view.TermAt(write.drop_to);
  if (write.drop_to > view.snapshot.index || !term)
    return Refuse(write.group,
                  "entries up to {} are to leave a log that ends at {}, with the "
                  "snapshot at {}",
                  write.drop_to.value, view.last_index().value, view.snapshot.index.value);
  view.dropped_to = {write.drop_to, *term};
  change.dropped_to = view.dropped_to;
  return absl::OkStatus();
}

absl::Status ChangePlanner::PlanEntries(const GroupWrite& write, View& view, GroupChange& change) {
  const Index first = write.entries.front().index;
  if (first <= view.dropped_to.index || first > view.last_index() + 1)
    return Refuse(write.group, "entries from {} on for a log of the entries after {} up to {}",
                  first.value, view.dropped_to.index.value, view.last_index().value);
  Term term = *view.TermAt(first - 1);
  Index next = first;
  for (const Entry& entry : write.entries) {
    if (entry.index != next || entry.term < term || entry.term.value == 0)
      return Refuse(write.group, "entry {} of term {} after entry {} of term {}", entry.index.value,
                    entry.term.value, next.value - 1, term.value);
    AddToRuns(entry.index, entry.term, entry.kind, entry.data.size(), change.runs);
    term = entry.term;
    ++next;
  }
  view.DropFrom(first);
  view.runs.insert(view.runs.end(), change.runs.begin(), change.runs.end());
  return absl::OkStatus();
}

}  // namespace trireme::raft
