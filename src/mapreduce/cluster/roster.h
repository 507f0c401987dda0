#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mapreduce/cluster/wire.h"

namespace trireme::mapreduce::cluster {

/// Workers whose hosts are remembered, those that have left among them.
inline constexpr std::size_t kRosterHostsMax = 100'000;

/// The workers that are attached, as the journal has them: whom the next leader may expect.
class Roster {
 public:
  /// False: it was there already. `host`: for people.
  bool Add(plan::WorkerRef worker, std::string_view host) {
    if (hosts_.size() < kRosterHostsMax) hosts_[worker.id] = host;
    const auto [at, added] = workers_.try_emplace(worker.id, worker);
    return added || std::exchange(at->second, worker) != worker;
  }
  /// False: it was not there.
  bool Remove(plan::WorkerId worker) { return workers_.erase(worker) > 0; }

  void Replay(const v1::JournalRecord& record) {
    if (record.has_worker_attached()) {
      const v1::WorkerAttached& attached = record.worker_attached();
      (void)Add(FromWire(attached.worker()), attached.host());
    }
    if (record.has_worker_left()) (void)Remove(plan::WorkerId{record.worker_left().worker()});
  }
  void Checkpoint(std::vector<v1::JournalRecord>* to) const {
    for (const auto& [id, worker] : workers_) to->push_back(Attached(worker, HostOf(id)));
  }

  static v1::JournalRecord Attached(plan::WorkerRef worker, const std::string& host) {
    v1::JournalRecord record;
    *record.mutable_worker_attached()->mutable_worker() = ToWire(worker);
    record.mutable_worker_attached()->set_host(host);
    return record;
  }
  static v1::JournalRecord Left(plan::WorkerId worker) {
    v1::JournalRecord record;
    record.mutable_worker_left()->set_worker(static_cast<std::uint64_t>(worker));
    return record;
  }

  const std::map<plan::WorkerId, plan::WorkerRef>& workers() const { return workers_; }
  /// Of one that has left, too; empty: it was never here.
  std::string HostOf(plan::WorkerId worker) const {
    const auto found = hosts_.find(worker);
    return found == hosts_.end() ? "" : found->second;
  }

 private:
  std::map<plan::WorkerId, plan::WorkerRef> workers_;
  std::map<plan::WorkerId, std::string> hosts_;
};

}  // namespace trireme::mapreduce::cluster
