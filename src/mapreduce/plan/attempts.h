#pragma once

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "mapreduce/plan/types.h"

namespace trireme::mapreduce::plan {

class Job;

/// An index that points nowhere.
inline constexpr std::uint32_t kNone = 0xffffffff;

/// An attempt that holds a slot of its worker: it runs, or it was cancelled and has not stopped.
struct RunningAttempt {
  AttemptRef ref;
  Job* job = nullptr;  ///< Null: the worker listed it and the plan does not know its job.
  TimeMs start_ms = 0;
  TimeMs changed_ms = 0;  ///< When its progress last changed.
  TimeMs listed_ms = 0;   ///< When its worker last listed it.
  std::uint64_t records = 0;
  double progress = 0;
  std::uint32_t worker = kNone;
  std::uint32_t history = kNone;  ///< Its bar in the job's timeline.
  std::uint32_t number = 0;       ///< Attempts of the task before it.
  AttemptKind kind = AttemptKind::kNormal;
  bool attached = false;   ///< It is its task's primary or backup: not cancelled.
  bool granted = false;    ///< It may commit. At most one of a task's attached attempts.
  bool fetched = false;    ///< Reduce: needs no map output any more.
  bool fast = false;       ///< Assigned to a worker not known as slow.
  bool listed = false;     ///< By a heartbeat of its worker, at least once.
  bool preempted = false;  ///< Its slot is awaited by a map task of the same job.
};

/// All attempts that hold slots, in dense places that are reused last in, first out: the order of
/// iteration depends on nothing but the calls made.
class AttemptTable {
 public:
  std::uint32_t Add(const RunningAttempt& attempt);
  void Remove(std::uint32_t place);
  /// kNone if there is no such attempt.
  std::uint32_t Find(AttemptId id) const;

  RunningAttempt& operator[](std::uint32_t place) { return places_[place]; }
  const RunningAttempt& operator[](std::uint32_t place) const { return places_[place]; }

  /// Calls visit(place, attempt) for each; `visit` may Remove the attempt it is called with.
  template <typename Visit>
  void ForEach(Visit visit) {
    for (std::uint32_t i = 0; i < places_.size(); ++i) {
      if (places_[i].worker != kNone) visit(i, places_[i]);
    }
  }
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (std::uint32_t i = 0; i < places_.size(); ++i) {
      if (places_[i].worker != kNone) visit(i, places_[i]);
    }
  }

  std::size_t size() const { return by_id_.size(); }
  std::size_t MemoryBytes() const;

 private:
  std::vector<RunningAttempt> places_;
  std::vector<std::uint32_t> free_;
  absl::flat_hash_map<AttemptId, std::uint32_t> by_id_;  // only looked up, never iterated
};

}  // namespace trireme::mapreduce::plan
