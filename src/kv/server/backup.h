#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kv/model/view.h"
#include "kv/server/options.h"

/// Backups: docs/formats/kv-backup.md.
namespace trireme::kv::inline engine {

/// Writes a backup of the view, from its front to its end, in pieces. The sink's status ends it.
absl::Status WriteBackup(const ReadView& view, std::uint64_t cluster_id,
                         const std::function<absl::Status(std::string)>& sink);

struct BackupStatus {
  std::uint32_t hash = 0;  ///< ReadView::Hash of its state.
  std::int64_t revision = 0;
  std::int64_t keys = 0;
  std::uint64_t size_bytes = 0;
};
/// Reads all of it. DATA_LOSS: it is damaged, or no backup.
absl::StatusOr<BackupStatus> InspectBackup(const std::string& path);

struct RestoreOptions {
  std::string path;
  /// name, data_dir, initial_cluster, initial_cluster_token, initial_advertise_peer_urls.
  ServerOptions server;
  /// Of a file that was not made by a server: its hash is not looked at.
  bool skip_hash_check = false;
};
/// Makes the data directory of one first member of a new cluster that begins with the backup's
/// state. FAILED_PRECONDITION: the directory exists. What fails leaves none.
absl::Status RestoreBackup(const RestoreOptions& options);

}  // namespace trireme::kv::inline engine
