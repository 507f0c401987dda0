#pragma once

#include <string_view>

namespace trireme::sim {

/// The keys of a KV world, by what is done with them.
inline constexpr std::string_view kRegisterPrefix = "r/";  ///< Put, compared and read.
inline constexpr std::string_view kJunkPrefix = "j/";    ///< Put, with leases or without; deleted.
inline constexpr std::string_view kLockPrefix = "l/";    ///< There while somebody has the lock.
inline constexpr std::string_view kFencedPrefix = "f/";  ///< Written by who has the lock.

}  // namespace trireme::sim
