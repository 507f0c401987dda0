#include "sim/kv_machine.h"

#include "base/bytes.h"

namespace trireme::sim {

using linear::KvCode;

KvMachine::Applied KvMachine::Apply(const Command& command) {
  Session& session = sessions_[command.client];
  if (command.sequence < session.sequence) return {false, true, {}};
  const bool fresh = command.sequence > session.sequence;
  if (fresh) session = {command.sequence, Execute(command)};
  return {fresh, false, session.result};
}

KvResult KvMachine::Get(std::uint64_t key) const {
  const auto found = values_.find(key);
  if (found == values_.end()) return {KvCode::kNoKey, "", 0};
  return {KvCode::kOk, found->second.bytes, found->second.version};
}

KvResult KvMachine::Execute(const Command& command) {
  if (command.kind == KvKind::kGet) return Get(command.key);
  const auto found = values_.find(command.key);
  const std::uint64_t version = found == values_.end() ? 0 : found->second.version;
  if (command.kind == KvKind::kComparePut && command.expected != version) {
    return {version == 0 ? KvCode::kNoKey : KvCode::kWrongVersion, "", 0};
  }
  Value& value = values_[command.key];
  if (command.kind != KvKind::kAppend) value.bytes.clear();
  value.bytes += command.value;
  ++value.version;
  return {KvCode::kOk, "", value.version};
}

std::uint64_t KvMachine::LastOf(std::uint64_t client) const {
  const auto found = sessions_.find(client);
  return found == sessions_.end() ? 0 : found->second.sequence;
}

std::string KvMachine::Serialize() const {
  std::string bytes;
  AppendVarint(bytes, values_.size());
  for (const auto& [key, value] : values_) {
    AppendVarint(bytes, key);
    AppendVarint(bytes, value.version);
    AppendSized(bytes, value.bytes);
  }
  AppendVarint(bytes, sessions_.size());
  for (const auto& [client, session] : sessions_) {
    AppendVarint(bytes, client);
    AppendVarint(bytes, session.sequence);
    AppendVarint(bytes, static_cast<std::uint64_t>(session.result.code));
    AppendVarint(bytes, session.result.version);
    AppendSized(bytes, session.result.value);
  }
  return bytes;
}

bool KvMachine::Restore(std::string_view bytes) {
  Clear();
  ByteReader reader(bytes);
  std::uint64_t count = 0;
  if (!reader.Varint(&count)) return false;
  for (; count > 0; --count) {
    std::uint64_t key = 0;
    Value value;
    std::string_view text;
    if (!reader.Varint(&key) || !reader.Varint(&value.version) || !reader.Sized(&text)) {
      return false;
    }
    value.bytes = text;
    values_.emplace(key, std::move(value));
  }
  if (!reader.Varint(&count)) return false;
  for (; count > 0; --count) {
    std::uint64_t client = 0;
    std::uint64_t code = 0;
    Session session;
    std::string_view text;
    if (!reader.Varint(&client) || !reader.Varint(&session.sequence) || !reader.Varint(&code) ||
        !reader.Varint(&session.result.version) || !reader.Sized(&text)) {
      return false;
    }
    session.result.code = static_cast<KvCode>(code);
    session.result.value = text;
    sessions_.emplace(client, std::move(session));
  }
  return reader.empty();
}

}  // namespace trireme::sim
