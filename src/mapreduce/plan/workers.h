#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "mapreduce/plan/attempts.h"
#include "mapreduce/plan/types.h"

namespace trireme::mapreduce::plan {

enum class WorkerState : std::uint8_t {
  kAlive,
  kExpected,  ///< Known from the journal; its lease runs, nothing is assigned to it yet.
  kLost,
};

struct Worker {
  WorkerRef ref;
  std::string host;
  WorkerState state = WorkerState::kLost;
  std::uint32_t slots = 0;
  TimeMs heard_ms = 0;
  /// Its attempts' durations relative to the usual, a moving average; 1 until measured.
  double slowness = 1;
  std::vector<std::uint32_t> attempts;  ///< Places in the AttemptTable: its busy slots.
  /// Map tasks whose output it made, by job; some of them may have a newer home.
  std::map<JobId, std::vector<std::uint32_t>> outputs;
};

/// The workers, in places that are never reused, and those with a free slot in the order in which
/// they are served: known-slow ones last, then the most free slots, then the earliest known.
class WorkerTable {
 public:
  explicit WorkerTable(double slow_speed) : slowness_max_(1 / slow_speed) {}

  /// The worker's place; kNone if its id was never seen.
  std::uint32_t Find(WorkerId id) const;
  /// Adds a lost worker.
  std::uint32_t Add(WorkerRef ref);

  Worker& operator[](std::uint32_t place) { return workers_[place]; }
  const Worker& operator[](std::uint32_t place) const { return workers_[place]; }
  std::uint32_t size() const { return static_cast<std::uint32_t>(workers_.size()); }

  void SetState(std::uint32_t place, WorkerState state);
  void SetSlots(std::uint32_t place, std::uint32_t slots);
  void AddAttempt(std::uint32_t place, std::uint32_t attempt);
  void RemoveAttempt(std::uint32_t place, std::uint32_t attempt);
  /// One more attempt took `relative` times as long as usual.
  void Measure(std::uint32_t place, double relative);

  bool IsSlow(std::uint32_t place) const { return workers_[place].slowness > slowness_max_; }
  /// Alive and with slots, busy or not.
  bool IsUsable(std::uint32_t place) const;
  std::uint32_t usable() const { return usable_; }
  std::uint64_t slots() const { return slots_; }

  using FreeKey = std::tuple<bool, std::int64_t, std::uint32_t>;  ///< slow, -free slots, place
  const std::set<FreeKey>& free() const { return free_; }

 private:
  template <typename Change>
  void Update(std::uint32_t place, Change change);
  FreeKey Key(std::uint32_t place) const;

  double slowness_max_;
  std::vector<Worker> workers_;
  absl::flat_hash_map<WorkerId, std::uint32_t> by_id_;  // only looked up, never iterated
  std::set<FreeKey> free_;
  std::uint32_t usable_ = 0;
  std::uint64_t slots_ = 0;
};

}  // namespace trireme::mapreduce::plan
