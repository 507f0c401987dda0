#include "mapreduce/plan/workers.h"

#include <algorithm>

#include "base/check.h"

namespace trireme::mapreduce::plan {

std::uint32_t WorkerTable::Find(WorkerId id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? kNone : found->second;
}

std::uint32_t WorkerTable::Add(WorkerRef ref) {
  const auto place = size();
  TRIREME_CHECK(by_id_.emplace(ref.id, place).second);
  workers_.emplace_back();
  workers_.back().ref = ref;
  return place;
}

bool WorkerTable::IsUsable(std::uint32_t place) const {
  return workers_[place].state == WorkerState::kAlive && workers_[place].slots > 0;
}

WorkerTable::FreeKey WorkerTable::Key(std::uint32_t place) const {
  const Worker& worker = workers_[place];
  const auto busy = static_cast<std::int64_t>(worker.attempts.size());
  return {IsSlow(place), busy - static_cast<std::int64_t>(worker.slots), place};
}

// Every change to what Key, usable_ and slots_ depend on goes through here.
template <typename Change>
void WorkerTable::Update(std::uint32_t place, Change change) {
  if (IsUsable(place)) {
    free_.erase(Key(place));
    --usable_;
    slots_ -= workers_[place].slots;
  }
  change(workers_[place]);
  if (IsUsable(place)) {
    if (const FreeKey key = Key(place); std::get<1>(key) < 0) free_.insert(key);
    ++usable_;
    slots_ += workers_[place].slots;
  }
}

void WorkerTable::SetState(std::uint32_t place, WorkerState state) {
  Update(place, [&](Worker& worker) { worker.state = state; });
}

void WorkerTable::SetSlots(std::uint32_t place, std::uint32_t slots) {
  if (workers_[place].slots == slots) return;
  Update(place, [&](Worker& worker) { worker.slots = slots; });
}

void WorkerTable::AddAttempt(std::uint32_t place, std::uint32_t attempt) {
  Update(place, [&](Worker& worker) { worker.attempts.push_back(attempt); });
}

void WorkerTable::RemoveAttempt(std::uint32_t place, std::uint32_t attempt) {
  Update(place, [&](Worker& worker) {
    const auto found = std::find(worker.attempts.begin(), worker.attempts.end(), attempt);
    TRIREME_CHECK(found != worker.attempts.end());
    worker.attempts.erase(found);
  });
}

void WorkerTable::Measure(std::uint32_t place, double relative) {
  Update(place, [&](Worker& worker) { worker.slowness = (worker.slowness + relative) / 2; });
}

}  // namespace trireme::mapreduce::plan
