#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "trireme/mapreduce/v1/control.pb.h"

/// What `--http` shows: plain pages, made anew for each request.
namespace trireme::mapreduce::cluster {

std::string OverviewPage(const v1::ListJobsReply& jobs, const v1::ListWorkersReply& workers);
std::string JobPage(const v1::Timeline& timeline);
/// Prometheus' text format.
std::string MetricsPage(const v1::ListJobsReply& jobs, const v1::ListWorkersReply& workers,
                        std::uint32_t epoch, std::uint64_t journal_bytes);

/// What a coordinator with a KV knows of its part.
struct LeadershipFacts {
  bool leads = false;
  std::uint64_t fence = 0;      ///< Of its leadership.
  std::uint64_t kv_writes = 0;  ///< Of this process.
  std::uint64_t terms = 0;      ///< Times that this process was elected.
};
/// More of the same format.
std::string LeadershipMetrics(const LeadershipFacts& facts);

/// The number in "/jobs/NUMBER".
std::optional<std::uint64_t> JobOfPath(std::string_view path);
/// mapping, reducing, succeeded, failed, cancelled.
std::string StateName(v1::JobState state);
std::string EscapeHtml(std::string_view text);

}  // namespace trireme::mapreduce::cluster
