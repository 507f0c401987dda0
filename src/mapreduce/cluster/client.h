#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "mapreduce/cluster/job_report.h"
#include "mapreduce/cluster/job_request.h"
#include "rpc/address.h"
#include "rpc/channel.h"
#include "trireme/mapreduce/v1/control.pb.h"

namespace trireme::mapreduce::cluster {

/// How long a coordinator may be out of reach (restarting) before a client gives up: at the first
/// word, and while it follows a job.
inline constexpr std::int64_t kReachPatienceMs = 5'000;
inline constexpr std::int64_t kFollowPatienceMs = 60'000;

/// A user of a coordinator. Blocking calls; thread-safe. Errors are one line for the user and name
/// the address.
class Client {
 public:
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Client>> Create(const rpc::Address& address);

  /// Sent again when the answer is lost; makes one job all the same.
  [[nodiscard]] absl::StatusOr<std::uint64_t> Submit(const PreparedJob& prepared);
  [[nodiscard]] absl::StatusOr<v1::JobStatus> Status(std::uint64_t job);
  [[nodiscard]] absl::StatusOr<v1::JobStatus> Cancel(std::uint64_t job);
  [[nodiscard]] absl::StatusOr<v1::ListJobsReply> Jobs();
  [[nodiscard]] absl::StatusOr<v1::ListWorkersReply> Workers();
  [[nodiscard]] absl::StatusOr<v1::Timeline> Timeline(std::uint64_t job);

  /// Follows the job to its end, over restarts of the coordinator. `on_status` gets every status,
  /// the last included. The first interrupt calls `on_interrupt`, when there is one, else ends the
  /// wait with CANCELLED; the second always does.
  using OnStatus = std::function<void(const v1::JobStatus&)>;
  [[nodiscard]] absl::StatusOr<v1::JobStatus> Follow(std::uint64_t job, const OnStatus& on_status,
                                                     const std::atomic<int>* interrupts,
                                                     const std::function<void()>& on_interrupt);

 private:
  Client(rpc::Address address, std::shared_ptr<rpc::Channel> channel)
      : address_(std::move(address)), channel_(std::move(channel)) {}
  template <class Call>
  auto Retry(Call call) -> decltype(call());
  absl::Status Explain(const absl::Status& status) const;

  const rpc::Address address_;
  std::shared_ptr<rpc::Channel> channel_;
};

struct ClusterRunOptions {
  rpc::Address coordinator;
  /// Counts up: 1 cancels the job, 2 leaves at once. May be null.
  const std::atomic<int>* interrupts = nullptr;
  std::function<void(const JobProgress&)> on_progress = nullptr;
  std::function<void(std::uint64_t)> on_submitted = nullptr;
};

/// Submits the job, waits for its end and reports it as RunEmbedded does.
[[nodiscard]] absl::StatusOr<JobReport> RunOnCluster(const PreparedJob& prepared,
                                                     const ClusterRunOptions& options);

JobProgress ProgressOf(const v1::JobStatus& status);
/// The report of a job from what the coordinator knows of it.
JobReport ReportOf(const v1::Timeline& timeline);

}  // namespace trireme::mapreduce::cluster
