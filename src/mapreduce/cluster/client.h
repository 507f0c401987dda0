#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "mapreduce/cluster/job_report.h"
#include "mapreduce/cluster/job_request.h"
#include "mapreduce/cluster/leader_watch.h"
#include "mapreduce/cluster/whereabouts.h"
#include "rpc/address.h"
#include "rpc/channel.h"
#include "trireme/mapreduce/v1/control.pb.h"
#include "trireme/mapreduce/v1/control.trireme.h"

namespace trireme::mapreduce::cluster {

/// How long a coordinator may be out of reach (restarting) before a client gives up: at the first
/// word, and while it follows a job.
inline constexpr std::int64_t kReachPatienceMs = 5'000;
inline constexpr std::int64_t kFollowPatienceMs = 60'000;
/// One try to cancel a job.
inline constexpr std::int64_t kCancelTryMs = 1'000;

/// A user of a coordinator. Blocking calls; thread-safe. Errors are one line for the user and name
/// the address. Where a KV says who leads, calls go to that coordinator, and again to the next.
class Client {
 public:
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Client>> Create(const Whereabouts& where);
  ~Client();

  /// Sent again when the answer is lost; makes one job all the same.
  [[nodiscard]] absl::StatusOr<std::uint64_t> Submit(const PreparedJob& prepared);
  [[nodiscard]] absl::StatusOr<v1::JobStatus> Status(std::uint64_t job);
  [[nodiscard]] absl::StatusOr<v1::JobStatus> Cancel(std::uint64_t job);
  /// Asks once, for kCancelTryMs. UNAVAILABLE: no coordinator has taken it; ask again.
  [[nodiscard]] absl::Status TryCancel(std::uint64_t job);
  [[nodiscard]] absl::StatusOr<v1::ListJobsReply> Jobs();
  [[nodiscard]] absl::StatusOr<v1::ListWorkersReply> Workers();
  [[nodiscard]] absl::StatusOr<v1::Timeline> Timeline(std::uint64_t job);

  /// Follows the job to its end, over restarts of the coordinator. `on_status` gets every status,
  /// the last included. The first interrupt calls `on_interrupt`, when there is one, else ends the
  /// wait with CANCELLED; the second always does. It is called, on a thread of its own, until it is
  /// true: its wish has been taken. Till then the coordinator may be out of reach for ever.
  using OnStatus = std::function<void(const v1::JobStatus&)>;
  [[nodiscard]] absl::StatusOr<v1::JobStatus> Follow(std::uint64_t job, const OnStatus& on_status,
                                                     const std::atomic<int>* interrupts,
                                                     const std::function<bool()>& on_interrupt);

 private:
  Client() = default;
  using Stub = v1::CoordinatorStub;
  template <class Call>
  auto Retry(Call call) -> decltype(call(std::declval<Stub>(), nullptr));
  absl::Status Explain(const absl::Status& status) const;
  /// The channel to ask now, and how often it was replaced before.
  std::pair<std::shared_ptr<rpc::Channel>, std::uint64_t> Channel() const;
  std::uint64_t moves() const { return Channel().second; }
  absl::Status Reach(std::vector<rpc::Address> addresses);
  absl::Status Connect();
  void TryAnother(const rpc::ReplyMetadata& metadata);

  mutable std::mutex mutex_;
  std::vector<rpc::Address> given_;      // Guarded by mutex_, as the next four.
  std::vector<rpc::Address> addresses_;  // the channel goes to one of them
  std::size_t next_address_ = 0;
  std::shared_ptr<rpc::Channel> channel_;
  std::uint64_t moves_ = 0;
  std::unique_ptr<LeaderWatch> leader_watch_;
};

struct ClusterRunOptions {
  Whereabouts coordinator;
  /// Counts up: 1 cancels the job, 2 leaves at once. May be null.
  const std::atomic<int>* interrupts = nullptr;
  std::function<void(const JobProgress&)> on_progress = nullptr;
  std::function<void(std::uint64_t)> on_submitted = nullptr;
  /// A line for the user: the cancellation waits for a coordinator. On any thread.
  std::function<void(const std::string&)> on_trouble = nullptr;
};

/// Submits the job, waits for its end and reports it as RunEmbedded does.
[[nodiscard]] absl::StatusOr<JobReport> RunOnCluster(const PreparedJob& prepared,
                                                     const ClusterRunOptions& options);

JobProgress ProgressOf(const v1::JobStatus& status);
/// The report of a job from what the coordinator knows of it.
JobReport ReportOf(const v1::Timeline& timeline);

}  // namespace trireme::mapreduce::cluster
