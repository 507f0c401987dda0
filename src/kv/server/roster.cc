#include "kv/server/roster.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/bytes.h"
#include "base/status_macros.h"
#include "kv/model/requests.h"

namespace trireme::kv::inline engine {
namespace {

constexpr char kPeerTag = 'p', kAttributesTag = 'a', kAlarmTag = 'x';
constexpr std::uint8_t kFormat = 1, kLearnerFlag = 1;
constexpr std::size_t kIdBytes = 8;
/// Of one list; a decoder takes no more.
constexpr std::uint64_t kUrlsMax = 64;

std::string Tagged(char tag, std::uint64_t member) {
  std::string name(1, tag);
  for (int shift = 56; shift >= 0; shift -= 8) name.push_back(static_cast<char>(member >> shift));
  return name;
}

std::uint64_t MemberOf(std::string_view name) {
  std::uint64_t member = 0;
  for (std::size_t i = 1; i <= kIdBytes; ++i)
    member = member << 8 | static_cast<unsigned char>(name[i]);
  return member;
}

void AppendList(std::string& to, const std::vector<std::string>& list) {
  AppendVarint(to, list.size());
  for (const std::string& one : list) AppendSized(to, one);
}

bool TakeList(ByteReader& reader, std::vector<std::string>* list) {
  std::uint64_t count = 0;
  if (!reader.Varint(&count) || count > kUrlsMax) return false;
  for (; count > 0; --count) {
    std::string_view one;
    if (!reader.Sized(&one)) return false;
    list->emplace_back(one);
  }
  return true;
}

using Notes = std::vector<std::pair<std::string, std::string>>;

/// The notes of that kind by member.
absl::StatusOr<std::map<std::uint64_t, std::string>> ByMember(const ReadView& view, char tag) {
  TRIREME_ASSIGN_OR_RETURN(Notes notes, view.Notes({&tag, 1}));
  std::map<std::uint64_t, std::string> by_member;
  for (auto& [name, value] : notes)
    if (name.size() == 1 + kIdBytes) by_member[MemberOf(name)] = std::move(value);
  return by_member;
}

}  // namespace

std::string PeerNoteName(std::uint64_t member) {
  return Tagged(kPeerTag, member);
}
std::string AttributesNoteName(std::uint64_t member) {
  return Tagged(kAttributesTag, member);
}
std::string AlarmNoteName(const Alarm& alarm) {
  return Tagged(kAlarmTag, alarm.member) + static_cast<char>(alarm.kind);
}

std::string Encode(const PeerNote& note) {
  std::string bytes = {static_cast<char>(kFormat), static_cast<char>(note.learner)};
  AppendList(bytes, note.peer_urls);
  return bytes;
}

std::string Encode(const AttributesNote& note) {
  std::string bytes(1, static_cast<char>(kFormat));
  AppendSized(bytes, note.name);
  AppendList(bytes, note.client_urls);
  return bytes;
}

std::optional<PeerNote> DecodePeerNote(std::string_view bytes) {
  ByteReader reader(bytes);
  std::uint8_t format = 0, flags = 0;
  PeerNote note;
  if (!reader.Little(&format) || format != kFormat || !reader.Little(&flags) ||
      flags > kLearnerFlag || !TakeList(reader, &note.peer_urls) || !reader.empty())
    return std::nullopt;
  note.learner = flags == kLearnerFlag;
  return note;
}

std::optional<AttributesNote> DecodeAttributesNote(std::string_view bytes) {
  ByteReader reader(bytes);
  std::uint8_t format = 0;
  std::string_view name;
  AttributesNote note;
  if (!reader.Little(&format) || format != kFormat || !reader.Sized(&name) ||
      !TakeList(reader, &note.client_urls) || !reader.empty())
    return std::nullopt;
  note.name = name;
  return note;
}

absl::StatusOr<std::vector<Alarm>> AlarmsIn(const ReadView& view) {
  TRIREME_ASSIGN_OR_RETURN(const Notes notes, view.Notes({&kAlarmTag, 1}));
  std::vector<Alarm> alarms;
  for (const auto& [name, value] : notes) {
    if (name.size() != 2 + kIdBytes) continue;
    const auto kind = static_cast<unsigned char>(name.back());
    if (kind <= static_cast<unsigned char>(AlarmKind::kCorrupt))
      alarms.push_back({MemberOf(name), static_cast<AlarmKind>(kind)});
  }
  return alarms;
}

absl::StatusOr<std::vector<RosterEntry>> RosterOf(const std::vector<raft::Member>& members,
                                                  const ReadView& view) {
  TRIREME_ASSIGN_OR_RETURN(auto peers, ByMember(view, kPeerTag));
  TRIREME_ASSIGN_OR_RETURN(auto attributes, ByMember(view, kAttributesTag));
  std::vector<RosterEntry> roster;
  for (const raft::Member& member : members) {
    RosterEntry entry = {.id = member.id.value, .raft_address = member.address};
    const bool learner = member.kind == raft::MemberKind::kLearner;
    if (const auto peer = DecodePeerNote(peers[entry.id])) {
      entry.peer_urls = peer->peer_urls;
      entry.awaits_vote = learner && !peer->learner;
    } else if (!member.address.empty()) {
      entry.peer_urls = {"http://" + member.address};
    }
    entry.learner = learner && !entry.awaits_vote;
    if (auto own = DecodeAttributesNote(attributes[entry.id])) {
      entry.name = std::move(own->name);
      entry.client_urls = std::move(own->client_urls);
    }
    roster.push_back(std::move(entry));
  }
  std::ranges::sort(roster, {}, &RosterEntry::id);
  return roster;
}

const RosterEntry* FindIn(const std::vector<RosterEntry>& roster, std::uint64_t id) {
  const auto found = std::ranges::find(roster, id, &RosterEntry::id);
  return found == roster.end() ? nullptr : &*found;
}

std::string EncodeMembersAnswer(std::uint64_t cluster_id, std::uint64_t applied_index,
                                const std::vector<RosterEntry>& roster) {
  std::string bytes(1, static_cast<char>(kFormat));
  AppendLittle(bytes, cluster_id);
  AppendLittle(bytes, applied_index);
  AppendVarint(bytes, roster.size());
  for (const RosterEntry& entry : roster) {
    AppendLittle(bytes, entry.id);
    AppendList(bytes, entry.peer_urls);
  }
  return bytes;
}

std::optional<MembersAnswer> DecodeMembersAnswer(std::string_view bytes) {
  constexpr std::uint64_t kMembersMax = 1024;
  ByteReader reader(bytes);
  std::uint8_t format = 0;
  std::uint64_t count = 0;
  MembersAnswer answer;
  if (!reader.Little(&format) || format != kFormat || !reader.Little(&answer.cluster_id) ||
      !reader.Little(&answer.applied_index) || !reader.Varint(&count) || count > kMembersMax)
    return std::nullopt;
  for (; count > 0; --count) {
    MembersAnswer::One one;
    if (!reader.Little(&one.id) || !TakeList(reader, &one.peer_urls)) return std::nullopt;
    answer.members.push_back(std::move(one));
  }
  return reader.empty() ? std::optional(std::move(answer)) : std::nullopt;
}

}  // namespace trireme::kv::inline engine
