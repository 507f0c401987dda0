#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/cluster_flags.h"
#include "cli/on_options.h"
#include "mapreduce/cluster/job_request.h"
#include "mapreduce/fs/s3_options.h"

namespace trireme::cli {

/// What `trireme mr run` and a job's own program were told.
struct RunOptions {
  mapreduce::JobRequest request;
  std::uint32_t slots = 0;         ///< 0: as many as cores
  std::uint64_t memory_bytes = 0;  ///< 0: the default
  std::string directory;
  ClusterFlags cluster;  ///< not given: run here
  OnOptions on;
  mapreduce::S3Options s3;
  std::string report;  ///< an HTML file to write; empty: none
  bool json = false;
  bool quiet = false;
  bool no_progress = false;
};

/// Where the job comes from.
enum class JobSource {
  kCommandLine,  ///< a ready job, --plugin or --mapper
  kSubmitted,    ///< the same, for `mr submit`
  kOwn,          ///< the program itself
};

/// The arguments were answered by printing `text` to standard output (--help).
struct HelpAsked {
  std::string text;
};

using ParsedRun = std::variant<RunOptions, HelpAsked>;

/// Reads the arguments after `mr run` or after a job program's name. An error is one line that
/// names what is wrong and what to do.
[[nodiscard]] absl::StatusOr<ParsedRun> ParseRun(const std::string& program, JobSource source,
                                                 const std::string& description,
                                                 std::vector<std::string> arguments);

}  // namespace trireme::cli
