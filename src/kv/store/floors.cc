#include "kv/store/floors.h"

#include <algorithm>

namespace trireme::kv::inline engine {

void Floors::Raise(std::int64_t floor) {
  const std::scoped_lock lock(mutex_);
  floor_ = std::max(floor_, floor);
  moved_.notify_all();
}

std::int64_t Floors::Hold() {
  const std::scoped_lock lock(mutex_);
  held_.insert(floor_);
  return floor_;
}

void Floors::Release(std::int64_t floor) {
  const std::scoped_lock lock(mutex_);
  held_.erase(held_.find(floor));
  moved_.notify_all();
}

std::int64_t Floors::LowestLocked() const {
  return held_.empty() ? floor_ : std::min(floor_, *held_.begin());
}

std::int64_t Floors::Lowest() const {
  const std::scoped_lock lock(mutex_);
  return LowestLocked();
}

std::optional<std::int64_t> Floors::AwaitAbove(std::int64_t seen) {
  std::unique_lock lock(mutex_);
  moved_.wait(lock, [&] { return stopped_ || LowestLocked() > seen; });
  if (stopped_) return std::nullopt;
  return LowestLocked();
}

bool Floors::Wait(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  return !moved_.wait_for(lock, time, [&] { return stopped_; });
}

void Floors::Stop() {
  const std::scoped_lock lock(mutex_);
  stopped_ = true;
  moved_.notify_all();
}

}  // namespace trireme::kv::inline engine
