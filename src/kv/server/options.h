#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <trireme/raft.h>
#include "kv/model/checks.h"
#include "rpc/tls.h"
#include "web/page_rules.h"

namespace trireme::kv::inline engine {

/// A member of the first cluster, as --initial-cluster names it.
struct InitialMember {
  std::string name;
  std::vector<std::string> peer_urls;
};

/// A request may be so large, as etcd's --max-request-bytes; a transaction with it.
inline constexpr std::size_t kRequestBytesMax = 1'572'864;
/// What a message may have beyond that for its encoding, as etcd allows.
inline constexpr std::size_t kRequestOverheadBytes = 512 * 1024;

struct Limits {
  std::size_t request_bytes_max = kRequestBytesMax;
  int txn_ops_max = kTxnOpsMax;
};

/// etcd's options by etcd's names, where they are etcd's.
struct ServerOptions {
  std::string name = "default";
  std::string data_dir;  ///< Empty: nothing is kept on disk.
  std::vector<std::string> listen_client_urls = {"http://127.0.0.1:2379"};
  std::vector<std::string> advertise_client_urls;  ///< Empty: where it listens.
  std::vector<std::string> listen_peer_urls = {"http://127.0.0.1:2380"};
  std::vector<std::string> initial_advertise_peer_urls = {"http://127.0.0.1:2380"};
  std::vector<InitialMember> initial_cluster;  ///< Empty: this one alone.
  std::string initial_cluster_token = "etcd-cluster";
  std::chrono::milliseconds heartbeat_interval{100};
  std::chrono::milliseconds election_timeout{1000};
  /// How often a watch that asked for it is told that nothing happened.
  std::chrono::milliseconds watch_progress_interval = std::chrono::minutes(10);
  int io_threads = 1;
  Limits limits;

  bool join_existing = false;  ///< --initial-cluster-state existing.
  bool strict_reconfig_check = true;
  bool pre_vote = true;
  std::uint64_t snapshot_count = 1'000'000;  ///< Entries between two snapshots of Raft.
  std::uint64_t quota_backend_bytes = 0;     ///< 0: none.
  /// Compaction by itself: to what was an interval ago, or all but so many revisions.
  std::chrono::milliseconds compaction_retention{0};
  std::int64_t compaction_revisions = 0;
  std::vector<std::string> listen_metrics_urls;
  web::PageRules pages;  ///< Of /ui, on the client ports and those of metrics.
  std::optional<rpc::TlsServerOptions> client_tls;
  std::optional<raft::TlsIdentity> peer_tls;
};

/// Who begins the cluster.
inline std::vector<InitialMember> FirstMembers(const ServerOptions& options) {
  if (!options.initial_cluster.empty()) return options.initial_cluster;
  return {{options.name, options.initial_advertise_peer_urls}};
}

}  // namespace trireme::kv::inline engine
