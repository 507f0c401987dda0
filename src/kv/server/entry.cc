#include "kv/server/entry.h"

#include "base/bytes.h"

namespace trireme::kv::inline engine {

std::string EncodeEntry(const Command& command, const EntryTail& tail) {
  std::string bytes = EncodeCommand(command);
  AppendLittle(bytes, tail.time_ms);
  AppendLittle(bytes, tail.origin);
  return bytes;
}

std::optional<ParsedEntry> ParseEntry(std::string_view bytes) {
  if (bytes.size() < kEntryTailBytes) return std::nullopt;
  const std::size_t size = bytes.size() - kEntryTailBytes;
  const char* tail = bytes.data() + size;
  return ParsedEntry{bytes.substr(0, size),
                     {LoadLittle<std::int64_t>(tail), LoadLittle<Origin>(tail + 8)}};
}

void StampEntry(std::string& bytes, std::int64_t time_ms) {
  if (bytes.size() < kEntryTailBytes) return;
  StoreLittle(bytes.data() + bytes.size() - kEntryTailBytes, time_ms);
}

}  // namespace trireme::kv::inline engine
