#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kv/server/election_log.h"

/// What members tell each other of themselves, for their pages: docs/formats/kv-notes.md.
namespace trireme::kv::inline engine {

inline constexpr std::string_view kStatusQuestion = "status";
/// Events that an answer carries.
inline constexpr std::size_t kPeerElectionsMax = 32;

struct PeerStatus {
  std::uint64_t cluster_id = 0;
  std::uint64_t member = 0;
  raft::RoleName role = raft::RoleName::kFollower;
  std::uint64_t term = 0;
  std::uint64_t leader = 0;
  std::uint64_t commit = 0;
  std::uint64_t applied = 0;
  std::int64_t revision = 0;
  std::uint64_t store_bytes = 0;
  std::vector<ElectionEvent> elections;  ///< All of `member`.
};

std::string Encode(const PeerStatus& status);
std::optional<PeerStatus> DecodePeerStatus(std::string_view bytes);

}  // namespace trireme::kv::inline engine
