#include "sim/command.h"

#include "base/bytes.h"
#include "fmt/format.h"

namespace trireme::sim {
namespace {

constexpr const char* kKindNames[] = {"get", "put", "compare-put", "append"};

}  // namespace

SharedBytes Encode(const Command& command) {
  std::string bytes;
  bytes.reserve(32 + command.value.size());
  AppendVarint(bytes, command.client);
  AppendVarint(bytes, command.sequence);
  AppendVarint(bytes, static_cast<std::uint64_t>(command.kind));
  AppendVarint(bytes, command.key);
  AppendVarint(bytes, command.expected);
  AppendSized(bytes, command.value);
  return SharedBytes::Own(std::move(bytes));
}

std::optional<Command> Decode(std::string_view bytes) {
  ByteReader reader(bytes);
  Command command;
  std::uint64_t kind = 0;
  std::string_view value;
  if (!reader.Varint(&command.client) || !reader.Varint(&command.sequence) ||
      !reader.Varint(&kind) || !reader.Varint(&command.key) || !reader.Varint(&command.expected) ||
      !reader.Sized(&value) || !reader.empty() ||
      kind > static_cast<std::uint64_t>(KvKind::kAppend)) {
    return std::nullopt;
  }
  command.kind = static_cast<KvKind>(kind);
  command.value = value;
  return command;
}

std::string Text(const Command& command) {
  return fmt::format("{}/{} {} k{} '{}'", command.client, command.sequence,
                     kKindNames[static_cast<std::size_t>(command.kind)], command.key,
                     command.value);
}

}  // namespace trireme::sim
