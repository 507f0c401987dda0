#pragma once

#include <cstdint>
#include <string>

#include "mapreduce/cluster/job_report.h"

namespace trireme::cli {

/// A running job on standard error: one line rewritten in place on a terminal (at most ten times a
/// second), otherwise a line every kPlainLineMs.
class ProgressBar {
 public:
  static constexpr std::int64_t kPlainLineMs = 5000;
  static constexpr std::int64_t kRewriteMs = 100;

  explicit ProgressBar(bool enabled);
  void Show(const mapreduce::JobProgress& progress);
  /// Takes the line off the terminal.
  void Clear();

 private:
  std::string Line(const mapreduce::JobProgress& progress) const;

  const bool enabled_;
  const bool terminal_;
  std::int64_t next_ms_ = 0;
  bool shown_ = false;
};

}  // namespace trireme::cli
