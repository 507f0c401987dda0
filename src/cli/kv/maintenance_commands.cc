#include <cstdio>

#include "base/status_macros.h"
#include "cli/kv/command.h"
#include "cli/kv/each_endpoint.h"
#include "cli/kv/failure.h"
#include "cli/kv/go_text.h"
#include "etcd/rpc.trireme.h"
#include "fmt/format.h"
#include "fmt/ranges.h"

namespace trireme::kvcli {
namespace {

using etcdserverpb::AlarmRequest;
using etcdserverpb::MaintenanceStub;

absl::StatusOr<etcdserverpb::AlarmResponse> Alarm(Session& session, const AlarmRequest& request) {
  TRIREME_ASSIGN_OR_RETURN(Connection * cluster, session.connection());
  return cluster->Do(true, [&](auto& channel, auto options) {
    return MaintenanceStub(channel).Alarm(request, std::move(options));
  });
}

class AlarmListCommand final : public Command {
 public:
  absl::Status Run(Session& session, const Arguments& arguments) override {
    if (!arguments.words.empty()) return BadArguments("alarm list command accepts no arguments");
    AlarmRequest request;
    request.set_action(AlarmRequest::GET);
    TRIREME_ASSIGN_OR_RETURN(const auto reply, Alarm(session, request));
    return session.Print(session.printer().Alarms(reply));
  }
};

class AlarmDisarmCommand final : public Command {
 public:
  absl::Status Run(Session& session, const Arguments& arguments) override {
    if (!arguments.words.empty()) return BadArguments("alarm disarm command accepts no arguments");
    AlarmRequest request;
    request.set_action(AlarmRequest::GET);
    TRIREME_ASSIGN_OR_RETURN(const auto armed, Alarm(session, request));
    etcdserverpb::AlarmResponse disarmed;
    request.set_action(AlarmRequest::DEACTIVATE);
    for (const auto& alarm : armed.alarms()) {
      request.set_memberid(alarm.memberid());
      request.set_alarm(alarm.alarm());
      TRIREME_ASSIGN_OR_RETURN(const auto reply, Alarm(session, request));
      disarmed.MergeFrom(reply);
    }
    return session.Print(session.printer().Alarms(disarmed));
  }
};

class DefragCommand final : public Command {
 public:
  void AddFlags(FlagSet& flags) override {
    flags.Bool("cluster", &whole_cluster_, "use all endpoints from the cluster member list");
    flags.Text("data-dir", &directory_, "not supported: a store here needs no defragmentation");
  }
  absl::Status Run(Session& session, const Arguments&) override {
    if (!directory_.empty())
      return BadArguments("--data-dir: a stopped member's directory needs no defragmentation");
    TRIREME_ASSIGN_OR_RETURN(const auto endpoints, EndpointsOf(session, whole_cluster_));
    bool failed = false;
    for (const std::string& endpoint : endpoints) {
      const auto reply = AskOne(session, endpoint, [](auto& channel, auto options) {
        return MaintenanceStub(channel).Defragment({}, std::move(options));
      });
      if (reply.ok()) {
        TRIREME_RETURN_IF_ERROR(
            session.Print(fmt::format("Finished defragmenting etcd member[{}]\n", endpoint)));
        continue;
      }
      failed = true;
      const std::string text = fmt::format("Failed to defragment etcd member[{}] ({})\n", endpoint,
                                           Describe(reply.status()));
      std::fputs(text.c_str(), stderr);
    }
    return failed ? Fail(kError, "") : absl::OkStatus();
  }

 private:
  bool whole_cluster_ = false;
  std::string directory_;
};

class MoveLeaderCommand final : public Command {
 public:
  absl::Status Run(Session& session, const Arguments& arguments) override {
    if (arguments.words.size() != 1) return BadArguments("move-leader command needs 1 argument");
    const auto target = ParseUint(arguments.words[0], 16);
    if (!target.ok()) return BadArguments(std::string(target.status().message()));
    for (const std::string& endpoint : session.options().endpoints) {
      TRIREME_ASSIGN_OR_RETURN(const auto status,
                               AskOne(session, endpoint, [](auto& channel, auto options) {
                                 return MaintenanceStub(channel).Status({}, std::move(options));
                               }));
      if (status.leader() == status.header().member_id())
        return Move(session, endpoint, status.leader(), *target);
    }
    return BadArguments(fmt::format("no leader endpoint given at [{}]",
                                    fmt::join(session.options().endpoints, " ")));
  }

 private:
  static absl::Status Move(Session& session, const std::string& endpoint, std::uint64_t leader,
                           std::uint64_t target) {
    etcdserverpb::MoveLeaderRequest request;
    request.set_targetid(target);
    TRIREME_ASSIGN_OR_RETURN(
        const auto reply, AskOne(session, endpoint, [&](auto& channel, auto options) {
          return MaintenanceStub(channel).MoveLeader(request, std::move(options));
        }));
    return session.Print(session.printer().MoveLeader(leader, target, reply));
  }
};

class VersionCommand final : public Command {
 public:
  absl::Status Run(Session& session, const Arguments&) override {
    return session.Print("trireme version: " TRIREME_VERSION "\nAPI version: 3.5\n");
  }
};

}  // namespace

void AddMaintenanceCommands(CommandList* list) {
  list->push_back(Entry<AlarmDisarmCommand>("alarm disarm", "", "Disarms all alarms"));
  list->push_back(Entry<AlarmListCommand>("alarm list", "", "Lists all alarms"));
  list->push_back(
      Entry<DefragCommand>("defrag", "[options]", "Defragments the storage of the members"));
  list->push_back(Entry<MoveLeaderCommand>("move-leader", "<transferee-member-id>",
                                           "Transfers leadership to another member"));
  list->push_back(Entry<VersionCommand>("version", "", "Prints the version"));
}

}  // namespace trireme::kvcli
