#include "cli/kv/go_text.h"
#include "cli/kv/printer.h"
#include "fmt/format.h"
#include "fmt/ranges.h"

namespace trireme::kvcli {
namespace {

using namespace etcdserverpb;  // NOLINT: this file is about nothing else.

template <class Value>
std::string Field(std::string_view name, const Value& value) {
  return fmt::format("\"{}\" : {}\n", name, value);
}
std::string QuotedField(std::string_view name, const std::string& value) {
  return Field(name, Quote(value));
}

std::string Pair(const std::string& prefix, const mvccpb::KeyValue& pair) {
  return QuotedField(prefix + "Key", pair.key()) +
         Field(prefix + "CreateRevision", pair.create_revision()) +
         Field(prefix + "ModRevision", pair.mod_revision()) +
         Field(prefix + "Version", pair.version()) + QuotedField(prefix + "Value", pair.value()) +
         Field(prefix + "Lease", pair.lease());
}

std::string Header(const ResponseHeader& header) {
  return Field("ClusterID", header.cluster_id()) + Field("MemberID", header.member_id()) +
         Field("Revision", header.revision()) + Field("RaftTerm", header.raft_term());
}

class FieldsPrinter final : public Printer {
 public:
  FieldsPrinter() : Printer("fields") {}

  Text Put(const PutResponse& reply) const override {
    return Header(reply.header()) + (reply.has_prev_kv() ? Pair("Prev", reply.prev_kv()) : "");
  }
  Text Get(const RangeResponse& reply) const override {
    std::string text = Header(reply.header());
    for (const auto& pair : reply.kvs()) text += Pair("", pair);
    return text + Field("More", reply.more()) + Field("Count", reply.count());
  }
  Text Delete(const DeleteRangeResponse& reply) const override {
    std::string text = Header(reply.header()) + Field("Deleted", reply.deleted());
    for (const auto& pair : reply.prev_kvs()) text += Pair("Prev", pair);
    return text;
  }
  Text Txn(const TxnResponse& reply) const override;
  Text Watch(const WatchResponse& reply) const override;

  Text Grant(const LeaseGrantResponse& reply) const override { return IdAndTtl(reply); }
  Text KeepAlive(const LeaseKeepAliveResponse& reply) const override { return IdAndTtl(reply); }
  Text Revoke(std::int64_t, const LeaseRevokeResponse& reply) const override {
    return Header(reply.header());
  }
  Text TimeToLive(const LeaseTimeToLiveResponse& reply, bool) const override {
    std::string text = IdAndTtl(reply) + Field("GrantedTTL", reply.grantedttl());
    for (const std::string& key : reply.keys()) text += QuotedField("Key", key);
    return text;
  }
  Text Leases(const LeaseLeasesResponse& reply) const override {
    std::string text = Header(reply.header());
    for (const auto& lease : reply.leases()) text += Field("ID", lease.id());
    return text;
  }
  Text MemberList(const MemberListResponse& reply) const override;
  Text Health(const std::vector<EndpointHealth>& list) const override;
  Text Status(const std::vector<EndpointStatus>& list) const override;
  Text Hashes(const std::vector<EndpointHash>& list) const override;
  Text Alarms(const AlarmResponse& reply) const override {
    std::string text = Header(reply.header());
    for (const auto& alarm : reply.alarms()) {
      text += Field("MemberID", alarm.memberid()) +
              Field("AlarmType", AlarmType_Name(alarm.alarm())) + "\n";
    }
    return text;
  }
  Text Snapshot(const SnapshotStatus& status) const override {
    return Field("Hash", status.hash) + Field("Revision", status.revision) +
           Field("Keys", status.keys) + Field("Size", status.size_bytes);
  }

 private:
  template <class Reply>
  static std::string IdAndTtl(const Reply& reply) {
    return Header(reply.header()) + Field("ID", reply.id()) + Field("TTL", reply.ttl());
  }
};

Printer::Text FieldsPrinter::Txn(const TxnResponse& reply) const {
  std::string text = Header(reply.header()) + Field("Succeeded", reply.succeeded());
  for (const auto& step : reply.responses()) text += *OfStep(step);
  return text;
}

Printer::Text FieldsPrinter::Watch(const WatchResponse& reply) const {
  std::string text = Header(reply.header());
  for (const auto& event : reply.events()) {
    text += Field("Type", mvccpb::Event::EventType_Name(event.type()));
    if (event.has_prev_kv()) text += Pair("Prev", event.prev_kv());
    text += Pair("", event.kv());
  }
  return text;
}

Printer::Text FieldsPrinter::MemberList(const MemberListResponse& reply) const {
  std::string text = Header(reply.header());
  for (const auto& member : reply.members()) {
    text += Field("ID", member.id()) + QuotedField("Name", member.name());
    for (const std::string& url : member.peerurls()) text += QuotedField("PeerURL", url);
    for (const std::string& url : member.clienturls()) text += QuotedField("ClientURL", url);
    text += Field("IsLearner", member.islearner()) + "\n";
  }
  return text;
}

Printer::Text FieldsPrinter::Health(const std::vector<EndpointHealth>& list) const {
  std::string text;
  for (const EndpointHealth& one : list) {
    text += QuotedField("Endpoint", one.endpoint) + Field("Health", one.healthy) +
            Field("Took", ShowGoDuration(one.took)) + Field("Error", one.error) + "\n";
  }
  return text;
}

Printer::Text FieldsPrinter::Status(const std::vector<EndpointStatus>& list) const {
  std::string text;
  for (const auto& [endpoint, status] : list) {
    text += Header(status.header()) + QuotedField("Version", status.version()) +
            Field("DBSize", status.dbsize()) + Field("Leader", status.leader()) +
            Field("IsLearner", status.islearner()) + Field("RaftIndex", status.raftindex()) +
            Field("RaftTerm", status.raftterm()) +
            Field("RaftAppliedIndex", status.raftappliedindex()) +
            Field("Errors", fmt::format("[{}]", fmt::join(status.errors(), " "))) +
            QuotedField("Endpoint", endpoint) + "\n";
  }
  return text;
}

Printer::Text FieldsPrinter::Hashes(const std::vector<EndpointHash>& list) const {
  std::string text;
  for (const auto& [endpoint, hash] : list) {
    text += Header(hash.header()) + QuotedField("Endpoint", endpoint) + Field("Hash", hash.hash()) +
            "\n";
  }
  return text;
}

}  // namespace

std::unique_ptr<Printer> MakeFieldsPrinter() {
  return std::make_unique<FieldsPrinter>();
}

}  // namespace trireme::kvcli
