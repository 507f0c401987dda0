#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/demo/stage.h"
#include "trireme/kv.h"
#include "trireme/mapreduce/v1/control.pb.h"

namespace trireme::rpc {
class Channel;
}

namespace trireme::demo {

/// How long one question may take; who does not answer by then is not seen this time.
inline constexpr int kQuestionMs = 500;

/// What can be seen of the stage at a moment, asked of the processes as anybody may ask them.
struct Sight {
  std::optional<std::size_t> leading_member;       ///< as a majority of the members says
  std::optional<std::size_t> leading_coordinator;  ///< by the key in the store, and it answers
  std::vector<mapreduce::v1::JobStatus> jobs;
  std::vector<mapreduce::v1::WorkerStatus> workers;

  /// Of all tasks of the jobs that are known, which are done; `jobs_expected` counts those that are
  /// not known yet as not begun.
  double Share(std::size_t jobs_expected) const;
  /// The worker with this process id, if the coordinator knows it.
  const mapreduce::v1::WorkerStatus* Worker(pid_t pid) const;
};

/// Looks at the stage. One thread.
class Lookout {
 public:
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Lookout>> Create(const Stage& stage);
  Sight Look();

 private:
  explicit Lookout(const Stage& stage) : stage_(stage) {}
  std::optional<std::size_t> LeadingMember();
  std::optional<std::size_t> LeadingCoordinator();

  const Stage& stage_;
  std::vector<std::shared_ptr<rpc::Channel>> members_, coordinators_;
  std::unique_ptr<kv::Client> client_;
};

}  // namespace trireme::demo
