#include "cli/kv/printer.h"

namespace trireme::kvcli {
namespace {

using namespace etcdserverpb;  // NOLINT: this file is about nothing else.

/// The message's bytes, without anything between one and the next.
class ProtobufPrinter final : public Printer {
 public:
  ProtobufPrinter() : Printer("protobuf") {}
  Text Put(const PutResponse& reply) const override { return Bytes(reply); }
  Text Get(const RangeResponse& reply) const override { return Bytes(reply); }
  Text Delete(const DeleteRangeResponse& reply) const override { return Bytes(reply); }
  Text Txn(const TxnResponse& reply) const override { return Bytes(reply); }
  Text Watch(const WatchResponse& reply) const override {
    WatchResponse shown = reply;
    shown.clear_watch_id();
    shown.clear_cancel_reason();
    shown.clear_fragment();
    return Bytes(shown);
  }
  Text Grant(const LeaseGrantResponse& reply) const override { return Bytes(reply); }
  Text Revoke(std::int64_t, const LeaseRevokeResponse& reply) const override {
    return Bytes(reply);
  }
  Text KeepAlive(const LeaseKeepAliveResponse& reply) const override { return Bytes(reply); }
  Text TimeToLive(const LeaseTimeToLiveResponse& reply, bool) const override {
    return Bytes(reply);
  }
  Text Leases(const LeaseLeasesResponse& reply) const override { return Bytes(reply); }
  Text MemberAdd(const MemberAddResponse& reply) const override { return Bytes(reply); }
  Text MemberRemove(Id, const MemberRemoveResponse& reply) const override { return Bytes(reply); }
  Text MemberUpdate(Id, const MemberUpdateResponse& reply) const override { return Bytes(reply); }
  Text MemberPromote(Id, const MemberPromoteResponse& reply) const override { return Bytes(reply); }
  Text MemberList(const MemberListResponse& reply) const override { return Bytes(reply); }
  Text MoveLeader(Id, Id, const MoveLeaderResponse& reply) const override { return Bytes(reply); }
  Text Alarms(const AlarmResponse& reply) const override { return Bytes(reply); }

 private:
  static std::string Bytes(const google::protobuf::MessageLite& message) {
    return message.SerializeAsString();
  }
};

}  // namespace

std::unique_ptr<Printer> MakeProtobufPrinter() {
  return std::make_unique<ProtobufPrinter>();
}

}  // namespace trireme::kvcli
