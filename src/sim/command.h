#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <trireme/raft/bytes.h>
#include "sim/linear/kv_history.h"

namespace trireme::sim {

using linear::KvKind;
using linear::KvResult;

/// What a client asks of the key-value store. (client, sequence) names it: a client numbers its
/// operations and asks for one at a time (thesis, 6.3).
struct Command {
  std::uint64_t client = 0;
  std::uint64_t sequence = 0;
  KvKind kind = KvKind::kGet;
  std::uint64_t key = 0;
  std::uint64_t expected = 0;
  std::string value;
  friend bool operator==(const Command&, const Command&) = default;
};

SharedBytes Encode(const Command& command);
std::optional<Command> Decode(std::string_view bytes);
/// "7/12 put k3 '7.12'"
std::string Text(const Command& command);

}  // namespace trireme::sim
