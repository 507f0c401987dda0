#pragma once

#include <optional>
#include <string>

#include "raft/core/messages.h"

/// Messages as bytes: docs/formats/raft-messages.md.
namespace trireme::raft {

/// All of a message but the data of its entries or its chunk. The whole is the head followed by
/// these data in order (ForEachData): what a gathering write needs, without a copy.
std::string EncodeHead(const Message& message);

/// Calls `with(SharedBytes)` for each piece that follows the head.
template <typename With>
void ForEachData(const Message& message, const With& with) {
  if (const auto* append = std::get_if<AppendRequest>(&message)) {
    for (const Entry& entry : append->entries) with(entry.data);
  } else if (const auto* chunk = std::get_if<SnapshotChunk>(&message)) {
    with(chunk->data);
  }
}

std::string EncodeMessage(const Message& message);

/// Nothing unless the bytes are exactly one message. Its data are slices of `bytes`.
std::optional<Message> DecodeMessage(const SharedBytes& bytes);

}  // namespace trireme::raft
