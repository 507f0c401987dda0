#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "sim/sharded/core/config.h"

namespace trireme::sim::sharded {

// What is in a group's log. From clerks:

struct Get {
  std::string key;
};
struct Put {
  std::string key;
  std::string value;
  std::uint64_t version = 0;  ///< That it replaces; 0: there is no such key yet.
};

// From controllers, the three steps of a shard's move. `number` is that of the configuration which
// the move leads to: a step that comes twice, or late, changes nothing.

/// The group stops serving the shard, and tells what is in it.
struct Freeze {
  Shard shard = 0;
  std::uint64_t number = 0;
};
/// The group begins to serve the shard, with what is in it.
struct Install {
  Shard shard = 0;
  std::uint64_t number = 0;
  std::string content;
};
/// What was frozen goes: it is served elsewhere.
struct Delete {
  Shard shard = 0;
  std::uint64_t number = 0;
};

using Command = std::variant<Get, Put, Freeze, Install, Delete>;

enum class Code : std::uint8_t {
  kOk,
  kNoKey,
  kWrongVersion,
  kWrongGroup,  ///< Does not serve the key's shard, or has nothing of the shard to freeze.
  kGone,        ///< Of Freeze: this very move has been through here, up to Delete.
  kStale,       ///< A later configuration's move has been here: whoever asks has been replaced.
};

struct Result {
  Code code = Code::kOk;
  std::string value;          ///< Get: the key's. Freeze: the shard's content.
  std::uint64_t version = 0;  ///< Get, Put.
  friend bool operator==(const Result&, const Result&) = default;
};

std::string Encode(const Command& command);
std::optional<Command> DecodeCommand(std::string_view bytes);
/// "put k1 of version 3", "freeze 7 for 4"
std::string Text(const Command& command);
std::string Text(const Result& result);

}  // namespace trireme::sim::sharded
