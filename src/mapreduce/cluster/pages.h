#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "mapreduce/cluster/pages_json.h"
#include "trireme/mapreduce/v1/control.pb.h"

/// What `--http` shows to those without scripts, and to programs.
namespace trireme::mapreduce::cluster {

/// HTML, for within a page: jobs and workers, and one job, as tables. Of one that stands by: who
/// leads.
std::string OverviewText(const Overview& overview);
/// One line of text: this coordinator stands by, and where to look instead.
std::string StandbyText(const ShownLeader& leader);
std::string JobText(const v1::Timeline& timeline);
/// mapping, reducing, succeeded, failed, cancelled.
std::string StateName(v1::JobState state);
std::string EscapeHtml(std::string_view text);

}  // namespace trireme::mapreduce::cluster
