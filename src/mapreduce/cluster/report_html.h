#pragma once

#include <string>

#include "mapreduce/cluster/job_report.h"

namespace trireme::mapreduce {

/// More attempts than this are not drawn one by one; the page says how many are left out.
inline constexpr std::size_t kReportBarsMax = 20'000;
/// Rows of the tables of slowest tasks and of attempts that failed.
inline constexpr std::size_t kReportRowsMax = 50;

/// The report as one HTML page that needs nothing else: pictures are inline SVG, colours follow
/// the reader's light or dark setting, tables stand beside every picture for those who cannot see
/// it.
std::string ReportHtml(const JobReport& report);

}  // namespace trireme::mapreduce
