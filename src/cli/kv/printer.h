#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "etcd/rpc.pb.h"

/// Answers as text, in etcdctl's output formats. Pure.
namespace trireme::kvcli {

struct EndpointHealth {
  std::string endpoint;
  bool healthy = false;
  absl::Duration took;
  std::string error;
};
struct EndpointStatus {
  std::string endpoint;
  etcdserverpb::StatusResponse status;
};
struct EndpointHash {
  std::string endpoint;
  etcdserverpb::HashKVResponse hash;
};
struct SnapshotStatus {
  std::uint32_t hash = 0;
  std::int64_t revision = 0;
  std::int64_t keys = 0;
  std::int64_t size_bytes = 0;
};

/// One output format. What it cannot show it refuses, with kBadFeature.
class Printer {
 public:
  using Text = absl::StatusOr<std::string>;
  using Id = std::uint64_t;

  explicit Printer(std::string format) : format_(std::move(format)) {}
  virtual ~Printer() = default;
  const std::string& format() const { return format_; }
  /// Whether `--print-value-only` has a meaning.
  virtual bool SetValuesOnly() { return false; }

  virtual Text Put(const etcdserverpb::PutResponse&) const { return No(); }
  virtual Text Get(const etcdserverpb::RangeResponse&) const { return No(); }
  virtual Text Delete(const etcdserverpb::DeleteRangeResponse&) const { return No(); }
  virtual Text Txn(const etcdserverpb::TxnResponse&) const { return No(); }
  virtual Text Watch(const etcdserverpb::WatchResponse&) const { return No(); }

  virtual Text Grant(const etcdserverpb::LeaseGrantResponse&) const { return No(); }
  virtual Text Revoke(std::int64_t, const etcdserverpb::LeaseRevokeResponse&) const { return No(); }
  virtual Text KeepAlive(const etcdserverpb::LeaseKeepAliveResponse&) const { return No(); }
  virtual Text TimeToLive(const etcdserverpb::LeaseTimeToLiveResponse&, bool) const { return No(); }
  virtual Text Leases(const etcdserverpb::LeaseLeasesResponse&) const { return No(); }

  virtual Text MemberAdd(const etcdserverpb::MemberAddResponse&) const { return No(); }
  virtual Text MemberRemove(Id, const etcdserverpb::MemberRemoveResponse&) const { return No(); }
  virtual Text MemberUpdate(Id, const etcdserverpb::MemberUpdateResponse&) const { return No(); }
  virtual Text MemberPromote(Id, const etcdserverpb::MemberPromoteResponse&) const { return No(); }
  virtual Text MemberList(const etcdserverpb::MemberListResponse&) const { return No(); }
  virtual Text MoveLeader(Id, Id, const etcdserverpb::MoveLeaderResponse&) const { return No(); }

  virtual Text Health(const std::vector<EndpointHealth>&) const { return No(); }
  virtual Text Status(const std::vector<EndpointStatus>&) const { return No(); }
  virtual Text Hashes(const std::vector<EndpointHash>&) const { return No(); }
  virtual Text Alarms(const etcdserverpb::AlarmResponse&) const { return No(); }
  virtual Text Snapshot(const SnapshotStatus&) const { return No(); }

 protected:
  /// What an operation of a transaction came to, as its own call would print it.
  Text OfStep(const etcdserverpb::ResponseOp& step) const;
  Text No() const;

 private:
  std::string format_;
};

/// "simple", "json", "fields", "table" or "protobuf".
absl::StatusOr<std::unique_ptr<Printer>> MakePrinter(std::string_view format, bool hex);

std::unique_ptr<Printer> MakeSimplePrinter(bool hex);
std::unique_ptr<Printer> MakeJsonPrinter();
std::unique_ptr<Printer> MakeFieldsPrinter();
std::unique_ptr<Printer> MakeTablePrinter();
std::unique_ptr<Printer> MakeProtobufPrinter();

}  // namespace trireme::kvcli
