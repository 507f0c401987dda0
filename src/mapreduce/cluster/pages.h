#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "trireme/mapreduce/v1/control.pb.h"

/// What `--http` shows to those without scripts, and to programs.
namespace trireme::mapreduce::cluster {

/// HTML, for within a page: jobs and workers, and one job, as tables.
std::string OverviewText(const v1::ListJobsReply& jobs, const v1::ListWorkersReply& workers);
std::string JobText(const v1::Timeline& timeline);
/// Prometheus' text format.
std::string MetricsPage(const v1::ListJobsReply& jobs, const v1::ListWorkersReply& workers,
                        std::uint32_t epoch, std::uint64_t journal_bytes);

/// mapping, reducing, succeeded, failed, cancelled.
std::string StateName(v1::JobState state);
std::string EscapeHtml(std::string_view text);

}  // namespace trireme::mapreduce::cluster
