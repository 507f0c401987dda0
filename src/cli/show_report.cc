#include "cli/show_report.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <string>

#include "base/status_macros.h"
#include "cli/run_command.h"
#include "cli/say.h"
#include "cli/sizes.h"
#include "fmt/format.h"
#include "io/file.h"
#include "mapreduce/cluster/report_html.h"
#include "mapreduce/cluster/report_json.h"

namespace trireme::cli {
namespace {

using mapreduce::JobReport;

void ShowCounters(const JobReport& report) {
  std::string group;
  for (const auto& [name, value] : report.counters) {
    if (name.first != group) {
      group = name.first;
      Say(stderr, "  {}\n", group);
    }
    Say(stderr, "    {:<28} {:>20}\n", name.second, ShowCount(value));
  }
}

void ShowSummary(const JobReport& report) {
  const double seconds = static_cast<double>(report.total_ms > 0 ? report.total_ms : 1) / 1000;
  Say(stderr, "{}: {} in {} ({} of input, {}/s) -> {}\n", report.name,
      mapreduce::plan::Name(report.state), ShowSeconds(report.total_ms),
      ShowBytes(report.input_bytes),
      ShowBytes(static_cast<std::uint64_t>(static_cast<double>(report.input_bytes) / seconds)),
      report.output);
  ShowCounters(report);
}

void ShowFailure(const JobReport& report) {
  if (report.state == mapreduce::plan::JobState::kCancelled) {
    if (report.error.empty()) Say(stderr, "trireme: job {} was cancelled\n", OneLine(report.name));
    if (!report.error.empty()) Say(stderr, "trireme: {}\n", OneLine(report.error));
    return;
  }
  Say(stderr, "trireme: job {} failed: {}\n", OneLine(report.name), OneLine(report.error));
  if (!report.stderr_tail.empty())
    Say(stderr, "--- the end of the attempt's standard error\n{}{}---\n", report.stderr_tail,
        report.stderr_tail.ends_with('\n') ? "" : "\n");
}

absl::Status WritePage(const std::string& path, const JobReport& report) {
  TRIREME_ASSIGN_OR_RETURN(io::File file, io::File::Create(path));
  TRIREME_RETURN_IF_ERROR(file.Append(mapreduce::ReportHtml(report)));
  return file.Close();
}

}  // namespace

absl::Status CheckReport(const RunOptions& options) {
  const std::filesystem::path page(options.report);
  if (page.empty() || options.report.starts_with(options.request.output + "/"))
    return absl::OkStatus();
  std::error_code error;
  if (std::filesystem::is_directory(page, error))
    return absl::InvalidArgumentError(
        fmt::format("--report {} is a directory: name a file", options.report));
  const std::string parent = page.has_parent_path() ? page.parent_path().string() : ".";
  if (::access(parent.c_str(), W_OK) == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("--report {} cannot be written: make the directory {} first, or name another",
                  options.report, parent));
}

int ShowReport(const RunOptions& options, const JobReport& report, int exit_status) {
  if (exit_status != kDone) {
    ShowFailure(report);
  } else if (!options.quiet) {
    ShowSummary(report);
  }
  if (options.json) Say(stdout, "{}\n", mapreduce::ReportJson(report));
  exit_status = FlushOutput(exit_status);
  if (options.report.empty()) return exit_status;
  const absl::Status written = WritePage(options.report, report);
  if (written.ok()) return exit_status;
  Say(stderr, "trireme: cannot write the report: {}\n", std::string(written.message()));
  return exit_status == kDone ? kFailed : exit_status;
}

}  // namespace trireme::cli
