#pragma once

#include <cstddef>
#include <string>

#include "mapreduce/cluster/job_report.h"

namespace trireme::mapreduce {

/// Tasks that the page shows among stragglers and retries, and counters; the page says how many
/// more there are.
inline constexpr std::size_t kReportTroubledMax = 60;
inline constexpr std::size_t kReportCountersMax = 400;
/// Tasks that the page shows as the slowest.
inline constexpr std::size_t kReportSlowestMax = 12;

/// The report as one HTML page that needs nothing else, not even a script: pictures are inline SVG
/// and style, colours follow the reader's light or dark setting, and every picture has its text
/// beside it for those who cannot see it. Its size is bounded whatever the job's.
std::string ReportHtml(const JobReport& report);

}  // namespace trireme::mapreduce
