#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "cli/kv/printer.h"

/// The kinds of files that `snapshot save` may have written: a server's own format.
namespace trireme::kvcli {

struct RestoreOptions {
  std::string data_directory;
  std::string log_directory;
  std::string name = "default";
  std::string initial_cluster = "default=http://localhost:2380";
  std::string cluster_token = "etcd-cluster";
  std::string advertise_peer_urls = "http://localhost:2380";
  bool skip_hash_check = false;
};

struct SnapshotFormat {
  std::string_view name;  ///< "a snapshot of etcd's"
  bool (*recognizes)(std::string_view first_bytes);
  absl::StatusOr<SnapshotStatus> (*status)(const std::string& path);
  /// Null: it cannot be restored here.
  absl::Status (*restore)(const std::string& path, const RestoreOptions& options);
};

/// What a format gets to see of a file.
inline constexpr std::size_t kRecognizedBytes = 64;

/// A server's format, before Run.
void AddSnapshotFormat(const SnapshotFormat& format);

/// The format that recognizes the file.
absl::StatusOr<const SnapshotFormat*> FormatOf(const std::string& path);

}  // namespace trireme::kvcli
