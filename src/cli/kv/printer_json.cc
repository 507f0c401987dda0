#include "cli/kv/go_json.h"
#include "cli/kv/go_text.h"
#include "cli/kv/printer.h"
#include "fmt/format.h"

namespace trireme::kvcli {
namespace {

using namespace etcdserverpb;  // NOLINT: this file is about nothing else.

/// `items` in brackets, each by `show`.
template <class Items, class Show>
std::string Array(const Items& items, Show show) {
  std::string out;
  for (const auto& item : items) {
    if (!out.empty()) out += ",";
    out += show(item);
  }
  return "[" + out + "]";
}

/// The header's fields at the front of an object's own, as etcd's client embeds it.
std::string Embedded(const ResponseHeader& header, const std::string& rest) {
  const std::string fields = GoJsonFields(header);
  return fmt::format("{{{}{}{}}}\n", fields, fields.empty() ? "" : ",", rest);
}

std::string HealthJson(const EndpointHealth& one) {
  const std::string error =
      one.error.empty() ? "" : fmt::format(",\"error\":{}", JsonQuote(one.error));
  return fmt::format("{{\"endpoint\":{},\"health\":{},\"took\":{}{}}}", JsonQuote(one.endpoint),
                     one.healthy, JsonQuote(ShowGoDuration(one.took)), error);
}

class JsonPrinter final : public Printer {
 public:
  JsonPrinter() : Printer("json") {}
  Text Put(const PutResponse& reply) const override { return Whole(reply); }
  Text Get(const RangeResponse& reply) const override { return Whole(reply); }
  Text Delete(const DeleteRangeResponse& reply) const override { return Whole(reply); }
  Text Txn(const TxnResponse& reply) const override { return Whole(reply); }
  Text Watch(const WatchResponse& reply) const override {
    return fmt::format(
        "{{\"Header\":{},\"Events\":{},\"CompactRevision\":{},\"Canceled\":{},\"Created\":{}}}\n",
        GoJson(reply.header()), Array(reply.events(), GoJson), reply.compact_revision(),
        reply.canceled(), reply.created());
  }

  Text Grant(const LeaseGrantResponse& reply) const override {
    return Embedded(reply.header(), fmt::format("\"ID\":{},\"TTL\":{},\"Error\":{}", reply.id(),
                                                reply.ttl(), JsonQuote(reply.error())));
  }
  Text Revoke(std::int64_t, const LeaseRevokeResponse& reply) const override {
    return Whole(reply);
  }
  Text KeepAlive(const LeaseKeepAliveResponse& reply) const override {
    return Embedded(reply.header(), fmt::format("\"ID\":{},\"TTL\":{}", reply.id(), reply.ttl()));
  }
  Text TimeToLive(const LeaseTimeToLiveResponse& reply, bool) const override {
    const std::string keys = Array(
        reply.keys(), [](const std::string& key) { return fmt::format("\"{}\"", Base64(key)); });
    return Embedded(
        reply.header(),
        fmt::format("\"id\":{},\"ttl\":{},\"granted-ttl\":{},\"keys\":{}", reply.id(), reply.ttl(),
                    reply.grantedttl(), reply.keys_size() == 0 ? "null" : keys));
  }
  Text Leases(const LeaseLeasesResponse& reply) const override {
    const std::string leases = Array(reply.leases(), [](const LeaseStatus& lease) {
      return fmt::format("{{\"id\":{}}}", lease.id());
    });
    return Embedded(reply.header(), fmt::format("\"leases\":{}", leases));
  }

  Text MemberAdd(const MemberAddResponse& reply) const override { return Whole(reply); }
  Text MemberRemove(Id, const MemberRemoveResponse& reply) const override { return Whole(reply); }
  Text MemberUpdate(Id, const MemberUpdateResponse& reply) const override { return Whole(reply); }
  Text MemberPromote(Id, const MemberPromoteResponse& reply) const override { return Whole(reply); }
  Text MemberList(const MemberListResponse& reply) const override { return Whole(reply); }
  Text MoveLeader(Id, Id, const MoveLeaderResponse& reply) const override { return Whole(reply); }

  Text Health(const std::vector<EndpointHealth>& list) const override {
    return Array(list, HealthJson) + "\n";
  }
  Text Status(const std::vector<EndpointStatus>& list) const override {
    return Array(list,
                 [](const EndpointStatus& one) {
                   return fmt::format("{{\"Endpoint\":{},\"Status\":{}}}", JsonQuote(one.endpoint),
                                      GoJson(one.status));
                 }) +
           "\n";
  }
  Text Hashes(const std::vector<EndpointHash>& list) const override {
    return Array(list,
                 [](const EndpointHash& one) {
                   return fmt::format("{{\"Endpoint\":{},\"HashKV\":{}}}", JsonQuote(one.endpoint),
                                      GoJson(one.hash));
                 }) +
           "\n";
  }
  Text Alarms(const AlarmResponse& reply) const override { return Whole(reply); }
  Text Snapshot(const SnapshotStatus& status) const override {
    return fmt::format("{{\"hash\":{},\"revision\":{},\"totalKey\":{},\"totalSize\":{}}}\n",
                       status.hash, status.revision, status.keys, status.size_bytes);
  }

 private:
  static std::string Whole(const google::protobuf::Message& message) {
    return GoJson(message) + "\n";
  }
};

}  // namespace

std::unique_ptr<Printer> MakeJsonPrinter() {
  return std::make_unique<JsonPrinter>();
}

}  // namespace trireme::kvcli
