
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "cli/kv/command.h"
#include "cli/kv/failure.h"
#include "cli/kv/go_text.h"
#include "etcd/rpc.trireme.h"
#include "fmt/format.h"

namespace trireme::kvcli {
namespace {

using etcdserverpb::LeaseStub;

absl::StatusOr<std::int64_t> LeaseOf(const std::string& text) {
  const auto id = ParseInt(text, 16);
  if (id.ok()) return *id;
  return BadArguments(fmt::format("bad lease ID arg ({}), expecting ID in Hex",
                                  std::string(id.status().message())));
}

class GrantCommand final : public Command {
 public:
  absl::Status Run(Session& session, const Arguments& arguments) override {
    if (arguments.words.size() != 1) return BadArguments("lease grant command needs TTL argument");
    const auto ttl = ParseInt(arguments.words[0], 10);
    if (!ttl.ok())
      return BadArguments(fmt::format("bad TTL ({})", std::string(ttl.status().message())));
    etcdserverpb::LeaseGrantRequest request;
    request.set_ttl(*ttl);
    TRIREME_ASSIGN_OR_RETURN(Connection * cluster, session.connection());
    const auto reply = cluster->Do(false, [&](auto& channel, auto options) {
      return LeaseStub(channel).LeaseGrant(request, std::move(options));
    });
    if (!reply.ok())
      return Fail(kError, fmt::format("failed to grant lease ({})", Describe(reply.status())));
    return session.Print(session.printer().Grant(*reply));
  }
};

class RevokeCommand final : public Command {
 public:
  absl::Status Run(Session& session, const Arguments& arguments) override {
    if (arguments.words.size() != 1) return BadArguments("lease revoke command needs 1 argument");
    TRIREME_ASSIGN_OR_RETURN(const std::int64_t id, LeaseOf(arguments.words[0]));
    etcdserverpb::LeaseRevokeRequest request;
    request.set_id(id);
    TRIREME_ASSIGN_OR_RETURN(Connection * cluster, session.connection());
    const auto reply = cluster->Do(false, [&](auto& channel, auto options) {
      return LeaseStub(channel).LeaseRevoke(request, std::move(options));
    });
    if (!reply.ok())
      return Fail(kError, fmt::format("failed to revoke lease ({})", Describe(reply.status())));
    return session.Print(session.printer().Revoke(id, *reply));
  }
};

class TimeToLiveCommand final : public Command {
 public:
  void AddFlags(FlagSet& flags) override {
    flags.Bool("keys", &keys_, "Get keys attached to this lease");
  }
  absl::Status Run(Session& session, const Arguments& arguments) override {
    if (arguments.words.size() != 1)
      return BadArguments("lease timetolive command needs lease ID as argument");
    etcdserverpb::LeaseTimeToLiveRequest request;
    TRIREME_ASSIGN_OR_RETURN(const std::int64_t id, LeaseOf(arguments.words[0]));
    request.set_id(id);
    request.set_keys(keys_);
    TRIREME_ASSIGN_OR_RETURN(Connection * cluster, session.connection());
    const auto reply = cluster->Do(true, [&](auto& channel, auto options) {
      return LeaseStub(channel).LeaseTimeToLive(request, std::move(options));
    });
    if (!reply.ok()) return Fail(kBadConnection, Describe(reply.status()));
    return session.Print(session.printer().TimeToLive(*reply, keys_));
  }

 private:
  bool keys_ = false;
};

class ListCommand final : public Command {
 public:
  absl::Status Run(Session& session, const Arguments&) override {
    TRIREME_ASSIGN_OR_RETURN(Connection * cluster, session.connection());
    const auto reply = cluster->Do(true, [&](auto& channel, auto options) {
      return LeaseStub(channel).LeaseLeases({}, std::move(options));
    });
    if (!reply.ok()) return Fail(kError, Describe(reply.status()));
    return session.Print(session.printer().Leases(*reply));
  }
};

class KeepAliveCommand final : public Command {
 public:
  void AddFlags(FlagSet& flags) override {
    flags.Bool("once", &once_, "Resets the keep-alive time to its original value and exits");
  }

  absl::Status Run(Session& session, const Arguments& arguments) override {
    if (arguments.words.size() != 1)
      return BadArguments("lease keep-alive command needs lease ID as argument");
    TRIREME_ASSIGN_OR_RETURN(const std::int64_t id, LeaseOf(arguments.words[0]));
    TRIREME_ASSIGN_OR_RETURN(Connection * cluster, session.connection());
    while (true) {
      const auto reply = cluster->Do(true, [&](auto& channel, auto options) {
        return Renew(channel, id, std::move(options));
      });
      if (!reply.ok()) return Fail(kBadConnection, Describe(reply.status()));
      if (reply->ttl() <= 0) return Gone(session, id);
      TRIREME_RETURN_IF_ERROR(session.Print(session.printer().KeepAlive(*reply)));
      if (once_) return absl::OkStatus();
      absl::SleepFor(absl::Seconds(static_cast<double>(reply->ttl()) / 3));
    }
  }

 private:
  static absl::StatusOr<etcdserverpb::LeaseKeepAliveResponse> Renew(
      const std::shared_ptr<rpc::Channel>& channel, std::int64_t id, rpc::CallOptions options) {
    auto stream = LeaseStub(channel).LeaseKeepAlive(std::move(options));
    etcdserverpb::LeaseKeepAliveRequest request;
    request.set_id(id);
    etcdserverpb::LeaseKeepAliveResponse reply;
    (void)stream.Write(request).ok();  // Why it failed shows in Finish.
    if (stream.Read(&reply)) return reply;
    const absl::Status status = stream.Finish();
    return status.ok() ? absl::UnavailableError("the stream ended without an answer") : status;
  }

  absl::Status Gone(Session& session, std::int64_t id) const {
    if (once_) return Fail(kBadConnection, "etcdserver: requested lease not found");
    return session.Print(fmt::format("lease {:016x} expired or revoked.\n", id));
  }

  bool once_ = false;
};

}  // namespace

void AddLeaseCommands(CommandList* list) {
  list->push_back(Entry<GrantCommand>("lease grant", "<ttl>", "Creates leases"));
  list->push_back(Entry<KeepAliveCommand>("lease keep-alive", "[options] <leaseID>",
                                          "Keeps leases alive (renew)"));
  list->push_back(Entry<ListCommand>("lease list", "", "List all active leases"));
  list->push_back(Entry<RevokeCommand>("lease revoke", "<leaseID>", "Revokes leases"));
  list->push_back(
      Entry<TimeToLiveCommand>("lease timetolive", "<leaseID> [options]", "Get lease information"));
}

}  // namespace trireme::kvcli
