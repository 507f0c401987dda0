#include "sim/kv/record.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "fmt/format.h"
#include "kv/model/command_codec.h"
#include "kv/server/entry.h"
#include "sim/kv/keys.h"

namespace trireme::sim {

Record::Record(const Options* options) : options_(*options) {
  model_ = *kv::Model::Open(store_);
  TRIREME_CHECK(model_->Commit().ok());
  view_ = model_->View();
}

void Record::Commit(const raft::Entry& entry, Micros now) {
  if (entry.index.value <= model_->applied_index()) return;
  while (model_->applied_index() + 1 < entry.index.value) {
    model_->Skip(model_->applied_index() + 1, entry.term.value);
  }
  const auto parsed = kv::ParseEntry(entry.data.view());
  if (!parsed) return Violation("a committed entry is no command of the KV");
  absl::StatusOr<kv::Command> command = kv::DecodeCommand(parsed->command);
  if (!command.ok()) return Violation("a committed command cannot be read");
  command->time_ms = parsed->tail.time_ms;
  kv::Outcome outcome;
  TRIREME_CHECK(model_->Apply(entry.index.value, entry.term.value, *command, &outcome).ok());
  TRIREME_CHECK(model_->Commit().ok());
  view_ = model_->View();
  Note(outcome, now);
}

void Record::Note(const kv::Outcome& outcome, Micros now) {
  for (const kv::Event& event : outcome.events) {
    const bool deleted = event.type == kv::EventType::kDelete;
    events_.push_back({event.kv.mod_revision, deleted, std::string(event.kv.key),
                       deleted ? std::string() : std::string(event.kv.value)});
    NoteFenced(events_.back());
  }
  const auto* tick = std::get_if<kv::TickResult>(&outcome.result);
  if (tick == nullptr) return;
  for (const kv::LeaseId id : tick->expired) {
    leases_[id].ended = now;
    CheckLease(id, leases_[id]);
  }
}

/// What is written under a lock begins with the writer's token, which never goes back.
void Record::NoteFenced(const RecordedEvent& event) {
  if (event.deleted || !event.key.starts_with(kFencedPrefix)) return;
  const std::int64_t token = std::stoll(event.value);
  std::int64_t& greatest = fenced_[event.key];
  if (token < greatest) {
    Violation(fmt::format("{} is written under token {} at revision {}, after {}", event.key, token,
                          event.revision, greatest));
  }
  greatest = std::max(greatest, token);
}

void Record::CheckHash(std::uint64_t node, std::uint64_t index, const kv::StateHash& hash) {
  const auto [at, fresh] = hashes_.try_emplace(index, hash);
  const kv::StateHash& first = at->second;
  if (fresh || (first.hash == hash.hash && first.revision == hash.revision)) return;
  Violation(fmt::format("node {} has hash {:08x} at entry {}, revision {}; another has {:08x}, {}",
                        node, hash.hash, index, hash.revision, first.hash, first.revision));
}

std::vector<RecordedEvent> Record::EventsOf(std::string_view key, std::string_view end,
                                            std::int64_t from, std::int64_t to) const {
  std::vector<RecordedEvent> found;
  auto at = std::lower_bound(
      events_.begin(), events_.end(), from,
      [](const RecordedEvent& event, std::int64_t revision) { return event.revision < revision; });
  for (; at != events_.end() && at->revision <= to; ++at) {
    const bool in =
        end.empty() ? at->key == key : at->key >= key && (end == kv::kFromKey || at->key < end);
    if (in) found.push_back(*at);
  }
  return found;
}

/// A leader measures with a clock that may be fast by the promised drift, and in whole ticks.
Micros Record::LeaseUntil(Micros sent, std::int64_t ttl_s) const {
  const Micros ttl = static_cast<Micros>(ttl_s) * kSecond;
  const Micros early = ttl / 1'000'000 * options_.clock_drift_ppm + 2 * options_.tick_us;
  return sent + ttl - std::min(ttl, early);
}

void Record::Renewed(kv::LeaseId lease, std::int64_t ttl_s, Micros sent) {
  Lease& known = leases_[lease];
  known.least_end = std::max(known.least_end, LeaseUntil(sent, ttl_s));
  CheckLease(lease, known);
}

void Record::CheckLease(kv::LeaseId id, const Lease& lease) {
  if (lease.ended == 0 || lease.ended >= lease.least_end) return;
  Violation(fmt::format("lease {} ended at {} us, {} us too early", id, lease.ended,
                        lease.least_end - lease.ended));
}

void Record::Holds(const std::string& lock, std::uint64_t client, std::int64_t token, Micros now,
                   Micros until) {
  Holder& holder = holders_[lock];
  if (holder.client != client && holder.until > now) {
    Violation(fmt::format("client {} is told that it holds {} while client {} relies on it", client,
                          lock, holder.client));
  }
  if (token < holder.token) {
    Violation(fmt::format("{} is given out with token {} after {}", lock, token, holder.token));
  }
  holder = {client, token, until};
}

void Record::Releases(const std::string& lock, std::uint64_t client) {
  const auto at = holders_.find(lock);
  if (at != holders_.end() && at->second.client == client) at->second.until = 0;
}

}  // namespace trireme::sim
