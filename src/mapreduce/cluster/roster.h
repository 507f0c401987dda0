#pragma once

#include <map>
#include <vector>

#include "mapreduce/cluster/wire.h"

namespace trireme::mapreduce::cluster {

/// The workers that are attached, as the journal has them: whom the next leader may expect.
class Roster {
 public:
  /// False: it was there already.
  bool Add(plan::WorkerRef worker) {
    const auto [at, added] = workers_.try_emplace(worker.id, worker);
    return added || std::exchange(at->second, worker) != worker;
  }
  /// False: it was not there.
  bool Remove(plan::WorkerId worker) { return workers_.erase(worker) > 0; }

  void Replay(const v1::JournalRecord& record) {
    if (record.has_worker_attached()) (void)Add(FromWire(record.worker_attached().worker()));
    if (record.has_worker_left()) (void)Remove(plan::WorkerId{record.worker_left().worker()});
  }
  void Checkpoint(std::vector<v1::JournalRecord>* to) const {
    for (const auto& [id, worker] : workers_) to->push_back(Attached(worker));
  }

  static v1::JournalRecord Attached(plan::WorkerRef worker) {
    v1::JournalRecord record;
    *record.mutable_worker_attached()->mutable_worker() = ToWire(worker);
    return record;
  }
  static v1::JournalRecord Left(plan::WorkerId worker) {
    v1::JournalRecord record;
    record.mutable_worker_left()->set_worker(static_cast<std::uint64_t>(worker));
    return record;
  }

  const std::map<plan::WorkerId, plan::WorkerRef>& workers() const { return workers_; }

 private:
  std::map<plan::WorkerId, plan::WorkerRef> workers_;
};

}  // namespace trireme::mapreduce::cluster
