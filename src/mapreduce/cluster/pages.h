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
/// The number in "/jobs/NUMBER".
std::optional<std::uint64_t> JobOfPath(std::string_view path);
/// mapping, reducing, succeeded, failed, cancelled.
std::string StateName(v1::JobState state);
std::string EscapeHtml(std::string_view text);

}  // namespace trireme::mapreduce::cluster
