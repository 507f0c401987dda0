#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "kv/model/requests.h"

/// Commands as bytes of a log entry: docs/formats/kv-commands.md.
namespace trireme::kv::inline engine {

/// Transactions within transactions; the outermost counts as 1.
inline constexpr int kTxnDepthMax = 16;

/// `command` keeps to CheckCommand (checks.h).
std::string EncodeCommand(const Command& command);

/// Of hostile bytes; what it gives holds views into them. INVALID_ARGUMENT for anything else than
/// what EncodeCommand writes.
absl::StatusOr<Command> DecodeCommand(std::string_view bytes);

}  // namespace trireme::kv::inline engine
