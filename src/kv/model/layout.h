#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "kv/model/requests.h"

/// The model's entries in an ordered store: docs/formats/kv-store.md.
namespace trireme::kv::inline engine {

inline constexpr char kAttachmentTag = 'a', kVersionTag = 'k', kLeaseTag = 'l', kMetaTag = 'm',
                      kNoteTag = 'n', kRevisionTag = 'r';

/// One change's place in history.
struct Revision {
  std::int64_t main = 0;
  std::uint32_t sub = 0;
  friend auto operator<=>(const Revision&, const Revision&) = default;
};

/// Bytes of a revision at the end of a version's key.
inline constexpr std::size_t kRevisionBytes = 12;

struct Meta {
  std::uint64_t applied_index = 0;
  std::uint64_t applied_term = 0;
  std::int64_t revision = 1;
  std::int64_t compacted = -1;
  std::int64_t swept = 0;
  std::int64_t time_ms = 0;
  std::int64_t lease_floor_ms = 0;
  friend bool operator==(const Meta&, const Meta&) = default;
};

struct VersionRecord {
  bool tombstone = false;
  std::int64_t create_revision = 0;
  std::int64_t version = 0;
  LeaseId lease = kNoLease;
  std::string_view value;
};

struct RevisionRecord {
  bool tombstone = false;
  std::optional<Revision> previous;  ///< The key's version before.
  std::string_view key;
};

struct LeaseRecord {
  std::int64_t ttl_s = 0;
  std::int64_t expiry_ms = 0;
};

// Keys are appended to `to`, so that a caller's buffer is used again.

/// What the entries of all versions of `key`, and no others, begin with.
void AppendKeyPrefix(std::string& to, std::string_view key);
/// Where the keys at or after `key` begin.
void AppendKeyStart(std::string& to, std::string_view key);
/// After a key's prefix: the newest first.
void AppendNewestFirst(std::string& to, Revision revision);
/// What that has appended, kRevisionBytes.
Revision LoadNewestFirst(std::string_view bytes);
std::string RevisionKey(Revision revision);
std::string LeaseKey(LeaseId lease);
/// Of all attachments of the lease.
std::string AttachmentPrefix(LeaseId lease);
std::string AttachmentKey(LeaseId lease, std::string_view key);
inline std::string NoteKey(std::string_view name) {
  return std::string(1, kNoteTag).append(name);
}
inline std::string MetaKey() {
  return std::string(1, kMetaTag);
}

/// A version's key taken apart: what AppendKeyPrefix made, and the revision.
struct VersionKey {
  std::string_view prefix;
  Revision revision;
};
std::optional<VersionKey> ParseVersionKey(std::string_view key);
/// What AppendKeyPrefix made at the beginning of a version's key; empty: it is no version's key.
std::string_view KeyPrefixOf(std::string_view key);
std::optional<Revision> ParseRevisionKey(std::string_view key);
std::optional<LeaseId> ParseLeaseKey(std::string_view key);
/// The key that AppendKeyPrefix encoded; `buffer` holds it when it is not a part of `prefix`.
std::string_view DecodeKeyPrefix(std::string_view prefix, std::string& buffer);

void AppendVersion(std::string& to, std::int64_t main, const VersionRecord& record);
void AppendRevision(std::string& to, std::int64_t main, const RevisionRecord& record);
std::string EncodeLease(const LeaseRecord& record);
std::string EncodeMeta(const Meta& meta);

/// Bounded decoders; nullopt for anything the encoders do not write.
std::optional<VersionRecord> DecodeVersion(std::int64_t main, std::string_view value);
std::optional<RevisionRecord> DecodeRevision(std::int64_t main, std::string_view value);
std::optional<LeaseRecord> DecodeLease(std::string_view value);
std::optional<Meta> DecodeMeta(std::string_view value);

/// Whether the entry is one that a model writes.
bool SoundEntry(std::string_view key, std::string_view value);

}  // namespace trireme::kv::inline engine
