#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "kv/model/command_codec.h"

/// A log entry of the KV: a command, and behind it who proposed it and when by the leader's lease
/// time. docs/formats/kv-commands.md has the layout.
namespace trireme::kv::inline engine {

/// Of one run of one server, drawn at random: who finds its own in an entry has a caller waiting.
using Origin = std::uint64_t;

struct EntryTail {
  std::int64_t time_ms = 0;  ///< 0: not stamped by a leader, no time has passed.
  Origin origin = 0;
};
inline constexpr std::size_t kEntryTailBytes = 16;

/// A command in the log's form; its time is the tail's.
std::string EncodeEntry(const Command& command, const EntryTail& tail);

struct ParsedEntry {
  std::string_view command;
  EntryTail tail;
};
/// nullopt: too short to be one.
std::optional<ParsedEntry> ParseEntry(std::string_view bytes);

/// Stamps an entry that another member made with the leader's time.
void StampEntry(std::string& bytes, std::int64_t time_ms);

}  // namespace trireme::kv::inline engine
