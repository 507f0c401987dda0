#pragma once

#include <string>

#include "mapreduce/cluster/job_report.h"

namespace trireme::mapreduce {

/// The report as one JSON object on one line.
std::string ReportJson(const JobReport& report);

}  // namespace trireme::mapreduce
