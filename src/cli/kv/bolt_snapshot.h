#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "cli/kv/printer.h"

/// Snapshots as etcd's servers write them: a bbolt database of buckets, whose one named "key" has
/// revisions as keys. Read only, and as hostile bytes.
namespace trireme::kvcli {

bool IsBolt(std::string_view first_bytes);

/// The hash is the CRC-32C over the name and every key and value of each bucket, in order.
absl::StatusOr<SnapshotStatus> BoltStatus(const std::string& path);

}  // namespace trireme::kvcli
