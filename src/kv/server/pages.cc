#include "kv/server/pages.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <string>
#include <utility>

#include "fmt/format.h"
#include "io/metrics_page.h"
#include "kv/model/layout.h"
#include "kv/server/maintenance_service.h"
#include "rpc/http.h"

namespace trireme::kv::inline engine {
namespace {

constexpr char kJson[] = "application/json", kPlain[] = "text/plain; charset=utf-8";
using Responder = std::shared_ptr<rpc::HttpResponder>;

/// Empty: all is well.
std::string WhyUnhealthy(Member& member, std::string_view query) {
  if (!member.failure().ok()) return "RAFT FAILED";
  if (query.find("exclude=NOSPACE") == std::string_view::npos) {
    for (const Alarm& alarm : member.housekeeper().alarms())
      return alarm.kind == AlarmKind::kCorrupt ? "ALARM CORRUPT" : "ALARM NOSPACE";
  }
  return member.replica().leader() == raft::kNobody ? "RAFT NO LEADER" : "";
}

void SendHealth(std::string why, rpc::HttpResponder& to) {
  if (why.empty()) return to.Send(200, kJson, R"({"health":"true","reason":""})");
  to.Send(503, kJson, fmt::format(R"({{"health":"false","reason":"{}"}})", why));
}

/// etcd's health is a read that the cluster confirms, unless ?serializable=true.
void Health(Member& member, const rpc::HttpRequest& request, const Responder& to) {
  std::string why = WhyUnhealthy(member, request.query);
  if (!why.empty() || request.query.find("serializable=true") != std::string::npos)
    return SendHealth(std::move(why), *to);
  member.replica().ReadBarrier([to](const absl::StatusOr<raft::Index>& granted) {
    SendHealth(granted.ok() ? "" : "RANGE ERROR:" + std::string(granted.status().message()), *to);
  });
}

void SendChecks(std::string_view page, std::string_view query,
                const std::vector<std::pair<std::string, bool>>& checks, rpc::HttpResponder& to) {
  const bool all = std::ranges::all_of(checks, [](const auto& check) { return check.second; });
  const bool verbose = query.find("verbose") != std::string_view::npos;
  if (all && !verbose) return to.Send(200, kPlain, "ok\n");
  std::string text;
  for (const auto& [name, ok] : checks)
    text += fmt::format("[{}]{} {}\n", ok ? "+" : "-", name, ok ? "ok" : "failed");
  text += fmt::format("{} check {}\n", page, all ? "passed" : "failed");
  to.Send(all ? 200 : 503, kPlain, std::move(text));
}

void Livez(Member& member, const rpc::HttpRequest& request, const Responder& to) {
  SendChecks("livez", request.query, {{"serializable_read", member.failure().ok()}}, *to);
}

void Readyz(Member& member, const rpc::HttpRequest& request, const Responder& to) {
  const std::vector<Alarm> alarms = member.housekeeper().alarms();
  const bool sound = std::ranges::find(alarms, AlarmKind::kCorrupt, &Alarm::kind) == alarms.end();
  const bool led = member.replica().leader() != raft::kNobody;
  const bool alive = member.failure().ok();
  member.replica().ReadBarrier(
      [to, sound, led, alive, query = request.query](const absl::StatusOr<raft::Index>& granted) {
        SendChecks("readyz", query,
                   {{"data_corruption", sound},
                    {"serializable_read", alive},
                    {"linearizable_read", led && granted.ok()}},
                   *to);
      });
}

using io::MetricsPage;

/// The number behind a name in another page of that format; 0 when it is not there.
double ValueIn(std::string_view page, std::string_view name) {
  for (std::size_t at = 0; at < page.size();) {
    const std::size_t end = std::min(page.find('\n', at), page.size());
    const std::string_view line = page.substr(at, end - at);
    at = end + 1;
    if (!line.starts_with(name)) continue;
    const std::string_view rest = line.substr(name.size());
    if (rest.empty() || (rest[0] != ' ' && rest[0] != '{')) continue;
    return std::strtod(std::string(rest.substr(rest.rfind(' ') + 1)).c_str(), nullptr);
  }
  return 0;
}

void AddRaft(MetricsPage& page, Member& member, const std::string& raft) {
  const raft::ReplicaStatus status = member.replica().Status();
  const auto counted = [&](const char* name) { return ValueIn(raft, name); };
  page.Gauge("etcd_server_has_leader", "1: there is a leader.",
             status.leader == raft::kNobody ? 0 : 1);
  page.Gauge("etcd_server_is_leader", "1: it is this member.",
             status.leader == status.self ? 1 : 0);
  page.Gauge("etcd_server_is_learner", "1: this member is a learner.",
             std::ranges::any_of(status.members,
                                 [&](const raft::Member& m) {
                                   return m.id == status.self &&
                                          m.kind == raft::MemberKind::kLearner;
                                 })
                 ? 1
                 : 0);
  page.Counter("etcd_server_leader_changes_seen_total", "Leaders seen, one after another.",
               static_cast<double>(member.housekeeper().leader_changes()));
  page.Gauge("etcd_server_proposals_committed_total", "The last committed entry.",
             static_cast<double>(status.commit.value));
  page.Gauge("etcd_server_proposals_applied_total", "The last applied entry.",
             static_cast<double>(status.applied.value));
  page.Gauge("etcd_server_proposals_pending", "Proposals that wait.",
             static_cast<double>(status.proposals_waiting));
  page.Counter("etcd_network_peer_sent_bytes_total", "To all peers.",
               counted("trireme_raft_frame_bytes_sent_total"));
  page.Counter("etcd_network_peer_received_bytes_total", "From all peers.",
               counted("trireme_raft_frame_bytes_received_total"));
  page.Counter("etcd_server_proposals_failed_total", "Proposals refused or lost.",
               counted("trireme_raft_proposals_refused_total") +
                   counted("trireme_raft_proposals_lost_total"));
}

void AddStore(MetricsPage& page, Member& member) {
  const Meta meta = member.published().view()->meta();
  const auto bytes = static_cast<double>(member.housekeeper().store_bytes());
  page.Gauge("etcd_mvcc_db_total_size_in_bytes", "Of the store's files.", bytes);
  page.Gauge("etcd_debugging_mvcc_db_total_size_in_bytes", "The same, by its older name.", bytes);
  page.Gauge("etcd_mvcc_db_total_size_in_use_in_bytes", "The same.", bytes);
  page.Gauge("etcd_server_quota_backend_bytes", "0: no quota.",
             static_cast<double>(member.options().quota_backend_bytes));
  page.Gauge("etcd_debugging_mvcc_current_revision", "The newest revision.",
             static_cast<double>(meta.revision));
  page.Gauge("etcd_debugging_mvcc_compact_revision", "The last compaction's revision.",
             static_cast<double>(meta.compacted));
}

constexpr std::string_view kCodes[] = {
    "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated"};
static_assert(std::size(kCodes) == rpc::kStatusCodes);

/// "/etcdserverpb.KV/Put" as grpc_service="etcdserverpb.KV",grpc_method="Put".
std::string LabelsOf(const rpc::MethodStats& method) {
  const std::string_view path = std::string_view(method.path).substr(1);
  const std::size_t slash = path.find('/');
  const std::string_view name = path.substr(slash + 1);
  const bool streams =
      name == "Observe" || name == "Snapshot" || (name == "Watch" && !method.many_requests);
  return fmt::format(R"(grpc_method="{}",grpc_service="{}",grpc_type="{}")", name,
                     path.substr(0, slash),
                     method.many_requests ? "bidi_stream"
                     : streams            ? "server_stream"
                                          : "unary");
}

/// With the names and labels of go-grpc-prometheus, as etcd has them.
std::string CallsByMethod(const rpc::Server& counted) {
  std::string started =
      "# HELP grpc_server_started_total Calls that began.\n"
      "# TYPE grpc_server_started_total counter\n";
  std::string handled =
      "# HELP grpc_server_handled_total Calls that ended, by their status.\n"
      "# TYPE grpc_server_handled_total counter\n";
  for (const rpc::MethodStats& method : counted.method_stats()) {
    const std::string labels = LabelsOf(method);
    started += fmt::format("grpc_server_started_total{{{}}} {}\n", labels, method.started);
    for (std::size_t code = 0; code < rpc::kStatusCodes; ++code) {
      if (method.handled[code] == 0 && code != 0) continue;
      handled += fmt::format("grpc_server_handled_total{{grpc_code=\"{}\",{}}} {}\n", kCodes[code],
                             labels, method.handled[code]);
    }
  }
  return started + handled;
}

void AddCalls(MetricsPage& page, const rpc::Server& counted) {
  const rpc::ServerStats stats = counted.stats();
  page.Append(CallsByMethod(counted));
  page.Counter("etcd_network_client_grpc_received_bytes_total", "Of clients' messages.",
               static_cast<double>(stats.message_bytes_received));
  page.Counter("etcd_network_client_grpc_sent_bytes_total", "Of messages to clients.",
               static_cast<double>(stats.message_bytes_sent));
  page.Gauge("trireme_rpc_connections", "Clients' connections.",
             static_cast<double>(stats.live_connections));
  page.Gauge("trireme_rpc_streams", "Calls under way.", static_cast<double>(stats.live_streams));
}

/// The lines of a histogram in another page of that format, by another name.
std::string Renamed(std::string_view page, std::string_view from, std::string_view to) {
  std::string lines;
  for (std::size_t at = 0; at < page.size();) {
    const std::size_t end = std::min(page.find('\n', at), page.size());
    std::string line(page.substr(at, end - at));
    at = end + 1;
    const std::size_t name = line.find(from);
    if (name == std::string::npos) continue;
    lines += line.replace(name, from.size(), to) + "\n";
  }
  return lines;
}

std::string Metrics(Member& member, const rpc::Server& counted) {
  MetricsPage page;
  const std::string raft = member.node().host().Metrics();
  AddRaft(page, member, raft);
  AddStore(page, member);
  AddCalls(page, counted);
  page.Append(Renamed(raft, "trireme_raft_log_sync_duration_seconds",
                      "etcd_disk_wal_fsync_duration_seconds"));
  std::string applying;
  member.applying().AppendTo(applying, "etcd_disk_backend_commit_duration_seconds",
                             "A batch of entries, applied to the store.");
  page.Append(applying);
  page.Append(fmt::format(
      "# HELP etcd_server_version Which version is running. 1 for 'server_version' label with "
      "current version.\n# TYPE etcd_server_version gauge\n"
      "etcd_server_version{{server_version=\"{}\"}} 1\n",
      kServerVersion));
  page.Process();
  page.Append(raft);
  return page.Take();
}

}  // namespace

void AddPages(rpc::Server& on, Member& member, const rpc::Server& counted) {
  using Request = rpc::HttpRequest;
  on.HandleGet("/health",
               [&member](const Request& r, const Responder& to) { Health(member, r, to); });
  on.HandleGet("/livez",
               [&member](const Request& r, const Responder& to) { Livez(member, r, to); });
  on.HandleGet("/readyz",
               [&member](const Request& r, const Responder& to) { Readyz(member, r, to); });
  on.HandleGet("/version", [](const Request&, const Responder& to) {
    to->Send(200, kJson,
             fmt::format(R"({{"etcdserver":"{}","etcdcluster":"{}"}})", kServerVersion,
                         kClusterVersion));
  });
  on.HandleGet("/metrics", [&member, &counted](const Request&, const Responder& to) {
    to->Send(200, MetricsPage::kContentType, Metrics(member, counted));
  });
}

}  // namespace trireme::kv::inline engine
