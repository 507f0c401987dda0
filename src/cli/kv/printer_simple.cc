#include "cli/kv/go_text.h"
#include "cli/kv/printer.h"
#include "cli/kv/rows.h"
#include "fmt/format.h"
#include "fmt/ranges.h"

namespace trireme::kvcli {
namespace {

using namespace etcdserverpb;  // NOLINT: this file is about nothing else.

class SimplePrinter final : public Printer {
 public:
  explicit SimplePrinter(bool hex) : Printer("simple"), hex_(hex) {}
  bool SetValuesOnly() override { return values_only_ = true; }

  Text Put(const PutResponse& reply) const override {
    return "OK\n" + (reply.has_prev_kv() ? Pair(reply.prev_kv()) : "");
  }
  Text Get(const RangeResponse& reply) const override { return Pairs(reply.kvs()); }
  Text Delete(const DeleteRangeResponse& reply) const override {
    return fmt::format("{}\n{}", reply.deleted(), Pairs(reply.prev_kvs()));
  }
  Text Txn(const TxnResponse& reply) const override;
  Text Watch(const WatchResponse& reply) const override;

  Text Grant(const LeaseGrantResponse& reply) const override {
    return fmt::format("lease {:016x} granted with TTL({}s)\n", reply.id(), reply.ttl());
  }
  Text Revoke(std::int64_t id, const LeaseRevokeResponse&) const override {
    return fmt::format("lease {:016x} revoked\n", id);
  }
  Text KeepAlive(const LeaseKeepAliveResponse& reply) const override {
    return fmt::format("lease {:016x} keepalived with TTL({})\n", reply.id(), reply.ttl());
  }
  Text TimeToLive(const LeaseTimeToLiveResponse& reply, bool keys) const override;
  Text Leases(const LeaseLeasesResponse& reply) const override;

  Text MemberAdd(const MemberAddResponse& reply) const override {
    return OfMember(reply.member().id(), "added to", reply.header());
  }
  Text MemberRemove(Id id, const MemberRemoveResponse& reply) const override {
    return OfMember(id, "removed from", reply.header());
  }
  Text MemberUpdate(Id id, const MemberUpdateResponse& reply) const override {
    return OfMember(id, "updated in", reply.header());
  }
  Text MemberPromote(Id id, const MemberPromoteResponse& reply) const override {
    return OfMember(id, "promoted in", reply.header());
  }
  Text MemberList(const MemberListResponse& reply) const override {
    return Lines(MemberRows(reply));
  }
  Text MoveLeader(Id leader, Id target, const MoveLeaderResponse&) const override {
    return fmt::format("Leadership transferred from {:x} to {:x}\n", leader, target);
  }

  Text Health(const std::vector<EndpointHealth>&) const override { return ""; }
  Text Status(const std::vector<EndpointStatus>& list) const override {
    return Lines(StatusRows(list));
  }
  Text Hashes(const std::vector<EndpointHash>& list) const override {
    return Lines(HashRows(list));
  }
  Text Alarms(const AlarmResponse& reply) const override;
  Text Snapshot(const SnapshotStatus& status) const override { return Lines(SnapshotRows(status)); }

 private:
  std::string Pair(const mvccpb::KeyValue& pair) const {
    const std::string value = (hex_ ? HexEscape(pair.value()) : pair.value()) + "\n";
    if (values_only_) return value;
    return (hex_ ? HexEscape(pair.key()) : pair.key()) + "\n" + value;
  }
  std::string Pairs(const google::protobuf::RepeatedPtrField<mvccpb::KeyValue>& pairs) const {
    std::string text;
    for (const mvccpb::KeyValue& pair : pairs) text += Pair(pair);
    return text;
  }
  static std::string OfMember(Id id, const char* what, const ResponseHeader& header) {
    return fmt::format("Member {:16x} {} cluster {:16x}\n", id, what, header.cluster_id());
  }

  const bool hex_;
  bool values_only_ = false;
};

Printer::Text SimplePrinter::Txn(const TxnResponse& reply) const {
  std::string text = reply.succeeded() ? "SUCCESS\n" : "FAILURE\n";
  for (const ResponseOp& step : reply.responses()) text += "\n" + *OfStep(step);
  return text;
}

Printer::Text SimplePrinter::Watch(const WatchResponse& reply) const {
  std::string text;
  for (const mvccpb::Event& event : reply.events()) {
    text += event.type() == mvccpb::Event::PUT ? "PUT\n" : "DELETE\n";
    if (event.has_prev_kv()) text += Pair(event.prev_kv());
    text += Pair(event.kv());
  }
  return text;
}

Printer::Text SimplePrinter::TimeToLive(const LeaseTimeToLiveResponse& reply, bool keys) const {
  if (reply.grantedttl() == 0 && reply.ttl() == -1)
    return fmt::format("lease {:016x} already expired\n", reply.id());
  std::string text = fmt::format("lease {:016x} granted with TTL({}s), remaining({}s)", reply.id(),
                                 reply.grantedttl(), reply.ttl());
  if (keys) text += fmt::format(", attached keys([{}])", fmt::join(reply.keys(), " "));
  return text + "\n";
}

Printer::Text SimplePrinter::Leases(const LeaseLeasesResponse& reply) const {
  std::string text = fmt::format("found {} leases\n", reply.leases_size());
  for (const LeaseStatus& lease : reply.leases()) text += fmt::format("{:016x}\n", lease.id());
  return text;
}

Printer::Text SimplePrinter::Alarms(const AlarmResponse& reply) const {
  std::string text;
  for (const AlarmMember& alarm : reply.alarms()) {
    if (alarm.memberid() != 0) text += fmt::format("memberID:{} ", alarm.memberid());
    if (alarm.alarm() != 0) text += fmt::format("alarm:{} ", AlarmType_Name(alarm.alarm()));
    text += "\n";
  }
  return text;
}

}  // namespace

std::unique_ptr<Printer> MakeSimplePrinter(bool hex) {
  return std::make_unique<SimplePrinter>(hex);
}

}  // namespace trireme::kvcli
