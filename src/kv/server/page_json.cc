#include "kv/server/page_json.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "kv/model/reads.h"

namespace trireme::kv::inline engine {
namespace {

using Json = nlohmann::json;

/// Names are bytes that anybody chose; what is not UTF-8 shows as U+FFFD.
std::string Text(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// As etcdctl writes members' ids: numbers of 64 bits are none of JavaScript's.
std::string Hex(std::uint64_t id) {
  return id == 0 ? std::string() : fmt::format("{:x}", id);
}

std::string_view NameOf(raft::RoleName role) {
  static constexpr std::string_view kNames[] = {"follower", "pre-candidate", "candidate", "leader"};
  return kNames[static_cast<std::size_t>(role)];
}

bool Contains(std::string_view name, std::initializer_list<std::string_view> parts) {
  return std::ranges::any_of(parts, [&](std::string_view part) { return name.ends_with(part); });
}

void AddTo(rpc::LatencyCounts& to, const rpc::LatencyCounts& counts) {
  for (std::size_t i = 0; i < to.size(); ++i) to[i] += counts[i];
}

/// The end of the keys that begin so.
std::string EndOfPrefix(std::string prefix) {
  while (!prefix.empty()) {
    if (static_cast<unsigned char>(prefix.back()) != 0xff) {
      ++prefix.back();
      return prefix;
    }
    prefix.pop_back();
  }
  return std::string(kFromKey);
}

const PeerSeen* FindPeer(const PageState& state, std::uint64_t id) {
  const auto found = std::ranges::find(state.peers, id, &std::pair<std::uint64_t, PeerSeen>::first);
  return found == state.peers.end() ? nullptr : &found->second;
}

/// What `behind` lacks of `ahead`.
std::uint64_t Lack(std::uint64_t ahead, std::uint64_t behind) {
  return ahead - std::min(behind, ahead);
}

/// How many committed entries a member lacks: as the leader knows it, or by what both had when they
/// last spoke, since an answer is old when the next one is asked for. One that does not answer
/// falls behind.
std::uint64_t LagOf(const PageState& state, std::uint64_t id) {
  const auto& peers = state.raft.peers;
  const auto known = std::ranges::find(peers, raft::NodeId{id}, &raft::ReplicaStatus::Peer::id);
  if (known != peers.end()) return Lack(state.raft.commit.value, known->match.value);
  if (id == state.self.member) {
    const PeerSeen* leader = FindPeer(state, state.raft.leader.value);
    return leader == nullptr ? 0 : Lack(leader->status.commit, leader->own_commit);
  }
  const PeerSeen* seen = FindPeer(state, id);
  if (seen == nullptr) return 0;
  return Lack(seen->answers ? seen->own_commit : state.raft.commit.value, seen->status.commit);
}

Json MemberOf(const PageState& state, const RosterEntry& entry) {
  const bool self = entry.id == state.self.member;
  const PeerSeen* seen = FindPeer(state, entry.id);
  const bool known = self || (seen != nullptr && seen->heard_unix_ms != 0);
  const PeerStatus status = self ? state.self : known ? seen->status : PeerStatus();
  const bool answers = self ? state.failure.empty() : seen != nullptr && seen->answers;
  return {{"id", Hex(entry.id)},
          {"name", entry.name},
          {"self", self},
          {"learner", entry.learner || entry.awaits_vote},
          {"answers", answers},
          {"asked", self || seen != nullptr},
          {"heard_unix_ms", self || seen == nullptr ? 0 : seen->heard_unix_ms},
          {"role", known ? NameOf(status.role) : ""},
          {"term", status.term},
          {"leader", Hex(status.leader)},
          {"commit", status.commit},
          {"applied", status.applied},
          {"revision", status.revision},
          {"lag", LagOf(state, entry.id)},
          {"store_bytes", status.store_bytes},
          {"client_urls", entry.client_urls},
          {"peer_urls", entry.peer_urls}};
}

struct Event {
  ElectionEvent what;
  std::string_view kind;  ///< A role, or whether it answers.
};

std::vector<Event> AllEvents(const PageState& state) {
  std::vector<Event> events;
  const auto add = [&](const std::vector<ElectionEvent>& of) {
    for (const ElectionEvent& one : of) events.push_back({one, NameOf(one.role)});
  };
  add(state.self.elections);
  for (const auto& [id, seen] : state.peers) {
    add(seen.status.elections);
    for (const auto& [unix_ms, answers] : seen.changes)
      events.push_back({{.unix_ms = unix_ms, .member = id}, answers ? "answers" : "unreachable"});
  }
  std::ranges::stable_sort(events, {}, [](const Event& e) { return e.what.unix_ms; });
  if (events.size() > kPageElectionsMax)
    events.erase(events.begin(), events.end() - kPageElectionsMax);
  return events;
}

Json Elections(const PageState& state) {
  Json list = Json::array();
  for (const Event& event : AllEvents(state))
    list.push_back({{"unix_ms", event.what.unix_ms},
                    {"member", Hex(event.what.member)},
                    {"term", event.what.term},
                    {"kind", event.kind},
                    {"leader", Hex(event.what.leader)}});
  return list;
}

Json AlarmsOf(const PageState& state) {
  Json list = Json::array();
  for (const Alarm& alarm : state.alarms)
    list.push_back({{"member", Hex(alarm.member)},
                    {"alarm", alarm.kind == AlarmKind::kCorrupt ? "CORRUPT" : "NOSPACE"}});
  return list;
}

Json SamplesOf(const KvHistory& history, std::size_t most) {
  const auto& samples = history.samples();
  Json list = Json::array();
  for (std::size_t i = samples.size() - std::min(most, samples.size()); i < samples.size(); ++i) {
    Json row = {samples[i].number, samples[i].unix_ms};
    for (const double value : samples[i].values) row.push_back(std::round(value * 1000) / 1000);
    list.push_back(std::move(row));
  }
  return list;
}

Json LogOf(const std::vector<io::LogLine>& lines) {
  static constexpr std::string_view kLevels[] = {"debug", "info", "warn", "error"};
  Json list = Json::array();
  for (const io::LogLine& line : lines)
    list.push_back({{"number", line.number},
                    {"unix_ms", line.unix_ms},
                    {"level", kLevels[static_cast<std::size_t>(line.level)]},
                    {"text", line.text}});
  return list;
}

}  // namespace

CallCounts CountCalls(const std::vector<rpc::MethodStats>& methods) {
  CallCounts counts;
  for (const rpc::MethodStats& method : methods) {
    std::uint64_t handled = 0;
    for (const std::uint64_t of : method.handled) handled += of;
    if (Contains(method.path, {"KV/Put", "KV/DeleteRange", "KV/Txn"})) {
      counts.writes += handled;
      AddTo(counts.write_times, method.latencies);
    } else if (Contains(method.path, {"KV/Range"})) {
      counts.reads += handled;
      AddTo(counts.read_times, method.latencies);
    }
  }
  return counts;
}

rpc::LatencyCounts Since(const rpc::LatencyCounts& before, const rpc::LatencyCounts& now) {
  rpc::LatencyCounts since;
  for (std::size_t i = 0; i < since.size(); ++i) since[i] = now[i] - std::min(before[i], now[i]);
  return since;
}

absl::StatusOr<KeyCount> CountKeys(const ReadView& view) {
  const auto iterator = view.store().NewIterator();
  RangeCursor cursor(*iterator, std::string_view("\0", 1), kFromKey, view.meta().revision);
  KeyCount count;
  KeyValueView kv;
  for (; count.keys < kPageKeysCountedMax; ++count.keys) {
    TRIREME_ASSIGN_OR_RETURN(const bool next, cursor.Next(&kv));
    if (!next) return count;
  }
  count.more = true;
  return count;
}

std::uint64_t LargestLag(const PageState& state) {
  std::uint64_t most = 0;
  for (const RosterEntry& entry : state.roster) most = std::max(most, LagOf(state, entry.id));
  return state.roster.size() < 2 ? 0 : most;
}

std::string StateJson(const PageState& state, const KvHistory& history) {
  Json members = Json::array();
  for (const RosterEntry& entry : state.roster) members.push_back(MemberOf(state, entry));
  return Text({{"kind", "kv"},
               {"unix_ms", state.unix_ms},
               {"name", state.name},
               {"self", Hex(state.self.member)},
               {"cluster_id", Hex(state.cluster_id)},
               {"admin", state.admin},
               {"failure", state.failure},
               {"role", NameOf(state.raft.role)},
               {"term", state.raft.term.value},
               {"leader", Hex(state.raft.leader.value)},
               {"lease_valid", state.raft.lease_valid},
               {"commit", state.raft.commit.value},
               {"applied", state.meta.applied_index},
               {"log_last", state.raft.last.index.value},
               {"log_durable", state.raft.durable.value},
               {"snapshot", state.raft.snapshot.index.value},
               {"proposals_waiting", state.raft.proposals_waiting},
               {"revision", state.meta.revision},
               {"compacted", std::max<std::int64_t>(state.meta.compacted, 0)},
               {"keys", state.keys.keys},
               {"keys_more", state.keys.more},
               {"leases", state.leases},
               {"watches", state.watches},
               {"store_bytes", state.self.store_bytes},
               {"connections", state.connections},
               {"streams", state.streams},
               {"leader_changes", state.leader_changes},
               {"alarms", AlarmsOf(state)},
               {"members", std::move(members)},
               {"elections", Elections(state)},
               {"samples", SamplesOf(history, web::kEventSamplesMax)},
               {"log", LogOf(state.log)}});
}

std::string KvHistoryJson(const KvHistory& history) {
  return Text({{"columns",
                {"number", "unix_ms", "writes_per_second", "reads_per_second", "write_ms_p50",
                 "write_ms_p99", "read_ms_p50", "read_ms_p99", "revision", "lag_entries", "watches",
                 "store_bytes"}},
               {"samples", SamplesOf(history, web::kHistorySamplesMax)}});
}

std::string LogPageJson(const std::vector<io::LogLine>& log) {
  return Text({{"log", LogOf(log)}});
}

std::string StateText(const PageState& state) {
  std::string text = fmt::format("<pre>member {:x} of cluster {:x}: {}, term {}, leader {:x}\n",
                                 state.self.member, state.cluster_id, NameOf(state.raft.role),
                                 state.raft.term.value, state.raft.leader.value);
  fmt::format_to(
      std::back_inserter(text),
      "commit {}, applied {}, revision {}, keys {}{}, leases {}, watches {}, alarms {}\n",
      state.raft.commit.value, state.meta.applied_index, state.meta.revision, state.keys.keys,
      state.keys.more ? "+" : "", state.leases, state.watches, state.alarms.size());
  for (const RosterEntry& entry : state.roster)
    fmt::format_to(std::back_inserter(text), "member {:x}{}\n", entry.id,
                   entry.learner ? " (learner)" : "");
  return text + "</pre>";
}

absl::StatusOr<std::string> KeysJson(const ReadView& view, const KeysQuestion& question) {
  const std::string end = EndOfPrefix(question.prefix);
  std::string from = question.prefix;
  if (!question.after.empty()) from = std::max(from, question.after + std::string(1, '\0'));
  if (from.empty()) from.assign(1, '\0');
  RangeRequest request{.key = from, .end = end};
  request.limit = std::clamp<std::int64_t>(question.limit, 1, kPageKeysMax);
  const auto iterator = view.store().NewIterator();
  RangeCursor cursor(*iterator, from, end, view.meta().revision);
  Json keys = Json::array();
  bool more = false;
  KeyValueView kv;
  while (from < end || end == kFromKey) {
    TRIREME_ASSIGN_OR_RETURN(const bool next, cursor.Next(&kv));
    more = next && static_cast<std::int64_t>(keys.size()) == request.limit;
    if (!next || more) break;
    const std::string_view shown = kv.value.substr(0, kPageValueBytesMax);
    keys.push_back({{"key", absl::Base64Escape({kv.key.data(), kv.key.size()})},
                    {"value", absl::Base64Escape({shown.data(), shown.size()})},
                    {"value_bytes", kv.value.size()},
                    {"create_revision", kv.create_revision},
                    {"mod_revision", kv.mod_revision},
                    {"version", kv.version},
                    {"lease", Hex(static_cast<std::uint64_t>(kv.lease))}});
  }
  return Text({{"revision", view.meta().revision}, {"more", more}, {"keys", std::move(keys)}});
}

}  // namespace trireme::kv::inline engine
