#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "io/histogram.h"
#include "io/metrics_page.h"
#include "mapreduce/plan/actions.h"
#include "mapreduce/plan/events.h"
#include "mapreduce/plan/journal.h"
#include "trireme/mapreduce/v1/control.pb.h"

/// What a coordinator's /metrics shows; docs/metrics.md says what each family means.
namespace trireme::mapreduce::cluster {

/// What happened in this life of a master, in numbers that only grow. The owner thread's.
class CoordinatorCounts {
 public:
  /// A worker's message that the plan took (kOk).
  void OnMessage(const v1::WorkerMessage& message);
  void OnAction(const plan::Action& action);
  void OnJournalWrite(std::size_t bytes);
  void OnCompaction() { ++compactions_; }

  void OnRecord(const plan::JournalRecord& record);

  /// A job's numbers, as of now. What they were when it was first seen does not count: of a job
  /// that an earlier life had, that life has counted it.
  void See(plan::JobId job, const plan::JobStats& stats);

  void AppendTo(io::MetricsPage& page) const;

 private:
  struct OfJobs {
    std::uint64_t map_output_bytes = 0, output_bytes = 0, backups_won = 0, outputs_lost = 0,
                  skipped_records = 0;
    void Add(const OfJobs& now, const OfJobs& first);
  };
  struct Known {
    OfJobs first, now;
  };
  static constexpr std::size_t kPhases = 2, kKinds = 3, kFailureKinds = 7, kReasons = 5,
                               kStates = 5;  ///< of jobs
  using ByFailure = std::array<std::uint64_t, kFailureKinds>;

  OfJobs Total() const;
  void AppendAttempts(io::MetricsPage& page) const;
  void AppendJobs(io::MetricsPage& page) const;
  void AppendJournal(io::MetricsPage& page) const;

  std::array<std::array<std::uint64_t, kKinds>, kPhases> started_{};
  std::array<std::uint64_t, kPhases> succeeded_{};
  std::array<ByFailure, kPhases> failed_{};
  std::array<std::uint64_t, kReasons> cancelled_{};
  std::uint64_t submitted_ = 0;
  std::array<std::uint64_t, kStates> ended_{};
  std::uint64_t input_bytes_ = 0, shuffle_bytes_ = 0;
  std::uint64_t workers_attached_ = 0, fetch_failures_ = 0;
  std::uint64_t journal_writes_ = 0, journal_bytes_ = 0, compactions_ = 0;
  std::map<plan::JobId, Known> jobs_;
  OfJobs forgotten_;
};

/// How long a coordinator takes. What arrives is answered at the end of the turn that took it up.
class TurnTimes {
 public:
  using Clock = std::chrono::steady_clock;

  /// What came from a worker at that time is taken up in this turn. Owner thread, as below.
  void TakeUp(Clock::time_point arrived) { taken_up_.push_back(arrived); }
  /// A turn that began then is over: its journal is written, its answers and orders are sent.
  void End(Clock::time_point began);

  void AppendTo(io::MetricsPage& page) const;

 private:
  io::DurationHistogram turns_, delays_;
  std::vector<Clock::time_point> taken_up_;
};

/// Of jobs, tasks, workers and slots as they are.
void AppendState(io::MetricsPage& page, const v1::ListJobsReply& jobs,
                 const v1::ListWorkersReply& workers);

/// What a coordinator with a KV knows of its part.
struct LeadershipFacts {
  bool leads = false;
  std::uint64_t fence = 0;      ///< of its leadership
  std::uint64_t kv_writes = 0;  ///< of this process
  std::uint64_t terms = 0;      ///< times that this process was elected
};
void AppendLeadership(io::MetricsPage& page, const LeadershipFacts& facts);

}  // namespace trireme::mapreduce::cluster
