#include "kv/server/live_page.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "kv/server/admin_call.h"
#include "kv/server/urls.h"

namespace trireme::kv::inline engine {
namespace {

constexpr std::chrono::milliseconds kTick{50};
constexpr std::chrono::seconds kSampleInterval{1};
/// Of one peer.
constexpr std::size_t kPeerChangesMax = 16;

std::int64_t UnixMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// A text of the body's JSON object; empty when there is none.
std::string FieldOf(const std::string& body, const char* name) {
  const auto json = nlohmann::json::parse(body, nullptr, false);
  if (!json.is_object() || !json.contains(name) || !json[name].is_string()) return {};
  return json[name].get<std::string>();
}

absl::StatusOr<std::uint64_t> IdIn(const std::string& body, const char* name) {
  const std::string text = FieldOf(body, name);
  std::uint64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id, 16);
  if (error != std::errc() || end != text.data() + text.size())
    return absl::InvalidArgumentError(
        fmt::format("\"{}\" is to be a member's id in hexadecimal, as the page shows it", name));
  return id;
}

double PerSecond(std::uint64_t before, std::uint64_t now, double seconds) {
  return static_cast<double>(now - std::min(before, now)) / std::max(seconds, 0.001);
}

}  // namespace

LivePage::LivePage(Member& member, const rpc::Server& counted, const web::PageRules& rules)
    : member_(member), counted_(counted), rules_(rules) {
  io::KeepRecentLog(io::LogLevel::kInfo, kPageLogLinesKept);
}

void LivePage::Start() {
  thread_ = std::thread([this] { Run(); });
  asking_ = std::thread([this] { AskPeers(); });
}

void LivePage::Stop() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(stopping_, true)) return;
    requests_.clear();
  }
  changed_.notify_all();
  feed_.Close();
  if (thread_.joinable()) thread_.join();
  if (asking_.joinable()) asking_.join();
}

// ---- What is asked for

void LivePage::Enqueue(std::function<void()> task, const Responder& to) {
  const std::lock_guard lock(mutex_);
  if (stopping_ || requests_.size() >= kPageRequestsMax)
    return web::SendText(*to, 503, "too many requests wait (kPageRequestsMax)\n");
  requests_.push_back(std::move(task));
  changed_.notify_all();
}

/// Answered on the page's thread: the io threads have clients to serve.
void LivePage::Get(rpc::Server& on, const std::string& path, Answer answer) {
  web::HandleGet(on, path, rules_,
                 [this, answer = std::move(answer)](const rpc::HttpRequest& request, Responder to) {
                   Enqueue([answer, request, to] { answer(request, to); }, to);
                 });
}

void LivePage::AddTo(rpc::Server& on, bool keys) {
  for (const char* path : {"/", "/ui"}) {
    Get(on, path, [this](const auto&, const Responder& to) {
      web::SendAsset(*to, "kv.html", StateText(Look()));
    });
  }
  Get(on, "/ui/status.json", [this](const auto&, const Responder& to) {
    web::SendJson(*to, StateJson(Look(), history_));
  });
  Get(on, "/ui/history.json",
      [this](const auto&, const Responder& to) { web::SendJson(*to, KvHistoryJson(history_)); });
  Get(on, "/ui/log.json", [](const auto&, const Responder& to) {
    web::SendJson(*to, LogPageJson(io::RecentLog(kPageLogLinesKept)));
  });
  web::HandleGet(on, "/ui/events", rules_, [this](const rpc::HttpRequest& request, Responder to) {
    feed_.Add(request, std::move(to));
    changed_.notify_all();
  });
  for (const char* name : {"base.css", "base.js", "chart.js", "kv.js", "kv_keys.js"}) {
    web::HandleGet(on, fmt::format("/web/{}", name), rules_,
                   [name](const auto&, const Responder& to) { web::SendAsset(*to, name); });
  }
  if (!keys) return;
  Get(on, "/ui/keys.json",
      [this](const rpc::HttpRequest& request, const Responder& to) { SendKeys(request, to); });
  Post(on, "/ui/move-leader", &LivePage::MoveLeader);
  Post(on, "/ui/disarm", &LivePage::Disarm);
}

/// As it is here: another member may be a little ahead.
void LivePage::SendKeys(const rpc::HttpRequest& request, const Responder& to) {
  KeysQuestion question;
  const std::string limit = web::QueryValue(request.query, "limit");
  question.prefix = web::QueryValue(request.query, "prefix");
  question.after = web::QueryValue(request.query, "after");
  std::from_chars(limit.data(), limit.data() + limit.size(), question.limit);
  const auto json = KeysJson(*member_.published().view(), question);
  if (json.ok()) return web::SendJson(*to, *json);
  web::SendText(*to, 500, std::string(json.status().message()) + "\n");
}

void LivePage::Post(rpc::Server& on, const std::string& path,
                    absl::Status (LivePage::*work)(const std::string& body)) {
  web::HandlePost(on, path, rules_, [this, work](const rpc::HttpRequest& request, Responder to) {
    // It waits for the others: not on the page's thread.
    const bool taken = member_.workers().Run([this, work, to, body = request.body] {
      const absl::Status status = (this->*work)(body);
      status.ok() ? web::SendText(*to, 200, "done\n")
                  : web::SendText(*to, 409, std::string(status.message()) + "\n");
    });
    if (!taken) web::SendText(*to, 503, "the member is overloaded or stops; try again\n");
  });
}

absl::Status LivePage::MoveLeader(const std::string& body) {
  TRIREME_ASSIGN_OR_RETURN(const std::uint64_t to, IdIn(body, "to"));
  const raft::ReplicaStatus status = member_.replica().Status();
  if (status.leader != status.self)
    return absl::FailedPreconditionError(
        "this member does not lead; leadership is moved on the leader's page");
  const auto found = std::ranges::find(status.members, raft::NodeId{to}, &raft::Member::id);
  if (found == status.members.end() || found->kind != raft::MemberKind::kVoter)
    return absl::FailedPreconditionError(
        fmt::format("member {:x} has no vote here, so it cannot lead", to));
  return member_.replica().Transfer(raft::NodeId{to});
}

absl::Status LivePage::Disarm(const std::string& body) {
  TRIREME_ASSIGN_OR_RETURN(const std::uint64_t member, IdIn(body, "member"));
  const std::string alarm = FieldOf(body, "alarm");
  if (alarm != "NOSPACE" && alarm != "CORRUPT")
    return absl::InvalidArgumentError(
        fmt::format("\"alarm\" is '{}': it is to be NOSPACE or CORRUPT", alarm));
  const Alarm of = {member, alarm == "NOSPACE" ? AlarmKind::kNoSpace : AlarmKind::kCorrupt};
  const std::string name = AlarmNoteName(of);
  return member_.ProposeAndWait({.body = NoteRequest{name, ""}}, kAdminTimeout);
}

// ---- What is told

void LivePage::Run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    changed_.wait_for(lock, kTick, [this] { return stopping_ || !requests_.empty(); });
    auto requests = std::exchange(requests_, {});
    lock.unlock();
    for (const auto& request : requests) request();
    Tick(Clock::now());
    lock.lock();
  }
}

void LivePage::Tick(Clock::time_point now) {
  if (now >= sample_due_) TakeSample(now);
  if (feed_.wanted()) {
    const std::uint64_t elections = member_.elections().version();
    if (now >= count_due_) CountStore(now);
    // An election is told at once.
    if (now >= tell_due_ || elections != told_elections_) {
      tell_due_ = now + kPageInterval;
      told_elections_ = elections;
      feed_.Set(StateJson(Look(), history_));
    }
  }
  feed_.Pump(now);
}

/// Whether anybody looks or not, so that a page shows what was before it.
void LivePage::TakeSample(Clock::time_point now) {
  const double seconds = std::chrono::duration<double>(now - sampled_).count();
  const CallCounts calls = CountCalls(counted_.method_stats());
  const auto write_times = Since(calls_.write_times, calls.write_times);
  const auto read_times = Since(calls_.read_times, calls.read_times);
  const PageState state = Look();
  if (sampled_ != Clock::time_point{}) {
    history_.Add(UnixMs(),
                 {PerSecond(calls_.writes, calls.writes, seconds),
                  PerSecond(calls_.reads, calls.reads, seconds),
                  rpc::Quantile(write_times, 0.5) * 1e3, rpc::Quantile(write_times, 0.99) * 1e3,
                  rpc::Quantile(read_times, 0.5) * 1e3, rpc::Quantile(read_times, 0.99) * 1e3,
                  static_cast<double>(state.meta.revision), static_cast<double>(LargestLag(state)),
                  static_cast<double>(state.watches), static_cast<double>(state.self.store_bytes)});
  }
  calls_ = calls;
  sampled_ = now;
  sample_due_ = std::max(sample_due_ + kSampleInterval, now);
}

void LivePage::CountStore(Clock::time_point now) {
  count_due_ = now + std::chrono::seconds(kPageCountSeconds);
  const auto view = member_.published().view();
  if (view->meta().revision != counted_revision_) {
    if (const auto keys = CountKeys(*view); keys.ok()) keys_ = *keys;
    counted_revision_ = view->meta().revision;
  }
  if (const auto leases = view->Leases(); leases.ok()) leases_ = leases->size();
}

PageState LivePage::Look() {
  const auto view = member_.published().view();
  PageState state = {UnixMs(), member_.options().name, member_.cluster_id()};
  state.admin = rules_.admin;
  state.raft = member_.replica().Status();
  state.meta = view->meta();
  if (auto roster = RosterOf(state.raft.members, *view); roster.ok())
    state.roster = *std::move(roster);
  state.self = member_.housekeeper().SelfStatus(state.raft, *view);
  state.self.elections = member_.elections().Newest(kElectionsKept);
  state.alarms = member_.housekeeper().alarms();
  state.keys = keys_;
  state.leases = leases_;
  for (const auto& watches : member_.watches()) state.watches += watches.load();
  const rpc::ServerStats stats = counted_.stats();
  state.connections = stats.live_connections;
  state.streams = stats.live_streams;
  state.leader_changes = member_.housekeeper().leader_changes();
  if (const absl::Status failure = member_.failure(); !failure.ok())
    state.failure = std::string(failure.message());
  state.log = io::RecentLog(kPageLogLinesMax);
  const std::lock_guard lock(mutex_);
  state.peers.assign(peers_.begin(), peers_.end());
  return state;
}

// ---- The other members

/// One after another, on a thread of its own: who is gone must not keep the page.
void LivePage::AskPeers() {
  std::unique_lock lock(mutex_);
  Clock::time_point due{};
  while (!stopping_) {
    changed_.wait_for(lock, kTick, [this] { return stopping_; });
    if (stopping_ || !feed_.wanted() || Clock::now() < due) continue;
    due = Clock::now() + kPeerInterval;
    lock.unlock();
    const auto roster = RosterOf(member_.replica().Status().members, *member_.published().view());
    for (const RosterEntry& entry : roster.ok() ? *roster : std::vector<RosterEntry>())
      if (entry.id != member_.id() && feed_.wanted()) Ask(entry);
    lock.lock();
  }
}

void LivePage::Ask(const RosterEntry& peer) {
  if (peer.peer_urls.empty()) return;
  const auto address = AddressOfUrl(peer.peer_urls.front());
  if (!address.ok()) return;
  const auto bytes =
      raft::AskNode(*address, member_.options().peer_tls, kStatusQuestion, kPeerTimeout);
  auto status = bytes.ok() ? DecodePeerStatus(*bytes) : std::nullopt;
  // Somebody else's address by now.
  if (status && (status->cluster_id != member_.cluster_id() || status->member != peer.id))
    status.reset();
  NotePeer(peer.id, std::move(status));
}

void LivePage::NotePeer(std::uint64_t id, std::optional<PeerStatus> status) {
  const std::uint64_t own_commit = member_.replica().Status().commit.value;
  const std::lock_guard lock(mutex_);
  const bool is_new = !peers_.contains(id);
  PeerSeen& seen = peers_[id];
  if (seen.answers != status.has_value() && !(is_new && status)) {
    seen.changes.emplace_back(UnixMs(), status.has_value());
    if (seen.changes.size() > kPeerChangesMax) seen.changes.erase(seen.changes.begin());
  }
  seen.answers = status.has_value();
  if (!status) return;
  seen.heard_unix_ms = UnixMs();
  seen.own_commit = own_commit;
  // One that was started again has forgotten what it was before; whoever watched has not.
  std::vector<ElectionEvent> events = std::move(seen.status.elections);
  for (const ElectionEvent& event : status->elections)
    if (std::ranges::find(events, event) == events.end()) events.push_back(event);
  if (events.size() > kElectionsKept)
    events.erase(events.begin(), events.end() - static_cast<std::ptrdiff_t>(kElectionsKept));
  seen.status = *std::move(status);
  seen.status.elections = std::move(events);
}

}  // namespace trireme::kv::inline engine
