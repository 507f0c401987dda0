#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "kv/server/kv_machine.h"

namespace trireme::kv::inline engine {

/// Stores in memory when `data_dir` is empty, else in numbered directories under it: `kv/CURRENT`
/// names the one that counts.
absl::StatusOr<std::unique_ptr<StoreProvider>> MakeStores(const std::string& data_dir);

}  // namespace trireme::kv::inline engine
