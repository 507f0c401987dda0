#include "cli/kv_backup_format.h"

#include <string>
#include <utility>

#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "cli/kv/failure.h"
#include "cli/kv/snapshot_format.h"
#include "fmt/format.h"
#include "kv/server/backup.h"

namespace trireme::cli {
namespace {

using kvcli::SnapshotStatus;

bool Recognizes(std::string_view first_bytes) {
  return first_bytes.starts_with("TRIKVBK1");
}

absl::StatusOr<SnapshotStatus> Status(const std::string& path) {
  TRIREME_ASSIGN_OR_RETURN(const kv::BackupStatus status, kv::InspectBackup(path));
  return SnapshotStatus{.hash = status.hash,
                        .revision = status.revision,
                        .keys = status.keys,
                        .size_bytes = static_cast<std::int64_t>(status.size_bytes)};
}

absl::Status Restore(const std::string& path, const kvcli::RestoreOptions& asked) {
  kv::RestoreOptions options;
  options.path = path;
  options.skip_hash_check = asked.skip_hash_check;
  if (!asked.log_directory.empty())
    return kvcli::Fail(kvcli::kError, "--wal-dir: the log is in the data directory");
  kv::ServerOptions& server = options.server;
  server.name = asked.name;
  server.data_dir = asked.data_directory.empty() ? asked.name + ".etcd" : asked.data_directory;
  server.initial_cluster_token = asked.cluster_token;
  server.initial_advertise_peer_urls = absl::StrSplit(asked.advertise_peer_urls, ',');
  for (const absl::string_view one : absl::StrSplit(asked.initial_cluster, ',')) {
    const std::pair<std::string, std::string> part = absl::StrSplit(one, absl::MaxSplits('=', 1));
    server.initial_cluster.push_back({part.first, {part.second}});
  }
  const absl::Status status = kv::RestoreBackup(options);
  return status.ok() ? status : kvcli::Fail(kvcli::kError, std::string(status.message()));
}

}  // namespace

void AddBackupFormat() {
  kvcli::AddSnapshotFormat({"a backup of trireme's", Recognizes, Status, Restore});
}

}  // namespace trireme::cli
