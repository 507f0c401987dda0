#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "io/histogram.h"

namespace trireme::io {

/// A page in Prometheus's text format, version 0.0.4. A family is its HELP and TYPE lines, then
/// its samples; each family is begun once. docs/metrics.md has all of them.
class MetricsPage {
 public:
  static constexpr char kContentType[] = "text/plain; version=0.0.4";
  using Label = std::pair<std::string_view, std::string_view>;

  /// `type` is "counter" or "gauge".
  void Family(std::string_view name, std::string_view type, std::string_view help);
  /// Of the family begun last. Values of labels may be any bytes.
  void Sample(std::initializer_list<Label> labels, double value);
  /// A family of one sample without labels.
  void Counter(std::string_view name, std::string_view help, double value);
  void Gauge(std::string_view name, std::string_view help, double value);
  void Durations(std::string_view name, std::string_view help, const DurationHistogram& durations);
  /// What every process tells of itself: process_cpu_seconds_total and its like.
  void Process();
  /// Families that another page has.
  void Append(std::string_view text) { text_ += text; }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_, family_;
};

}  // namespace trireme::io
