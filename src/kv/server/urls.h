#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace trireme::kv::inline engine {

/// The address in a URL of etcd's: http://host:port, or unix:/path.
absl::StatusOr<std::string> AddressOfUrl(std::string_view url);

}  // namespace trireme::kv::inline engine
