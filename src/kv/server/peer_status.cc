#include "kv/server/peer_status.h"

#include "base/bytes.h"

namespace trireme::kv::inline engine {
namespace {

constexpr std::uint8_t kFormat = 1;
constexpr auto kRoleMost = static_cast<std::uint8_t>(raft::RoleName::kLeader);

bool TakeRole(ByteReader& reader, raft::RoleName* role) {
  std::uint8_t byte = 0;
  if (!reader.Little(&byte) || byte > kRoleMost) return false;
  *role = static_cast<raft::RoleName>(byte);
  return true;
}

bool TakeEvent(ByteReader& reader, ElectionEvent* event) {
  std::uint64_t unix_ms = 0;
  if (!reader.Little(&unix_ms) || !reader.Little(&event->term) || !TakeRole(reader, &event->role) ||
      !reader.Little(&event->leader))
    return false;
  event->unix_ms = static_cast<std::int64_t>(unix_ms);
  return true;
}

}  // namespace

std::string Encode(const PeerStatus& status) {
  std::string bytes(1, static_cast<char>(kFormat));
  AppendLittle(bytes, status.cluster_id);
  AppendLittle(bytes, status.member);
  bytes += static_cast<char>(status.role);
  for (const std::uint64_t number :
       {status.term, status.leader, status.commit, status.applied,
        static_cast<std::uint64_t>(status.revision), status.store_bytes})
    AppendLittle(bytes, number);
  AppendVarint(bytes, status.elections.size());
  for (const ElectionEvent& event : status.elections) {
    AppendLittle(bytes, static_cast<std::uint64_t>(event.unix_ms));
    AppendLittle(bytes, event.term);
    bytes += static_cast<char>(event.role);
    AppendLittle(bytes, event.leader);
  }
  return bytes;
}

std::optional<PeerStatus> DecodePeerStatus(std::string_view bytes) {
  ByteReader reader(bytes);
  std::uint8_t format = 0;
  std::uint64_t revision = 0, count = 0;
  PeerStatus status;
  if (!reader.Little(&format) || format != kFormat || !reader.Little(&status.cluster_id) ||
      !reader.Little(&status.member) || !TakeRole(reader, &status.role) ||
      !reader.Little(&status.term) || !reader.Little(&status.leader) ||
      !reader.Little(&status.commit) || !reader.Little(&status.applied) ||
      !reader.Little(&revision) || !reader.Little(&status.store_bytes) || !reader.Varint(&count) ||
      count > kPeerElectionsMax)
    return std::nullopt;
  status.revision = static_cast<std::int64_t>(revision);
  for (; count > 0; --count) {
    ElectionEvent event = {.member = status.member};
    if (!TakeEvent(reader, &event)) return std::nullopt;
    status.elections.push_back(event);
  }
  return reader.empty() ? std::optional(std::move(status)) : std::nullopt;
}

}  // namespace trireme::kv::inline engine
