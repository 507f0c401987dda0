#include "mapreduce/cluster/attachment.h"

#include <algorithm>
#include <utility>

#include "io/log.h"

namespace trireme::mapreduce::cluster {

void Attachment::Done() {
  attached_ = true;
  io::Log(io::LogLevel::kInfo, "attached", {{"coordinator", coordinator_}});
}

void Attachment::Lost(const absl::Status& why) {
  lost_ = why;
  if (!std::exchange(attached_, false)) return;
  io::Log(io::LogLevel::kInfo, "the coordinator is lost", {{"reason", why.ToString()}});
}

/// While this process was stopped, it was we who did not listen.
void Attachment::Tick(std::int64_t now_ms, std::int64_t turn_ms_max, const LeaderWatch* leaders) {
  silence_ms_ += std::min(now_ms - std::exchange(counted_ms_, now_ms), turn_ms_max);
  if (attached_) complain_ms_ = now_ms + kUnattachedMs;
  if (now_ms < complain_ms_) return;
  complain_ms_ = now_ms + kUnattachedAgainMs;
  Complain(leaders);
}

void Attachment::Complain(const LeaderWatch* leaders) const {
  const bool none = leaders != nullptr && !leaders->Current();
  const absl::Status why = none ? leaders->Await(0).status() : lost_;
  io::Log(io::LogLevel::kWarn, "no coordinator takes this worker, trying again",
          {{"coordinator", coordinator_}, {"reason", why.ToString()}});
}

}  // namespace trireme::mapreduce::cluster
