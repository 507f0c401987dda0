#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "mapreduce/cluster/job_report.h"

/// Where the report's pictures put things, apart from how they are drawn.
namespace trireme::mapreduce {

/// Rows of the timeline; lanes beyond are left out, and the page says how many.
inline constexpr std::size_t kReportRowsMax = 256;
/// Bars of the timeline. Where attempts are too short to be drawn one by one, neighbours share a
/// bar, so that every attempt of a drawn lane is in the picture whatever the size of the job.
inline constexpr std::size_t kReportBarsMax = 6000;

/// What a bar looks like, the worse the later.
enum class BarLook : std::uint8_t { kMap, kReduce, kBackup, kKilled, kFailed };

/// What one attempt meant for its task.
struct AttemptRole {
  BarLook look = BarLook::kMap;
  bool retry = false;      ///< the task had been tried before
  bool straggler = false;  ///< so slow that a backup was started beside it
};

/// By index into JobReport::attempts.
std::vector<AttemptRole> RolesOf(const JobReport& report);

/// One or more attempts that follow each other.
struct TimelineBar {
  std::size_t first = 0;  ///< index into JobReport::attempts
  std::uint32_t attempts = 0, retries = 0, stragglers = 0, failed = 0;
  std::int64_t start_ms = 0, end_ms = 0;
  BarLook look = BarLook::kMap;  ///< the worst of them
};

/// One slot or worker: as many rows as it ran attempts at once.
struct TimelineLane {
  std::uint32_t lane = 0;  ///< index into JobReport::lanes
  std::vector<std::vector<TimelineBar>> rows;
};

struct TimelineLayout {
  std::vector<TimelineLane> lanes;
  std::size_t rows = 0;
  std::size_t lanes_left_out = 0, attempts_left_out = 0;
};
struct TimelineSize {
  std::size_t rows_max = kReportRowsMax, bars_max = kReportBarsMax;
};
TimelineLayout LayOutTimeline(const JobReport& report, const std::vector<AttemptRole>& roles,
                              const TimelineSize& size = {});

/// A share of the job's time in steps of equal length, at most kRateSteps.
inline constexpr std::size_t kRateSteps = 200;
struct Rates {
  std::vector<double> input;   ///< bytes per second that maps read
  std::vector<double> output;  ///< bytes per second of the job's output, once tasks have written it
  std::vector<double> fetched;  ///< bytes per second that reduces read
  double step_ms = 1;
};
/// Input is as sampled; of a job too short to be sampled, or not watched, an attempt's bytes are
/// spread over its time, as the others' always are. Attempts that run count with what they have
/// read so far.
Rates RatesOf(const JobReport& report);

/// Attempts of one task with which something was not as usual.
struct TroubledTask {
  plan::Phase phase = plan::Phase::kMap;
  std::uint32_t index = 0;
  std::vector<std::size_t> attempts;  ///< indices into JobReport::attempts
};
/// The first `most` of them, by time of their first attempt; *all is how many there are.
std::vector<TroubledTask> TroubledTasks(const JobReport& report,
                                        const std::vector<AttemptRole>& roles, std::size_t most,
                                        std::size_t* all);

/// The slowest attempts that succeeded, the slowest first; indices.
std::vector<std::size_t> SlowestAttempts(const JobReport& report, std::size_t most);
/// Of the attempts of that phase that succeeded; 0 if none did.
std::int64_t MedianMs(const JobReport& report, plan::Phase phase);

}  // namespace trireme::mapreduce
