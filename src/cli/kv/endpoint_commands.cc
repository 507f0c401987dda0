#include <algorithm>
#include <cstdio>
#include <future>

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "cli/kv/command.h"
#include "cli/kv/each_endpoint.h"
#include "cli/kv/failure.h"
#include "cli/kv/go_text.h"
#include "etcd/rpc.trireme.h"
#include "fmt/format.h"

namespace trireme::kvcli {

absl::StatusOr<std::vector<std::string>> EndpointsOf(Session& session, bool whole_cluster) {
  if (!whole_cluster) return session.options().endpoints;
  TRIREME_ASSIGN_OR_RETURN(Connection * cluster, session.connection());
  etcdserverpb::MemberListRequest request;
  request.set_linearizable(true);
  const auto reply = cluster->Do(true, [&](auto& channel, auto options) {
    return etcdserverpb::ClusterStub(channel).MemberList(request, std::move(options));
  });
  if (!reply.ok()) {
    return Fail(kError, fmt::format("failed to fetch endpoints from etcd cluster member list: {}",
                                    Describe(reply.status())));
  }
  std::vector<std::string> endpoints;
  for (const auto& member : reply->members()) {
    endpoints.insert(endpoints.end(), member.clienturls().begin(), member.clienturls().end());
  }
  return endpoints;
}

namespace {

using etcdserverpb::MaintenanceStub;

class EachEndpoint : public Command {
 public:
  void AddFlags(FlagSet& flags) override {
    flags.Bool("cluster", &whole_cluster_, "use all endpoints from the cluster member list");
  }

 protected:
  absl::StatusOr<std::vector<std::string>> Endpoints(Session& session) const {
    return EndpointsOf(session, whole_cluster_);
  }

 private:
  bool whole_cluster_ = false;
};

EndpointHealth HealthOf(Session& session, const std::string& endpoint) {
  const absl::Time start = absl::Now();
  etcdserverpb::RangeRequest request;
  request.set_key("health");
  const auto reply = AskOne(session, endpoint, [&](auto& channel, auto options) {
    return etcdserverpb::KVStub(channel).Range(request, std::move(options));
  });
  // Who may not read it has been answered by the cluster all the same.
  const bool healthy = reply.ok() || absl::IsPermissionDenied(reply.status());
  return {endpoint, healthy, absl::Now() - start, healthy ? "" : Describe(reply.status())};
}

class HealthCommand final : public EachEndpoint {
 public:
  absl::Status Run(Session& session, const Arguments&) override {
    TRIREME_ASSIGN_OR_RETURN(const auto endpoints, Endpoints(session));
    std::vector<std::future<EndpointHealth>> asked;
    for (const std::string& endpoint : endpoints)
      asked.push_back(std::async(std::launch::async, HealthOf, std::ref(session), endpoint));
    std::vector<EndpointHealth> list;
    for (auto& one : asked) list.push_back(one.get());
    if (session.printer().format() == "simple") Tell(list);
    TRIREME_RETURN_IF_ERROR(session.Print(session.printer().Health(list)));
    if (std::ranges::all_of(list, &EndpointHealth::healthy)) return absl::OkStatus();
    return Fail(kError, "unhealthy cluster");
  }

 private:
  static void Tell(const std::vector<EndpointHealth>& list) {
    for (const EndpointHealth& one : list) {
      const std::string text =
          one.healthy ? fmt::format("{} is healthy: successfully committed proposal: took = {}\n",
                                    one.endpoint, ShowGoDuration(one.took))
                      : fmt::format("{} is unhealthy: failed to commit proposal: {}\n",
                                    one.endpoint, one.error);
      std::fputs(text.c_str(), stderr);
    }
  }
};

class StatusCommand final : public EachEndpoint {
 public:
  absl::Status Run(Session& session, const Arguments&) override {
    TRIREME_ASSIGN_OR_RETURN(const auto endpoints, Endpoints(session));
    std::vector<EndpointStatus> list;
    for (const std::string& endpoint : endpoints) {
      auto reply = AskOne(session, endpoint, [](auto& channel, auto options) {
        return MaintenanceStub(channel).Status({}, std::move(options));
      });
      if (reply.ok()) {
        list.push_back({endpoint, *std::move(reply)});
        continue;
      }
      const std::string text = fmt::format("Failed to get the status of endpoint {} ({})\n",
                                           endpoint, Describe(reply.status()));
      std::fputs(text.c_str(), stderr);
    }
    TRIREME_RETURN_IF_ERROR(session.Print(session.printer().Status(list)));
    return list.size() == endpoints.size() ? absl::OkStatus() : Fail(kError, "");
  }
};

class HashCommand final : public EachEndpoint {
 public:
  void AddFlags(FlagSet& flags) override {
    EachEndpoint::AddFlags(flags);
    flags.Number("rev", &revision_, "maximum revision to hash (default: all revisions)");
  }
  absl::Status Run(Session& session, const Arguments&) override {
    TRIREME_ASSIGN_OR_RETURN(const auto endpoints, Endpoints(session));
    etcdserverpb::HashKVRequest request;
    request.set_revision(revision_);
    std::vector<EndpointHash> list;
    absl::Status last;
    for (const std::string& endpoint : endpoints) {
      auto reply = AskOne(session, endpoint, [&](auto& channel, auto options) {
        return MaintenanceStub(channel).HashKV(request, std::move(options));
      });
      if (reply.ok()) {
        list.push_back({endpoint, *std::move(reply)});
        continue;
      }
      last = Fail(kError, Describe(reply.status()));
      const std::string text = fmt::format("Failed to get the hash of endpoint {} ({})\n", endpoint,
                                           Describe(reply.status()));
      std::fputs(text.c_str(), stderr);
    }
    TRIREME_RETURN_IF_ERROR(session.Print(session.printer().Hashes(list)));
    return last;
  }

 private:
  std::int64_t revision_ = 0;
};

}  // namespace

void AddEndpointCommands(CommandList* list) {
  list->push_back(Entry<HashCommand>("endpoint hashkv", "[options]",
                                     "Prints the KV history hash for each endpoint"));
  list->push_back(
      Entry<HealthCommand>("endpoint health", "[options]", "Checks the healthiness of endpoints"));
  list->push_back(
      Entry<StatusCommand>("endpoint status", "[options]", "Prints out the status of endpoints"));
}

}  // namespace trireme::kvcli
