#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <trireme/raft.h>
#include "absl/status/statusor.h"
#include "kv/model/view.h"

/// Who is a member, and what is known of it beyond Raft's configuration: docs/formats/kv-notes.md.
namespace trireme::kv::inline engine {

/// What the one who added a member said of it.
struct PeerNote {
  bool learner = false;  ///< It stays one until it is promoted; others are as soon as they can be.
  std::vector<std::string> peer_urls;
};
/// What a member says of itself.
struct AttributesNote {
  std::string name;
  std::vector<std::string> client_urls;
};

std::string PeerNoteName(std::uint64_t member);
std::string AttributesNoteName(std::uint64_t member);
std::string Encode(const PeerNote& note);
std::string Encode(const AttributesNote& note);
std::optional<PeerNote> DecodePeerNote(std::string_view bytes);
std::optional<AttributesNote> DecodeAttributesNote(std::string_view bytes);

enum class AlarmKind : std::uint8_t { kNone, kNoSpace, kCorrupt };
struct Alarm {
  std::uint64_t member = 0;
  AlarmKind kind = AlarmKind::kNone;
  friend bool operator==(const Alarm&, const Alarm&) = default;
};
std::string AlarmNoteName(const Alarm& alarm);
/// By member, then by kind.
absl::StatusOr<std::vector<Alarm>> AlarmsIn(const ReadView& view);

struct RosterEntry {
  std::uint64_t id = 0;
  std::string name;
  std::vector<std::string> peer_urls;
  std::vector<std::string> client_urls;
  bool learner = false;      ///< As etcd shows it.
  bool awaits_vote = false;  ///< Raft has it as a learner, and it is to vote when it has caught up.
  std::string raft_address;
};

/// Raft's members with their notes, by id.
absl::StatusOr<std::vector<RosterEntry>> RosterOf(const std::vector<raft::Member>& members,
                                                  const ReadView& view);
const RosterEntry* FindIn(const std::vector<RosterEntry>& roster, std::uint64_t id);

/// What a server that wants to join is answered (raft::AskNode).
inline constexpr std::string_view kMembersQuestion = "members";
struct MembersAnswer {
  std::uint64_t cluster_id = 0;
  std::uint64_t applied_index = 0;  ///< Whoever answers has applied so much.
  struct One {
    std::uint64_t id = 0;
    std::vector<std::string> peer_urls;
  };
  std::vector<One> members;
};
std::string EncodeMembersAnswer(std::uint64_t cluster_id, std::uint64_t applied_index,
                                const std::vector<RosterEntry>& roster);
std::optional<MembersAnswer> DecodeMembersAnswer(std::string_view bytes);

}  // namespace trireme::kv::inline engine
