#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "io/file_system.h"
#include "mapreduce/cluster/attempt.h"
#include "mapreduce/engine/splits.h"
#include "mapreduce/plan/types.h"

namespace trireme::mapreduce {

/// A job as the user asks for it.
struct JobRequest {
  std::string name;  ///< empty: from the code
  JobCode code;
  Parameters parameters;
  std::vector<std::string> inputs;
  std::string output;
  InputFormat format;
  std::optional<std::uint32_t> reduces;  ///< none: DefaultReduces of the input's size
  std::uint64_t split_bytes = kSplitBytesDefault;
  std::optional<Isolation> isolation;
  std::uint32_t max_attempts = 4;
  std::int64_t task_timeout_ms = 600'000;
  std::int32_t priority = 0;
  bool overwrite = false;
  bool compress = false;
  bool skip_bad_records = false;
  bool sync = true;
  std::string intermediate;             ///< s3://... for map outputs; empty: on the workers
  bool one_machine = false;             ///< it will run embedded
  std::uint64_t slot_memory_bytes = 0;  ///< then; at least
};

/// A request that has been checked and planned.
struct PreparedJob {
  std::shared_ptr<const JobSetup> setup;  ///< its id is still 0
  std::vector<Split> splits;
  std::uint64_t input_bytes = 0;
  std::size_t input_files = 0;
  std::string output;
  bool overwrite = false;
  plan::JobSpec spec;  ///< without the definition

  bool map_only() const { return setup->settings.reduces == 0; }
};

/// Loads the code, expands and splits the input, checks the output. Writes nothing. Errors are one
/// line for the user, who asked for something that cannot be done.
[[nodiscard]] absl::StatusOr<PreparedJob> PrepareJob(const JobRequest& request,
                                                     io::FileSystem& files);

/// Name and value of what was asked for, as a report shows it.
std::vector<std::pair<std::string, std::string>> DescribeSettings(const PreparedJob& prepared);

inline constexpr std::uint32_t kReducesMax = 100'000;

}  // namespace trireme::mapreduce
