#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mapreduce/plan/journal.h"
#include "mapreduce/plan/types.h"
#include "sim/kv/record.h"

namespace trireme::sim {

namespace plan = mapreduce::plan;

/// Bugs put in on purpose, to prove that what watches can fail.
enum class MrBug : std::uint8_t {
  kNone,
  kPromiseEarly,  ///< Answers do not wait until what they promise is durable.
  kNoFence,       ///< Nobody looks whether the writer still leads, and nothing is in its way.
  kEpochLate,     ///< Attempts are assigned before their epoch is durable.
};

/// The jobs of a world, drawn from its seed.
struct MrJobs {
  std::uint32_t coordinators = 2;
  std::uint32_t workers = 3;
  std::uint32_t jobs = 1;
  std::uint32_t maps = 4;
  std::uint32_t reduces = 2;
  std::uint32_t slots = 1;
  std::uint64_t task_ms = 300;
  std::uint64_t fault_ppm = 0;    ///< For each coordinator and worker and 100 ms.
  std::uint64_t failure_ppm = 0;  ///< Of attempts.

  static MrJobs Draw(std::uint64_t seed);
};

/// What really happened in a world of jobs: the file system that all see, the records behind the
/// journal's bytes, and what was promised to whom. A violation goes to the KV's record.
class Books {
 public:
  Books(const MrJobs& jobs, MrBug bug, Record* record);

  const MrJobs& jobs() const { return jobs_; }
  MrBug bug() const { return bug_; }

  // The journal's payloads name records that are kept here; docs/simulator.md says what that leaves
  // out.
  std::string Keep(std::vector<plan::JournalRecord> records, std::size_t padding_bytes);
  const std::vector<plan::JournalRecord>& Find(std::string_view payload) const;

  // Map outputs, on the workers that made them.
  void MadeMap(const plan::AttemptRef& attempt, const plan::WorkerRef& worker);
  void LostWorker(plan::WorkerId worker);
  void Reachable(plan::WorkerId worker, bool reachable) { reachable_[worker] = reachable; }
  /// The output's bytes, or nothing when it cannot be had there.
  std::optional<std::uint64_t> Fetch(const plan::MapOutput& output, plan::JobId job,
                                     std::uint32_t map) const;

  // Parts, in the file system that all see.
  /// `content`: of what was fetched, in the order of the maps.
  void Rename(const plan::AttemptRef& attempt, std::uint64_t content);
  /// A coordinator ends the job's output: `_SUCCESS`.
  void Finish(plan::JobId job, plan::JobState state);
  bool AllFinished() const;

  // Promises.
  void PromisedJob(plan::JobId job) { promised_jobs_.insert(job); }
  void PromisedSuccess(const plan::AttemptRef& attempt);
  /// A leader has a map made again as its output could not be fetched.
  void GaveUp(const plan::TaskRef& map) { promised_maps_.erase(map); }
  /// A leader begins with these records: all that was promised before must be there.
  void Restores(const std::vector<plan::JournalRecord>& records);
  /// No attempt has the id of another.
  void Assigned(const plan::AttemptRef& attempt, std::uint64_t by);

  /// Whether one more attempt of the task may fail.
  bool MayFail(const plan::TaskRef& task);

  std::uint64_t takeovers() const { return takeovers_; }
  std::uint64_t promises() const { return promises_; }

  static std::uint64_t MapBytes(plan::JobId job, std::uint32_t map);
  static std::uint64_t Mix(std::uint64_t into, std::uint64_t value);

 private:
  using OutputName = std::tuple<plan::WorkerId, plan::JobId, std::uint32_t, plan::AttemptId>;

  std::uint64_t ExpectedPart(const plan::TaskRef& part) const;
  void CheckParts(plan::JobId job);
  bool IsThere(const plan::TaskRef& map, plan::AttemptId attempt) const;
  void Violation(std::string what) { record_.Violation(std::move(what)); }

  const MrJobs jobs_;
  const MrBug bug_;
  Record& record_;
  std::vector<std::vector<plan::JournalRecord>> kept_;
  std::set<OutputName> outputs_;
  std::map<plan::WorkerId, bool> reachable_;
  std::map<plan::TaskRef, std::uint64_t> parts_;
  std::set<plan::JobId> finished_;
  std::set<plan::JobId> promised_jobs_;
  std::map<plan::TaskRef, plan::AttemptId> promised_maps_;
  std::map<plan::TaskRef, plan::AttemptId> promised_commits_;
  std::map<plan::AttemptId, std::pair<plan::AttemptRef, std::uint64_t>> assigned_;
  std::map<plan::TaskRef, std::uint32_t> failures_;
  std::uint64_t takeovers_ = 0, promises_ = 0;
};

}  // namespace trireme::sim
