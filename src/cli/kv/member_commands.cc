#include "base/status_macros.h"
#include "cli/kv/command.h"
#include "cli/kv/failure.h"
#include "cli/kv/go_text.h"
#include "etcd/rpc.trireme.h"
#include "fmt/format.h"
#include "fmt/ranges.h"

namespace trireme::kvcli {
namespace {

using etcdserverpb::ClusterStub;

absl::StatusOr<std::uint64_t> MemberOf(const Arguments& arguments) {
  if (arguments.words.size() != 1) return BadArguments("member ID is not provided");
  const auto id = ParseUint(arguments.words[0], 16);
  if (id.ok()) return *id;
  return BadArguments(fmt::format("bad member ID arg ({}), expecting ID in Hex",
                                  std::string(id.status().message())));
}

/// Members are changed one at a time: tries that may have been executed are not repeated.
template <class Call>
auto Change(Session& session, Call call)
    -> decltype(call(std::declval<ClusterStub>(), rpc::CallOptions())) {
  TRIREME_ASSIGN_OR_RETURN(Connection * cluster, session.connection());
  return cluster->Do(false, [&](auto& channel, auto options) {
    return call(ClusterStub(channel), std::move(options));
  });
}

absl::StatusOr<etcdserverpb::MemberListResponse> List(Session& session) {
  etcdserverpb::MemberListRequest request;
  request.set_linearizable(true);
  TRIREME_ASSIGN_OR_RETURN(Connection * cluster, session.connection());
  return cluster->Do(true, [&](auto& channel, auto options) {
    return ClusterStub(channel).MemberList(request, std::move(options));
  });
}

class AddCommand final : public Command {
 public:
  void AddFlags(FlagSet& flags) override {
    flags.List("peer-urls", &urls_, "comma separated peer URLs for the new member");
    flags.Bool("learner", &learner_, "indicates if the new member is raft learner");
  }

  absl::Status Run(Session& session, const Arguments& arguments) override {
    if (arguments.words.empty()) return BadArguments("member name not provided");
    if (arguments.words.size() > 1) return BadArguments("too many arguments");
    if (urls_.empty()) return BadArguments("member peer urls not provided");
    etcdserverpb::MemberAddRequest request;
    for (const std::string& url : urls_) request.add_peerurls(url);
    request.set_islearner(learner_);
    TRIREME_ASSIGN_OR_RETURN(const auto reply, Change(session, [&](auto stub, auto options) {
                               return stub.MemberAdd(request, std::move(options));
                             }));
    TRIREME_RETURN_IF_ERROR(session.Print(session.printer().MemberAdd(reply)));
    if (session.printer().format() != "simple") return absl::OkStatus();
    return session.Print(HowToStart(arguments.words[0], reply));
  }

 private:
  /// The environment in which the new member starts.
  std::string HowToStart(const std::string& name,
                         const etcdserverpb::MemberAddResponse& reply) const {
    std::vector<std::string> cluster;
    for (const auto& member : reply.members()) {
      for (const std::string& url : member.peerurls()) {
        const bool is_new = member.id() == reply.member().id();
        cluster.push_back(fmt::format("{}={}", is_new ? name : member.name(), url));
      }
    }
    return fmt::format(
        "\nETCD_NAME=\"{}\"\nETCD_INITIAL_CLUSTER=\"{}\"\n"
        "ETCD_INITIAL_ADVERTISE_PEER_URLS=\"{}\"\nETCD_INITIAL_CLUSTER_STATE=\"existing\"\n",
        name, fmt::join(cluster, ","), fmt::join(urls_, ","));
  }

  std::vector<std::string> urls_;
  bool learner_ = false;
};

class RemoveCommand final : public Command {
 public:
  absl::Status Run(Session& session, const Arguments& arguments) override {
    TRIREME_ASSIGN_OR_RETURN(const std::uint64_t id, MemberOf(arguments));
    etcdserverpb::MemberRemoveRequest request;
    request.set_id(id);
    TRIREME_ASSIGN_OR_RETURN(const auto reply, Change(session, [&](auto stub, auto options) {
                               return stub.MemberRemove(request, std::move(options));
                             }));
    return session.Print(session.printer().MemberRemove(id, reply));
  }
};

class UpdateCommand final : public Command {
 public:
  void AddFlags(FlagSet& flags) override {
    flags.List("peer-urls", &urls_, "comma separated peer URLs for the updated member");
  }
  absl::Status Run(Session& session, const Arguments& arguments) override {
    TRIREME_ASSIGN_OR_RETURN(const std::uint64_t id, MemberOf(arguments));
    if (urls_.empty()) return BadArguments("member peer urls not provided");
    etcdserverpb::MemberUpdateRequest request;
    request.set_id(id);
    for (const std::string& url : urls_) request.add_peerurls(url);
    TRIREME_ASSIGN_OR_RETURN(const auto reply, Change(session, [&](auto stub, auto options) {
                               return stub.MemberUpdate(request, std::move(options));
                             }));
    return session.Print(session.printer().MemberUpdate(id, reply));
  }

 private:
  std::vector<std::string> urls_;
};

class PromoteCommand final : public Command {
 public:
  absl::Status Run(Session& session, const Arguments& arguments) override {
    TRIREME_ASSIGN_OR_RETURN(const std::uint64_t id, MemberOf(arguments));
    etcdserverpb::MemberPromoteRequest request;
    request.set_id(id);
    TRIREME_ASSIGN_OR_RETURN(const auto reply, Change(session, [&](auto stub, auto options) {
                               return stub.MemberPromote(request, std::move(options));
                             }));
    return session.Print(session.printer().MemberPromote(id, reply));
  }
};

class ListCommand final : public Command {
 public:
  absl::Status Run(Session& session, const Arguments&) override {
    TRIREME_ASSIGN_OR_RETURN(const auto reply, List(session));
    return session.Print(session.printer().MemberList(reply));
  }
};

}  // namespace

void AddMemberCommands(CommandList* list) {
  list->push_back(
      Entry<AddCommand>("member add", "<memberName> [options]", "Adds a member into the cluster"));
  list->push_back(Entry<ListCommand>("member list", "", "Lists all members in the cluster"));
  list->push_back(
      Entry<PromoteCommand>("member promote", "<memberID>", "Promotes a non-voting member"));
  list->push_back(
      Entry<RemoveCommand>("member remove", "<memberID>", "Removes a member from the cluster"));
  list->push_back(Entry<UpdateCommand>("member update", "<memberID> [options]",
                                       "Updates a member in the cluster"));
}

}  // namespace trireme::kvcli
