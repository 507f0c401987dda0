#include "kv/server/key_watch.h"

#include <utility>

namespace trireme::kv::inline engine {

KeyWatch::Id KeyWatch::AddKey(std::string key, std::shared_ptr<rpc::Loop> loop, Changed changed) {
  return Add({std::move(key), false, std::move(loop),
              std::make_shared<const Changed>(std::move(changed))});
}

KeyWatch::Id KeyWatch::AddPrefix(std::string prefix, std::shared_ptr<rpc::Loop> loop,
                                 Changed changed) {
  return Add({std::move(prefix), true, std::move(loop),
              std::make_shared<const Changed>(std::move(changed))});
}

KeyWatch::Id KeyWatch::Add(Waiter waiter) {
  const std::lock_guard lock(mutex_);
  const Id id = ++last_;
  (waiter.prefix ? prefixes_ : keys_).emplace(waiter.place, id);
  waiters_.emplace(id, std::move(waiter));
  count_ = waiters_.size();
  return id;
}

void KeyWatch::Remove(Id id) {
  const std::lock_guard lock(mutex_);
  const auto found = waiters_.find(id);
  if (found == waiters_.end()) return;
  auto& places = found->second.prefix ? prefixes_ : keys_;
  const auto [from, to] = places.equal_range(found->second.place);
  for (auto at = from; at != to; ++at) {
    if (at->second != id) continue;
    places.erase(at);
    break;
  }
  waiters_.erase(found);
  count_ = waiters_.size();
}

void KeyWatch::Tell(Id id, std::shared_ptr<const Change> change) const {
  const Waiter& waiter = waiters_.at(id);
  waiter.loop->Post(
      [changed = waiter.changed, change = std::move(change)] { (*changed)(change.get()); });
}

/// Those who wait at prefixes observe elections: they are few.
void KeyWatch::Match(const Event& event) const {
  const auto [from, to] = keys_.equal_range(event.kv.key);
  for (auto at = from; at != to; ++at) Tell(at->second, nullptr);
  std::shared_ptr<const Change> change;
  for (const auto& [prefix, id] : prefixes_) {
    if (!event.kv.key.starts_with(prefix)) continue;
    if (change == nullptr)
      change = std::make_shared<const Change>(Change{event.type, KeyValue::Of(event.kv)});
    Tell(id, change);
  }
}

void KeyWatch::OnBatch(const CommittedBatch& batch) {
  if (!wanted()) return;
  const std::lock_guard lock(mutex_);
  if (!batch.has_events) {
    for (const auto& [id, waiter] : waiters_) Tell(id, nullptr);
    return;
  }
  for (const Outcome& outcome : batch.outcomes)
    for (const Event& event : outcome.events) Match(event);
}

}  // namespace trireme::kv::inline engine
