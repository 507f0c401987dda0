#pragma once

#include <trireme/mapreduce.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "io/file_system.h"
#include "mapreduce/engine/context.h"
#include "mapreduce/engine/input.h"

/// The jobs that come with the product, by name.
namespace trireme::mapreduce {

struct ReadyJobOption {
  std::string_view name;       ///< without the leading "--"
  std::string_view otherwise;  ///< the default as a person reads it; empty: none
  std::string_view help;
  bool flag = false;  ///< takes no value
  bool required = false;
  bool internal = false;  ///< set by PrepareReadyJob, not by a person
};

struct ReadyJob {
  std::string_view name;
  std::string_view description;
  std::span<const ReadyJobOption> options;
};

/// All ready jobs, in the order to show them.
std::span<const ReadyJob> ReadyJobs();
/// Null when there is none of that name.
const ReadyJob* FindReadyJob(std::string_view name);

/// What is known where a job is submitted.
struct ReadyJobInput {
  io::FileSystem* files = nullptr;
  std::vector<std::string> arguments;  ///< the --input arguments as given
  std::vector<Split> splits;
  InputFormat format;
  std::uint32_t reduces = 1;
  bool one_machine = false;             ///< every task runs where the job is submitted
  std::uint64_t slot_memory_bytes = 0;  ///< there; 0: not known
};

/// The options as every task of the job needs them: checked, with what follows from the input added
/// (sort: sampled boundaries; join: which input is which). Reads the input only for sort.
[[nodiscard]] absl::StatusOr<Parameters> PrepareReadyJob(std::string_view name, Parameters options,
                                                         const ReadyJobInput& input);

/// The job of that name with options that PrepareReadyJob completed; the same options give the same
/// job on every machine. INVALID_ARGUMENT names an unknown job or what is wrong with an option.
[[nodiscard]] absl::StatusOr<Job> MakeReadyJob(std::string_view name, const Parameters& options);

}  // namespace trireme::mapreduce
