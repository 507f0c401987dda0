#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "mapreduce/engine/context.h"
#include "mapreduce/plan/snapshot.h"

namespace trireme::mapreduce {

/// One bar of the timeline.
struct ReportAttempt {
  plan::Phase phase = plan::Phase::kMap;
  std::uint32_t index = 0;
  std::uint32_t number = 0;
  std::uint32_t lane = 0;  ///< index into JobReport::lanes
  plan::AttemptKind kind = plan::AttemptKind::kNormal;
  plan::AttemptEnd end = plan::AttemptEnd::kRunning;
  std::int64_t start_ms = 0, end_ms = 0;  ///< since the job's start
  std::uint64_t input_bytes = 0, output_bytes = 0, records = 0;
  std::string note;  ///< why it failed
};

/// Where the job stood at one moment.
struct ReportSample {
  std::int64_t at_ms = 0;
  std::uint64_t input_bytes = 0;  ///< read by maps so far
  std::uint64_t running = 0;      ///< attempts
};

/// What is known of a job when it is over: what `--json` and `--report` show.
struct JobReport {
  std::string name;
  plan::JobState state = plan::JobState::kMapping;
  std::string error;        ///< one line, when it failed
  std::string stderr_tail;  ///< of the attempt that failed it
  std::string output;
  std::vector<std::pair<std::string, std::string>> settings;
  std::int64_t started_unix_ms = 0;
  std::int64_t total_ms = 0, maps_ms = 0;  ///< maps: from the start to the last map's end
  std::uint32_t maps = 0, reduces = 0;
  std::uint64_t input_bytes = 0, output_bytes = 0;
  std::size_t input_files = 0;
  plan::JobStats stats;
  Counters counters;
  std::vector<std::string> lanes;  ///< slots or workers
  std::vector<ReportAttempt> attempts;
  std::vector<ReportSample> samples;
};

/// What a running job shows.
struct JobProgress {
  std::uint32_t maps = 0, maps_done = 0;
  std::uint32_t reduces = 0, reduces_done = 0;
  std::uint64_t input_bytes = 0, input_bytes_done = 0;
  double maps_share = 0, reduces_share = 0;  ///< finished tasks and the running ones' shares
  std::int64_t elapsed_ms = 0;
  std::uint64_t map_output_bytes = 0;  ///< of the maps that are done
};

}  // namespace trireme::mapreduce
