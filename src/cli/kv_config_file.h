#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace trireme::cli {

/// What a configuration file of etcd's, which is YAML, says, as flags: "--name=m1". Keys without a
/// value are left out, lists are joined by commas, and the keys under client-transport-security and
/// peer-transport-security are the flags that they stand for. INVALID_ARGUMENT names line and key.
absl::StatusOr<std::vector<std::string>> FlagsInConfig(std::string_view text);

/// The same of a file; the error names it.
absl::StatusOr<std::vector<std::string>> FlagsInConfigFile(const std::string& path);

/// The file that `arguments` or the variable ETCD_CONFIG_FILE name; empty: none.
std::string ConfigFileIn(const std::vector<std::string>& arguments);

}  // namespace trireme::cli
