#include "mapreduce/cluster/report_json.h"

#include <nlohmann/json.hpp>

#include "mapreduce/engine/task.h"

namespace trireme::mapreduce {
namespace {

using nlohmann::ordered_json;

ordered_json AttemptJson(const JobReport& report, const ReportAttempt& attempt) {
  ordered_json json{{"phase", plan::Name(attempt.phase)}, {"task", attempt.index},
                    {"attempt", attempt.number},          {"lane", report.lanes.at(attempt.lane)},
                    {"kind", plan::Name(attempt.kind)},   {"end", plan::Name(attempt.end)},
                    {"start_ms", attempt.start_ms},       {"end_ms", attempt.end_ms},
                    {"input_bytes", attempt.input_bytes}, {"output_bytes", attempt.output_bytes}};
  if (attempt.records != TaskResult::kNotCounted) json["records"] = attempt.records;
  if (!attempt.note.empty()) json["note"] = attempt.note;
  return json;
}

ordered_json CountersJson(const Counters& counters) {
  ordered_json json = ordered_json::object();
  for (const auto& [name, value] : counters) json[name.first][name.second] = value;
  return json;
}

}  // namespace

std::string ReportJson(const JobReport& report) {
  ordered_json json{{"job", report.name},
                    {"state", plan::Name(report.state)},
                    {"output", report.output},
                    {"started_unix_ms", report.started_unix_ms},
                    {"total_ms", report.total_ms},
                    {"maps_ms", report.maps_ms},
                    {"maps", report.maps},
                    {"reduces", report.reduces},
                    {"input_files", report.input_files},
                    {"input_bytes", report.input_bytes},
                    {"output_bytes", report.output_bytes},
                    {"counters", CountersJson(report.counters)}};
  if (!report.error.empty()) json["error"] = report.error;
  if (!report.stderr_tail.empty()) json["stderr_tail"] = report.stderr_tail;
  json["settings"] = ordered_json::object();
  for (const auto& [name, value] : report.settings) json["settings"][name] = value;
  json["attempts"] = ordered_json::array();
  for (const ReportAttempt& attempt : report.attempts)
    json["attempts"].push_back(AttemptJson(report, attempt));
  // User code may have written any bytes.
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace trireme::mapreduce
