#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "cli/kv/connection.h"
#include "etcd/rpc.pb.h"
#include "io/sha256.h"

/// Copies what one cluster holds to another.
namespace trireme::kvcli {

/// Of one transaction that writes: etcd's default of --max-txn-ops, and two thirds of its
/// --max-request-bytes.
inline constexpr std::int64_t kBatchKeys = 128;
inline constexpr std::size_t kBatchBytes = 1u << 20;

struct ImportCounts {
  std::int64_t keys = 0;
  std::int64_t bytes = 0;  ///< Of keys and values.
  std::int64_t leases = 0;
  std::int64_t expired = 0;   ///< Keys that were left out, because their lease is over.
  std::int64_t followed = 0;  ///< Events applied after the copy.
};

class Importer {
 public:
  struct Options {
    std::string begin, end;  ///< The range; see etcd's range_end.
    std::int64_t batch_keys = kBatchKeys;
    bool replace = false;  ///< Delete what the destination has there first.
    std::function<void(const ImportCounts&)> progress;
  };
  Importer(Connection& from, Connection& to, Options options);

  /// All keys with values and leases, as of one revision; then reads them back and compares.
  absl::Status Copy();
  /// One revision's events. Deletions, and what is put, in transactions of at most `batch_keys`.
  absl::Status Apply(const std::vector<mvccpb::Event>& events);
  /// Leases that live at the source live on at the destination: to be called about every second.
  absl::Status RenewLeases();

  const ImportCounts& counts() const { return counts_; }
  /// Of the source, when it was copied.
  std::int64_t revision() const { return revision_; }

 private:
  struct HeldLease {
    bool alive = false;
    absl::Duration period;
    absl::Time due;
  };

  absl::Status CheckDestination(std::uint64_t source_cluster);
  absl::Status CopyPage(const etcdserverpb::RangeResponse& page);
  absl::Status Verify();
  /// Whether the lease lives at the source, and then does so at the destination.
  absl::StatusOr<bool> Ensure(std::int64_t lease);
  absl::StatusOr<etcdserverpb::LeaseTimeToLiveResponse> AskSource(std::int64_t lease);
  absl::Status Renew(std::int64_t lease, HeldLease* held);
  void Add(etcdserverpb::RequestOp step);
  absl::Status Flush();
  absl::Status FlushIfFull();

  Connection& from_;
  Connection& to_;
  const Options options_;
  ImportCounts counts_;
  std::int64_t revision_ = 0;
  io::Sha256 copied_;
  std::map<std::int64_t, HeldLease> leases_;
  etcdserverpb::TxnRequest batch_;
  std::size_t batch_bytes_ = 0;
};

}  // namespace trireme::kvcli
