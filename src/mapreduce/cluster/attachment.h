#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "io/clock.h"
#include "mapreduce/cluster/leader_watch.h"

namespace trireme::mapreduce::cluster {

/// A worker says after this time that no coordinator takes it, and again after the other.
inline constexpr std::int64_t kUnattachedMs = 5'000;
inline constexpr std::int64_t kUnattachedAgainMs = 30'000;

/// Whether a coordinator knows this worker, and since when none was heard; says so. One thread.
class Attachment {
 public:
  /// `coordinator` is for messages.
  explicit Attachment(std::string coordinator) : coordinator_(std::move(coordinator)) {}

  bool attached() const { return attached_; }
  /// Milliseconds in which this process listened and heard nothing.
  std::int64_t silence_ms() const { return silence_ms_; }

  void Begin() { attached_ = false; }
  void Done();
  void Lost(const absl::Status& why);
  void Heard() { silence_ms_ = 0; }
  /// Once a turn, of at most `turn_ms_max`. `leaders` may be null.
  void Tick(std::int64_t now_ms, std::int64_t turn_ms_max, const LeaderWatch* leaders);

 private:
  void Complain(const LeaderWatch* leaders) const;

  const std::string coordinator_;
  bool attached_ = false;
  absl::Status lost_ = absl::UnavailableError("nothing heard yet");
  std::int64_t silence_ms_ = 0;
  std::int64_t counted_ms_ = io::SteadyMs();
  std::int64_t complain_ms_ = counted_ms_ + kUnattachedMs;
};

}  // namespace trireme::mapreduce::cluster
