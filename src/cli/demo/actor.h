#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "io/process.h"

namespace trireme::demo {

/// How long a process that was asked to stop may take before it is killed.
inline constexpr int kStopPatienceMs = 10'000;

/// One process of the demo: this very program with other arguments. Started again it is as it was.
class Actor {
 public:
  /// What it prints is appended to the file `log`.
  Actor(std::string name, std::vector<std::string> arguments, std::string log)
      : name_(std::move(name)), arguments_(std::move(arguments)), log_(std::move(log)) {}

  [[nodiscard]] absl::Status Start();
  /// SIGKILL: it goes like a machine that loses its power.
  void Kill();
  /// SIGTERM; Wait then sees it end, by force after kStopPatienceMs.
  void AskToStop();
  io::ExitStatus Wait();
  /// Nothing while it runs.
  std::optional<io::ExitStatus> TryWait() { return process_.TryWait(); }

  /// An error that says it of `who`, with the last line that it printed and where the others are.
  absl::Status EndedBadly(std::string_view who, const io::ExitStatus& exit) const;

  bool running() const { return process_.running(); }
  pid_t pid() const { return process_.pid(); }
  const std::string& name() const { return name_; }
  const std::string& log() const { return log_; }

 private:
  const std::string name_;
  const std::vector<std::string> arguments_;
  const std::string log_;
  io::Process process_;
};

}  // namespace trireme::demo
