#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "io/log.h"
#include "mapreduce/cluster/report_layout.h"
#include "trireme/mapreduce/v1/control.pb.h"
#include "web/history.h"

/// What the coordinator's pages are told, as JSON: docs/formats/pages.md. Bounded, whatever the
/// size of the cluster and its jobs.
namespace trireme::mapreduce::cluster {

inline constexpr std::size_t kPageJobsMax = 100;     ///< of the list, the newest
inline constexpr std::size_t kPageWorkersMax = 200;  ///< of the list, those that live first
inline constexpr std::size_t kPageRunningMax = 32;   ///< attempts named for one worker
inline constexpr std::size_t kPageCountersMax = 200;
inline constexpr std::size_t kPageTroubledMax = 40;  ///< tasks among stragglers and retries
inline constexpr std::size_t kPageTailsMax = 8;      ///< failed attempts shown with their stderr
inline constexpr std::size_t kPageLogLinesMax = 60;
/// The live timeline: rows and, about, bars. Beyond, neighbours share a bar.
inline constexpr TimelineSize kPageTimeline = {.rows_max = 64, .bars_max = 900};

/// Bytes read by maps and by reduces, tasks done, all per second; slots busy, slots.
using ClusterHistory = web::History<5>;

/// Whom a coordinator that stands by shows as the leader; without a name: this one leads.
struct ShownLeader {
  std::string name;
  std::string page;  ///< of its pages; empty: it has none
};

struct Overview {
  v1::ListJobsReply jobs;  ///< the newest kPageJobsMax, the oldest first
  std::size_t jobs_left_out = 0;
  v1::ListWorkersReply workers;
  std::uint32_t epoch = 0;
  std::uint64_t journal_bytes = 0;
  ShownLeader standby_of;  ///< with a name: another coordinator leads, this one
  bool admin = false;
  std::int64_t started_unix_ms = 0;
};

std::string OverviewJson(const Overview& overview, const ClusterHistory& history,
                         const std::vector<io::LogLine>& log);
std::string JobsJson(const Overview& overview);
std::string WorkersJson(const Overview& overview);
std::string HistoryJson(const ClusterHistory& history);
std::string LogJson(const std::vector<io::LogLine>& log);
std::string JobPageJson(const v1::Timeline& timeline, bool admin);
/// Of a job that is not known (any more).
std::string NoJobJson(std::uint64_t job);

}  // namespace trireme::mapreduce::cluster
