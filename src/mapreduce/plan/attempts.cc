#include "mapreduce/plan/attempts.h"

#include "base/check.h"

namespace trireme::mapreduce::plan {

std::uint32_t AttemptTable::Add(const RunningAttempt& attempt) {
  TRIREME_CHECK(attempt.worker != kNone);
  std::uint32_t place = static_cast<std::uint32_t>(places_.size());
  if (free_.empty()) {
    places_.push_back(attempt);
  } else {
    place = free_.back();
    free_.pop_back();
    places_[place] = attempt;
  }
  TRIREME_CHECK(by_id_.emplace(attempt.ref.id, place).second);
  return place;
}

void AttemptTable::Remove(std::uint32_t place) {
  TRIREME_CHECK(by_id_.erase(places_[place].ref.id) == 1);
  places_[place] = RunningAttempt{};
  free_.push_back(place);
}

std::uint32_t AttemptTable::Find(AttemptId id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? kNone : found->second;
}

std::size_t AttemptTable::MemoryBytes() const {
  return places_.capacity() * sizeof(RunningAttempt) + free_.capacity() * sizeof(std::uint32_t) +
         by_id_.capacity() * (sizeof(std::pair<AttemptId, std::uint32_t>) + 1);
}

}  // namespace trireme::mapreduce::plan
