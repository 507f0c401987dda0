#pragma once

#include <cstdint>
#include <string>

#include "mapreduce/cluster/job_report.h"

namespace trireme::cli {

/// A running job on standard error: one line rewritten in place on a terminal (at most ten times a
/// second; what a narrow one has no room for is left out), otherwise a line every kPlainLineMs.
class ProgressBar {
 public:
  static constexpr std::int64_t kPlainLineMs = 5000;
  static constexpr std::int64_t kRewriteMs = 100;

  explicit ProgressBar(bool enabled);
  void Show(const mapreduce::JobProgress& progress);
  /// Takes the line off the terminal.
  void Clear();

 private:
  /// At most `columns` wide.
  std::string Line(const mapreduce::JobProgress& progress, std::size_t columns) const;
  void Measure(const mapreduce::JobProgress& progress);

  const bool enabled_;
  const bool terminal_;
  std::int64_t next_ms_ = 0;
  double share_ = 0;  ///< of the whole work; never goes back
  bool shown_ = false;
};

}  // namespace trireme::cli
