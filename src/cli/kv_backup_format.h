#pragma once

namespace trireme::cli {

/// Makes `trireme kv snapshot status` and `restore` read this program's own backups.
void AddBackupFormat();

}  // namespace trireme::cli
