#include "raft/core/log_view.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.h"

namespace trireme::raft {

LogView::LogView(LogPosition base) {
  Reset(base);
}

void LogView::Reset(LogPosition base) {
  base_ = base;
  last_ = base.index;
  memory_first_ = base.index + 1;
  bytes_ = 0;
  entries_.clear();
  runs_.assign(1, {base.index, base.term});
}

/// The run that holds `index`, which is not below the base.
std::size_t LogView::RunOf(Index index) const {
  const auto above = std::upper_bound(runs_.begin(), runs_.end(), index,
                                      [](Index i, const TermRun& run) { return i < run.first; });
  return static_cast<std::size_t>(std::distance(runs_.begin(), above)) - 1;
}

std::optional<Term> LogView::TermAt(Index index) const {
  if (index < base_.index || index > last_) return std::nullopt;
  if (index >= runs_.back().first) return runs_.back().term;
  return runs_[RunOf(index)].term;
}

LogPosition LogView::LastWithin(LogPosition bound) const {
  Index index = std::min(bound.index, last_);
  if (index <= base_.index) return base_;
  for (std::size_t run = RunOf(index); run > 0; --run) {
    if (runs_[run].term <= bound.term) return {index, runs_[run].term};
    index = runs_[run].first - 1;
  }
  return index > base_.index && base_.term <= bound.term ? LogPosition{index, base_.term} : base_;
}

void LogView::Append(Entry entry) {
  TRIREME_CHECK(entry.index == last_ + 1 && entry.term >= runs_.back().term);
  if (entry.term != runs_.back().term) runs_.push_back({entry.index, entry.term});
  ++last_;
  bytes_ += entry.data.size();
  entries_.push_back(std::move(entry));
}

void LogView::AppendOlder(Term term, std::uint64_t count) {
  TRIREME_CHECK(entries_.empty() && term >= runs_.back().term);
  if (count > 0 && term != runs_.back().term) runs_.push_back({last_ + 1, term});
  last_ = last_ + count;
  memory_first_ = last_ + 1;
}

void LogView::TruncateFrom(Index from) {
  TRIREME_CHECK(from > base_.index && from <= last_);
  while (!entries_.empty() && last_ >= from) {
    bytes_ -= entries_.back().data.size();
    entries_.pop_back();
    last_ = last_ - 1;
  }
  last_ = from - 1;
  memory_first_ = std::min(memory_first_, from);
  while (runs_.size() > 1 && runs_.back().first >= from) runs_.pop_back();
}

void LogView::DropFront() {
  bytes_ -= entries_.front().data.size();
  entries_.pop_front();
  ++memory_first_;
}

void LogView::EvictTo(Index index) {
  while (memory_first_ <= index && !entries_.empty()) DropFront();
}

void LogView::CompactTo(Index index) {
  TRIREME_CHECK(index >= base_.index && index <= last_);
  EvictTo(index);
  memory_first_ = std::max(memory_first_, index + 1);
  base_ = {index, *TermAt(index)};
  runs_.erase(runs_.begin(), runs_.begin() + static_cast<std::ptrdiff_t>(RunOf(index)));
  runs_.front().first = index;
}

std::uint64_t LogView::CopyTo(std::vector<Entry>* to, Index first, Index last,
                              std::uint64_t bytes_max, std::uint64_t count_max) const {
  TRIREME_CHECK(first >= memory_first_ && last <= last_);
  std::uint64_t bytes = 0;
  std::uint64_t count = 0;
  Index end = first;
  for (; end <= last && count < count_max; ++end, ++count) {
    bytes += At(end).data.size();
    if (bytes > bytes_max && count > 0) {
      bytes -= At(end).data.size();
      break;
    }
  }
  to->reserve(to->size() + count);
  for (Index i = first; i < end; ++i) to->push_back(At(i));
  return bytes;
}

}  // namespace trireme::raft
