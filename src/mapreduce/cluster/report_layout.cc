#include "mapreduce/cluster/report_layout.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

namespace trireme::mapreduce {
namespace {

using TaskKey = std::pair<plan::Phase, std::uint32_t>;

TaskKey KeyOf(const ReportAttempt& attempt) {
  return {attempt.phase, attempt.index};
}

BarLook LookOf(const ReportAttempt& attempt) {
  switch (attempt.end) {
    case plan::AttemptEnd::kFailed:
    case plan::AttemptEnd::kLostWorker:
      return BarLook::kFailed;
    case plan::AttemptEnd::kKilled:
      return BarLook::kKilled;
    default:
      break;
  }
  if (attempt.kind == plan::AttemptKind::kBackup) return BarLook::kBackup;
  return attempt.phase == plan::Phase::kMap ? BarLook::kMap : BarLook::kReduce;
}

/// Puts the attempts of one row, which follow each other, into bars.
class RowBuilder {
 public:
  /// A bar narrower than this takes its neighbours in, until it is that wide.
  explicit RowBuilder(double narrow_ms) : narrow_ms_(narrow_ms) {}

  bool Accepts(const ReportAttempt& attempt) const {
    return bars_.empty() || bars_.back().end_ms <= attempt.start_ms;
  }

  void Add(std::size_t index, const ReportAttempt& attempt, const AttemptRole& role) {
    const std::int64_t end_ms = std::max(attempt.end_ms, attempt.start_ms);
    if (bars_.empty() || !Shares(bars_.back(), attempt, role, end_ms)) {
      bars_.emplace_back();
      bars_.back().first = index;
      bars_.back().start_ms = attempt.start_ms;
      bars_.back().look = role.look;
    }
    TimelineBar& bar = bars_.back();
    bar.end_ms = end_ms;
    bar.look = std::max(bar.look, role.look);
    ++bar.attempts;
    bar.retries += role.retry;
    bar.stragglers += role.straggler;
    bar.failed += role.look == BarLook::kFailed;
  }

  std::vector<TimelineBar> Take() { return std::move(bars_); }

 private:
  static bool IsPlain(BarLook look) { return look <= BarLook::kReduce; }

  bool Shares(const TimelineBar& bar, const ReportAttempt& attempt, const AttemptRole& role,
              std::int64_t end_ms) const {
    // The phases stay apart: there is only one border between them.
    if (IsPlain(bar.look) && IsPlain(role.look) && bar.look != role.look) return false;
    return static_cast<double>(end_ms - bar.start_ms) < narrow_ms_ &&
           static_cast<double>(attempt.start_ms - bar.end_ms) < narrow_ms_ / 2;
  }

  double narrow_ms_;
  std::vector<TimelineBar> bars_;
};

/// The least width of a bar: a share of the time that keeps `rows` rows under `bars_max`, as a
/// row holds no more than two bars and one gap in twice that share.
double NarrowMs(const JobReport& report, std::size_t rows, std::size_t bars_max) {
  const double share =
      std::max(0.0025, 2.5 * static_cast<double>(rows) / static_cast<double>(bars_max));
  return share * static_cast<double>(std::max<std::int64_t>(report.total_ms, 1));
}

std::vector<std::vector<std::size_t>> ByLane(const JobReport& report) {
  std::vector<std::vector<std::size_t>> lanes(report.lanes.size());
  for (std::size_t i = 0; i < report.attempts.size(); ++i) {
    lanes.at(report.attempts[i].lane).push_back(i);
  }
  for (auto& lane : lanes) {
    std::stable_sort(lane.begin(), lane.end(), [&](std::size_t a, std::size_t b) {
      return report.attempts[a].start_ms < report.attempts[b].start_ms;
    });
  }
  return lanes;
}

/// How many of these attempts run at the same time.
std::size_t MostAtOnce(const JobReport& report, const std::vector<std::size_t>& lane) {
  std::multiset<std::int64_t> ends;
  std::size_t most = 0;
  for (const std::size_t index : lane) {
    const ReportAttempt& attempt = report.attempts[index];
    ends.erase(ends.begin(), ends.upper_bound(attempt.start_ms));
    ends.insert(std::max(attempt.end_ms, attempt.start_ms));
    most = std::max(most, ends.size());
  }
  return most;
}

TimelineLane LayOutLane(const JobReport& report, const std::vector<AttemptRole>& roles,
                        std::uint32_t lane, const std::vector<std::size_t>& attempts,
                        double narrow_ms) {
  std::vector<RowBuilder> rows;
  for (const std::size_t index : attempts) {
    const ReportAttempt& attempt = report.attempts[index];
    auto row = std::find_if(rows.begin(), rows.end(),
                            [&](const RowBuilder& one) { return one.Accepts(attempt); });
    if (row == rows.end()) {
      rows.emplace_back(narrow_ms);
      row = rows.end() - 1;
    }
    row->Add(index, attempt, roles[index]);
  }
  TimelineLane to{lane, {}};
  for (RowBuilder& row : rows) to.rows.push_back(row.Take());
  return to;
}

/// Adds `bytes` that passed evenly between two moments to the steps they fall in, as a rate.
void Spread(double from_ms, double to_ms, double bytes, double step_ms, std::vector<double>& to) {
  to_ms = std::fmax(to_ms, from_ms + 1);
  const auto last = static_cast<double>(to.size() - 1);
  const auto first_step = static_cast<std::size_t>(std::clamp(from_ms / step_ms, 0.0, last));
  for (std::size_t i = first_step; i < to.size(); ++i) {
    const double begin = static_cast<double>(i) * step_ms;
    if (begin >= to_ms && i > first_step) break;
    const double overlap = std::fmin(to_ms, begin + step_ms) - std::fmax(from_ms, begin);
    to[i] += bytes * std::fmax(overlap, 0.0) / (to_ms - from_ms) / step_ms * 1000;
  }
}

/// Samples that say less than this many times how far the input was are not worth a curve.
constexpr std::size_t kSamplesMin = 8;

bool SpreadSamples(const JobReport& report, double step_ms, std::vector<double>& to) {
  if (report.samples.size() < kSamplesMin) return false;
  ReportSample last;
  for (const ReportSample& sample : report.samples) {
    if (sample.at_ms <= last.at_ms || sample.input_bytes < last.input_bytes) continue;
    Spread(static_cast<double>(last.at_ms), static_cast<double>(sample.at_ms),
           static_cast<double>(sample.input_bytes - last.input_bytes), step_ms, to);
    last = sample;
  }
  return true;
}

bool Succeeded(const ReportAttempt& attempt) {
  return attempt.end == plan::AttemptEnd::kSucceeded;
}

std::int64_t LengthMs(const ReportAttempt& attempt) {
  return attempt.end_ms - attempt.start_ms;
}

}  // namespace

std::vector<AttemptRole> RolesOf(const JobReport& report) {
  std::set<TaskKey> backed_up;
  for (const ReportAttempt& attempt : report.attempts) {
    if (attempt.kind == plan::AttemptKind::kBackup) backed_up.insert(KeyOf(attempt));
  }
  std::vector<AttemptRole> roles(report.attempts.size());
  for (std::size_t i = 0; i < roles.size(); ++i) {
    const ReportAttempt& attempt = report.attempts[i];
    roles[i].look = LookOf(attempt);
    roles[i].retry = attempt.kind == plan::AttemptKind::kRetry;
    roles[i].straggler =
        attempt.kind != plan::AttemptKind::kBackup && backed_up.contains(KeyOf(attempt));
  }
  return roles;
}

TimelineLayout LayOutTimeline(const JobReport& report, const std::vector<AttemptRole>& roles,
                              const TimelineSize& size) {
  const auto lanes = ByLane(report);
  TimelineLayout to;
  std::size_t shown = 0;
  for (; shown < lanes.size(); ++shown) {
    const std::size_t rows = std::max<std::size_t>(MostAtOnce(report, lanes[shown]), 1);
    if (shown > 0 && to.rows + rows > size.rows_max) break;
    to.rows += rows;
  }
  const double narrow_ms = NarrowMs(report, to.rows, size.bars_max);
  for (std::size_t i = 0; i < shown; ++i)
    to.lanes.push_back(
        LayOutLane(report, roles, static_cast<std::uint32_t>(i), lanes[i], narrow_ms));
  to.rows = 0;
  for (const TimelineLane& lane : to.lanes) to.rows += std::max<std::size_t>(lane.rows.size(), 1);
  to.lanes_left_out = lanes.size() - shown;
  for (std::size_t i = shown; i < lanes.size(); ++i) to.attempts_left_out += lanes[i].size();
  return to;
}

Rates RatesOf(const JobReport& report) {
  const auto total_ms = static_cast<double>(std::max<std::int64_t>(report.total_ms, 1));
  const std::size_t ticks = static_cast<std::size_t>(total_ms / 100) + 1;
  const std::size_t steps = std::clamp<std::size_t>(ticks, 20, kRateSteps);
  const double step_ms = total_ms / static_cast<double>(steps);
  const std::vector<double> nothing(steps, 0);
  Rates rates{nothing, nothing, nothing, step_ms};
  const bool sampled = SpreadSamples(report, step_ms, rates.input);
  for (const ReportAttempt& attempt : report.attempts) {
    if (!Succeeded(attempt) && attempt.end != plan::AttemptEnd::kRunning) continue;
    const auto from = static_cast<double>(attempt.start_ms);
    const auto to = static_cast<double>(attempt.end_ms);
    const bool map = attempt.phase == plan::Phase::kMap;
    if (map && !sampled)
      Spread(from, to, static_cast<double>(attempt.input_bytes), step_ms, rates.input);
    if (!map) Spread(from, to, static_cast<double>(attempt.input_bytes), step_ms, rates.fetched);
    if (!map || report.reduces == 0)
      Spread(from, to, static_cast<double>(attempt.output_bytes), step_ms, rates.output);
  }
  return rates;
}

std::vector<TroubledTask> TroubledTasks(const JobReport& report,
                                        const std::vector<AttemptRole>& roles, std::size_t most,
                                        std::size_t* all) {
  std::set<TaskKey> troubled;
  std::vector<TaskKey> order;
  for (std::size_t i = 0; i < roles.size(); ++i) {
    const bool plain = roles[i].look <= BarLook::kReduce && !roles[i].retry && !roles[i].straggler;
    const TaskKey key = KeyOf(report.attempts[i]);
    if (!plain && troubled.insert(key).second) order.push_back(key);
  }
  *all = order.size();
  order.resize(std::min(order.size(), most));
  std::map<TaskKey, TroubledTask> tasks;
  for (const TaskKey& key : order) tasks[key] = {key.first, key.second, {}};
  for (std::size_t i = 0; i < roles.size(); ++i) {
    const auto found = tasks.find(KeyOf(report.attempts[i]));
    if (found != tasks.end()) found->second.attempts.push_back(i);
  }
  std::vector<TroubledTask> to;
  for (const TaskKey& key : order) to.push_back(std::move(tasks[key]));
  return to;
}

std::vector<std::size_t> SlowestAttempts(const JobReport& report, std::size_t most) {
  std::vector<std::size_t> rows;
  for (std::size_t i = 0; i < report.attempts.size(); ++i) {
    if (Succeeded(report.attempts[i])) rows.push_back(i);
  }
  const std::size_t count = std::min(rows.size(), most);
  const auto end = rows.begin() + static_cast<std::ptrdiff_t>(count);
  std::partial_sort(rows.begin(), end, rows.end(), [&](std::size_t a, std::size_t b) {
    const std::int64_t x = LengthMs(report.attempts[a]), y = LengthMs(report.attempts[b]);
    return x != y ? x > y : a < b;
  });
  rows.resize(count);
  return rows;
}

std::int64_t MedianMs(const JobReport& report, plan::Phase phase) {
  std::vector<std::int64_t> lengths;
  for (const ReportAttempt& attempt : report.attempts) {
    if (attempt.phase == phase && Succeeded(attempt)) lengths.push_back(LengthMs(attempt));
  }
  if (lengths.empty()) return 0;
  const auto middle = lengths.begin() + static_cast<std::ptrdiff_t>(lengths.size() / 2);
  std::nth_element(lengths.begin(), middle, lengths.end());
  return *middle;
}

}  // namespace trireme::mapreduce
