#include "sim/sharded/agents.h"

#include <utility>

#include "fmt/format.h"
#include "sim/distributions.h"
#include "sim/event_queue.h"
#include "sim/options.h"

namespace trireme::sim::sharded {

using linear::KvCode;
using linear::KvKind;
using Outcome = Clerk::Outcome;

namespace {

/// Of a certain outcome.
KvCode CodeOf(Outcome outcome) {
  if (outcome == Outcome::kOk) return KvCode::kOk;
  return outcome == Outcome::kNoKey ? KvCode::kNoKey : KvCode::kWrongVersion;
}

}  // namespace

ClerkAgent::ClerkAgent(std::uint64_t number, Surroundings around, std::vector<ServerId> store,
                       std::vector<linear::KvCall>* history)
    : Agent(number, around, &clerk_), clerk_(std::move(store)), history_(*history) {}

void ClerkAgent::Get(const std::string& key) {
  Begin(KvKind::kGet, key, "", 0);
}

void ClerkAgent::Put(const std::string& key, const std::string& value, std::uint64_t version) {
  Begin(KvKind::kComparePut, key, value, version);
}

void ClerkAgent::Begin(KvKind kind, const std::string& key, const std::string& value,
                       std::uint64_t version) {
  place_ = history_.size();
  history_.push_back(
      {number(), key, kind, value, version, around_.queue->now(), linear::kNever, std::nullopt});
  noted_ = false;
  if (kind == KvKind::kGet) {
    clerk_.Begin(sharded::Get{key});
  } else {
    clerk_.Begin(sharded::Put{key, value, version});
  }
  Pump();
}

/// What is over goes into the history; of an unknown outcome it says nothing.
void ClerkAgent::Note() {
  noted_ = true;
  linear::KvCall& call = history_[place_];
  const Clerk::Done& done = clerk_.done();
  const bool put = call.kind == KvKind::kComparePut;
  unsure_.reset();
  if (put && done.outcome != Outcome::kOk) unsure_ = call.key;
  if (done.outcome == Outcome::kMaybe) return (void)++maybe_;
  const KvCode code = CodeOf(done.outcome);
  call.returned = around_.queue->now();
  call.result = linear::KvResult{code, done.value, done.version};
  if (code != KvCode::kWrongVersion) versions_[call.key] = done.version;
  if (!put || code != KvCode::kOk) return;
  ++ok_;
  if (last_) working_ = false;
}

void ClerkAgent::OnIdle() {
  if (noted_) return;
  Note();
  if (working_) WakeAfter(Exponential(random_, around_.options->think_us));
}

void ClerkAgent::OnOwnWake(std::uint64_t) {
  if (idle() && working_) BeginAny();
}

void ClerkAgent::Work() {
  working_ = true;
  if (idle()) BeginAny();
}

void ClerkAgent::BeginLast() {
  last_ = true;
  Work();
}

void ClerkAgent::BeginAny() {
  if (unsure_) return Get(std::string(*unsure_));
  const std::string key = fmt::format("{}", random_.Below(around_.options->keys));
  if (!last_ && Chance(random_, around_.options->read_ppm)) return Get(key);
  Put(key, fmt::format("{}.{}", number(), ++sequence_), versions_[key]);
}

}  // namespace trireme::sim::sharded
