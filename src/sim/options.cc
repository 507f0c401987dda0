#include "sim/options.h"

#include <algorithm>
#include <charconv>

#include "base/random.h"
#include "fmt/format.h"

namespace trireme::sim {
namespace {

constexpr OptionField kFields[] = {
    {"seed", &Options::seed, false},
    {"voters", &Options::voters, false},
    {"spares", &Options::spares, false},
    {"witness", &Options::witness, true},
    {"tick_us", &Options::tick_us, false},
    {"election_ticks", &Options::election_ticks, false},
    {"heartbeat_ticks", &Options::heartbeat_ticks, false},
    {"pre_vote", &Options::pre_vote, false},
    {"check_quorum", &Options::check_quorum, false},
    {"leader_noop", &Options::leader_noop, false},
    {"lease_ticks", &Options::lease_ticks, true},
    {"clock_drift_ppm_max", &Options::clock_drift_ppm_max, false},
    {"clock_drift_ppm", &Options::clock_drift_ppm, true},
    {"append_entries_max", &Options::append_entries_max, false},
    {"inflight_appends_max", &Options::inflight_appends_max, false},
    {"log_cache_bytes_max", &Options::log_cache_bytes_max, false},
    {"snapshot_chunk_bytes_max", &Options::snapshot_chunk_bytes_max, false},
    {"snapshot_every", &Options::snapshot_every, true},
    {"snapshot_log_bytes", &Options::snapshot_log_bytes, true},
    {"keep_entries", &Options::keep_entries, false},
    {"latency_min_us", &Options::latency_min_us, false},
    {"latency_mean_us", &Options::latency_mean_us, false},
    {"loss_ppm", &Options::loss_ppm, true},
    {"duplicate_ppm", &Options::duplicate_ppm, true},
    {"reorder_ppm", &Options::reorder_ppm, true},
    {"reorder_us", &Options::reorder_us, false},
    {"sync_us", &Options::sync_us, false},
    {"slow_disk_ms", &Options::slow_disk_ms, true},
    {"log_storage", &Options::log_storage, true},
    {"log_segment_kib", &Options::log_segment_kib, false},
    {"log_restore_bytes_max", &Options::log_restore_bytes_max, false},
    {"housekeep_ms", &Options::housekeep_ms, false},
    {"full_disk_ms", &Options::full_disk_ms, true},
    {"sync_fails_ms", &Options::sync_fails_ms, true},
    {"power_off_ms", &Options::power_off_ms, true},
    {"damage_ms", &Options::damage_ms, true},
    {"crash_ms", &Options::crash_ms, true},
    {"crash_leader_ms", &Options::crash_leader_ms, true},
    {"crash_all_ms", &Options::crash_all_ms, true},
    {"stumble_ms", &Options::stumble_ms, true},
    {"pause_ms", &Options::pause_ms, true},
    {"partition_ms", &Options::partition_ms, true},
    {"isolate_leader_ms", &Options::isolate_leader_ms, true},
    {"transfer_ms", &Options::transfer_ms, true},
    {"campaign_ms", &Options::campaign_ms, true},
    {"membership_ms", &Options::membership_ms, true},
    {"snapshot_ms", &Options::snapshot_ms, true},
    {"controller_away_ms", &Options::controller_away_ms, true},
    {"fault_mean_ms", &Options::fault_mean_ms, false},
    {"groups", &Options::groups, false},
    {"controllers", &Options::controllers, false},
    {"clients", &Options::clients, false},
    {"keys", &Options::keys, false},
    {"think_us", &Options::think_us, false},
    {"timeout_ms", &Options::timeout_ms, false},
    {"give_up_ppm", &Options::give_up_ppm, true},
    {"read_ppm", &Options::read_ppm, false},
    {"log_read_ppm", &Options::log_read_ppm, true},
    {"follower_ppm", &Options::follower_ppm, true},
    {"safety_ms", &Options::safety_ms, false},
    {"settle_ms", &Options::settle_ms, false},
};

using Number = Options::Number;

class Draws {
 public:
  explicit Draws(Number seed) : random_(seed ^ 0x6f7074696f6e73) {}

  bool OneIn(Number n) { return random_.OneIn(n); }
  Number Between(Number least, Number most) { return least + random_.Below(most - least + 1); }
  template <std::size_t n>
  Number OneOf(const Number (&choices)[n]) {
    return choices[random_.Below(n)];
  }
  /// 0 in half of the worlds, so that every fault is also seen without the others.
  Number Fault(Number least, Number most) { return OneIn(2) ? 0 : Between(least, most); }

 private:
  Random random_;
};

void DrawCluster(Draws& draws, Options* o) {
  o->voters = draws.OneOf({1, 2, 3, 3, 3, 3, 4, 5, 5, 5, 7});
  o->spares = draws.OneIn(2) ? draws.Between(1, 2) : 0;
  o->witness = o->voters >= 3 && draws.OneIn(8) ? 1 : 0;
  o->tick_us = draws.OneOf({5'000, 10'000, 20'000});
  o->heartbeat_ticks = draws.Between(1, 5);
  o->election_ticks = o->heartbeat_ticks + draws.Between(5, 15);
  o->pre_vote = draws.OneIn(4) ? 0 : 1;
  o->leader_noop = draws.OneIn(4) ? 0 : 1;
  o->check_quorum = draws.OneIn(6) ? 0 : 1;
  o->lease_ticks = draws.OneIn(3) && o->leader_noop != 0 ? draws.Between(3, 40) : 0;
  o->clock_drift_ppm_max = draws.OneOf({100, 10'000, 100'000});
  o->clock_drift_ppm = draws.OneIn(2) ? 0 : o->clock_drift_ppm_max;
  o->append_entries_max = draws.OneOf({1, 2, 8, 64, 1'024});
  o->inflight_appends_max = draws.OneOf({1, 2, 16, 0});
  o->log_cache_bytes_max = draws.OneOf({0, 256, 4'096, 1u << 20});
  o->snapshot_chunk_bytes_max = draws.OneOf({16, 100, 1'000, 1u << 20});
  o->snapshot_every = draws.OneOf({0, 7, 50, 200, 1'000});
  o->keep_entries = draws.OneOf({0, 1, 20, 200});
}

void DrawNetwork(Draws& draws, Options* o) {
  o->latency_min_us = draws.OneOf({50, 300, 2'000});
  o->latency_mean_us = draws.OneOf({50, 700, 3'000, 10'000});
  o->loss_ppm = draws.OneOf({0, 0, 1'000, 20'000, 100'000});
  o->duplicate_ppm = draws.OneOf({0, 0, 10'000, 100'000});
  o->reorder_ppm = draws.OneOf({0, 0, 10'000, 100'000});
  o->reorder_us = draws.OneOf({20'000, 500'000, 3'000'000});
}

void DrawDisks(Draws& draws, Options* o) {
  o->sync_us = draws.OneOf({100, 2'000, 2'000, 10'000});
  o->slow_disk_ms = draws.Fault(1'000, 10'000);
}

void DrawFaults(Draws& draws, Options* o) {
  o->crash_ms = draws.Fault(300, 5'000);
  o->crash_leader_ms = draws.OneIn(3) ? draws.Between(50, 1'000) : 0;
  o->crash_all_ms = draws.OneIn(4) ? draws.Between(3'000, 10'000) : 0;
  o->pause_ms = draws.Fault(500, 5'000);
  o->partition_ms = draws.Fault(500, 5'000);
  o->isolate_leader_ms = draws.Fault(1'000, 6'000);
  o->transfer_ms = draws.Fault(500, 5'000);
  o->campaign_ms = draws.OneIn(3) ? draws.Between(50, 2'000) : 0;
  o->membership_ms = draws.Fault(500, 5'000);
  o->snapshot_ms = draws.Fault(200, 3'000);
  o->fault_mean_ms = draws.OneOf({100, 800, 3'000});
}

/// Nodes that fall and rise all the time vote twice in a term, if they forget their votes.
void DrawStumbles(Draws& draws, Options* o) {
  if (!draws.OneIn(4)) return;
  o->stumble_ms = draws.Between(5, 100);
  o->pre_vote = 0;
}

/// The paper's figure 8: leaders that fall, or are cut off, soon after they have written, and none
/// that commits what its predecessors left by an entry of its own.
void DrawFigure8(Draws& draws, Options* o) {
  if (!draws.OneIn(5)) return;
  o->voters = 5;
  o->leader_noop = 0;
  o->lease_ticks = 0;
  o->tick_us = 5'000;
  o->heartbeat_ticks = 2;
  o->election_ticks = 8;
  o->append_entries_max = 1;
  o->loss_ppm = 100'000;
  o->crash_leader_ms = draws.Between(100, 1'000);
  o->isolate_leader_ms = draws.Between(50, 300);
  o->fault_mean_ms = 200;
  o->timeout_ms = 100;
  o->think_us = 5'000;
  o->clients = draws.Between(3, 6);
}

void DrawClients(Draws& draws, Options* o) {
  o->clients = draws.Between(1, 6);
  o->keys = draws.Between(1, 5);
  o->think_us = draws.OneOf({5'000, 30'000, 30'000, 100'000});
  o->timeout_ms = draws.OneOf({100, 400, 2'000});
  o->give_up_ppm = draws.OneOf({0, 200'000, 1'000'000});
  o->read_ppm = draws.OneOf({200'000, 500'000, 800'000});
}

/// Raft elects only when messages are much faster than election timeouts (thesis, 3.9).
void KeepTimingRequirement(Options* o) {
  const Number round_us = 2 * (o->latency_min_us + o->latency_mean_us) + o->sync_us;
  const Number least_ticks = o->heartbeat_ticks + 3 * round_us / o->tick_us + 1;
  o->election_ticks = std::max(o->election_ticks, least_ticks);
}

/// The log's own code in two worlds of three. A damaged node is replaced by a change of membership
/// that nothing else gets in the way of, and the others are a majority without it.
void DrawLog(Draws& draws, Options* o) {
  o->log_storage = draws.OneIn(3) ? 0 : 1;
  o->log_segment_kib = draws.OneOf({64, 64, 64, 128});
  o->log_restore_bytes_max = draws.OneOf({0, 1'000, 1u << 20});
  o->housekeep_ms = draws.OneOf({50, 1'000});
  if (o->log_storage == 0) return;
  o->full_disk_ms = draws.OneIn(3) ? draws.Between(500, 5'000) : 0;
  o->sync_fails_ms = draws.OneIn(3) ? draws.Between(1'000, 10'000) : 0;
  o->power_off_ms = draws.OneIn(3) ? draws.Between(200, 3'000) : 0;
  if (o->voters < 3 || o->witness != 0 || !draws.OneIn(4)) return;
  o->membership_ms = 0;
  o->damage_ms = draws.Between(500, 5'000);
}

}  // namespace

std::span<const OptionField> OptionFields() {
  return kFields;
}

Options Options::Draw(Number seed) {
  Options options;
  options.seed = seed;
  Draws draws(seed);
  DrawCluster(draws, &options);
  DrawNetwork(draws, &options);
  DrawDisks(draws, &options);
  DrawFaults(draws, &options);
  DrawClients(draws, &options);
  DrawStumbles(draws, &options);
  DrawFigure8(draws, &options);
  DrawLog(draws, &options);
  KeepTimingRequirement(&options);
  return options;
}

absl::Status Options::Set(std::string_view name, std::string_view value) {
  const auto* field = std::find_if(std::begin(kFields), std::end(kFields),
                                   [&](const OptionField& f) { return f.name == name; });
  if (field == std::end(kFields)) {
    return absl::InvalidArgumentError(fmt::format(
        "no option of the simulator is named '{}': `trireme sim --options` lists them", name));
  }
  Number number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size()) {
    return absl::InvalidArgumentError(
        fmt::format("option {} is '{}': give a whole number of 0 or more", name, value));
  }
  this->*field->number = number;
  return absl::OkStatus();
}

absl::Status Options::Validate() const {
  const auto refuse = [](const char* why) { return absl::InvalidArgumentError(why); };
  if (voters < 1 || voters > 9) return refuse("voters: give 1 to 9");
  if (spares > 9) return refuse("spares: give at most 9");
  if (witness != 0 && voters < 3) return refuse("witness: needs 3 voters or more");
  if (tick_us == 0) return refuse("tick_us: give 1 or more");
  if (heartbeat_ticks == 0 || election_ticks <= heartbeat_ticks) {
    return refuse("election_ticks: give more than heartbeat_ticks, and of these 1 or more");
  }
  if (append_entries_max == 0 || snapshot_chunk_bytes_max == 0) {
    return refuse("append_entries_max, snapshot_chunk_bytes_max: give 1 or more");
  }
  if (clock_drift_ppm > 500'000 || clock_drift_ppm_max > 500'000) {
    return refuse("clock_drift_ppm, clock_drift_ppm_max: give at most 500000");
  }
  if (lease_ticks != 0 && clock_drift_ppm > clock_drift_ppm_max) {
    return refuse("clock_drift_ppm: with leases, give at most clock_drift_ppm_max");
  }
  if (log_segment_kib < 64 || log_segment_kib > 65'536) {
    return refuse("log_segment_kib: give 64 to 65536");
  }
  if (damage_ms != 0 && (voters < 3 || witness != 0 || membership_ms != 0)) {
    return refuse("damage_ms: needs 3 voters or more, no witness, and membership_ms=0");
  }
  if (groups > 12) return refuse("groups: give at most 12");
  if (controllers > 100) return refuse("controllers: give at most 100");
  if (clients > 100 || keys == 0) return refuse("clients: at most 100; keys: 1 or more");
  if (safety_ms > 3'600'000 || settle_ms > 3'600'000) {
    return refuse("safety_ms, settle_ms: give at most an hour, 3600000");
  }
  return absl::OkStatus();
}

std::string Options::Difference(const Options& base) const {
  std::string text;
  for (const OptionField& field : kFields) {
    if (this->*field.number == base.*field.number) continue;
    text += fmt::format("{}{}={}", text.empty() ? "" : " ", field.name, this->*field.number);
  }
  return text;
}

std::string Options::Text() const {
  std::string text;
  for (const OptionField& field : kFields) {
    text += fmt::format("{}{}={}", text.empty() ? "" : " ", field.name, this->*field.number);
  }
  return text;
}

}  // namespace trireme::sim
