#include "kv/model/layout.h"

#include <bit>

#include "base/bytes.h"

namespace trireme::kv::inline engine {
namespace {

constexpr std::uint8_t kFlagTombstone = 1, kFlagLease = 2, kFlags = 3;
constexpr std::uint64_t kMetaFormat = 1;
constexpr std::string_view kKeyEnd("\0\0", 2);
constexpr std::size_t kVersionKeyBytesMin = 1 + 2 + kRevisionBytes;

template <typename T>
void AppendBig(std::string& to, T value) {
  if constexpr (sizeof(T) == 8) {
    AppendLittle(to, __builtin_bswap64(value));
  } else {
    AppendLittle(to, __builtin_bswap32(value));
  }
}

std::uint64_t LoadBig64(const char* from) {
  return __builtin_bswap64(LoadLittle<std::uint64_t>(from));
}
std::uint32_t LoadBig32(const char* from) {
  return __builtin_bswap32(LoadLittle<std::uint32_t>(from));
}

/// A non-negative number.
bool Natural(ByteReader& reader, std::int64_t* value) {
  std::uint64_t number = 0;
  if (!reader.Varint(&number) || number > INT64_MAX) return false;
  *value = static_cast<std::int64_t>(number);
  return true;
}

/// Whether zero bytes are escaped and only the end is 00 00.
bool SoundPrefix(std::string_view prefix) {
  std::size_t at = 1;
  while (at + 2 < prefix.size()) {
    if (prefix[at] != '\0') {
      ++at;
    } else if (prefix[at + 1] == '\xff') {
      at += 2;
    } else {
      return false;
    }
  }
  return at + 2 == prefix.size() && prefix.substr(at) == kKeyEnd;
}

bool SoundVersion(std::string_view key, std::string_view value) {
  const auto parsed = ParseVersionKey(key);
  return parsed && parsed->revision.main > 0 && SoundPrefix(parsed->prefix) &&
         DecodeVersion(parsed->revision.main, value);
}

bool SoundRevision(std::string_view key, std::string_view value) {
  const auto revision = ParseRevisionKey(key);
  return revision && revision->main > 0 && DecodeRevision(revision->main, value);
}

}  // namespace

void AppendKeyStart(std::string& to, std::string_view key) {
  to.push_back(kVersionTag);
  for (std::size_t zero = key.find('\0'); zero != key.npos; zero = key.find('\0')) {
    to.append(key.substr(0, zero + 1)).push_back('\xff');
    key.remove_prefix(zero + 1);
  }
  to.append(key);
}

void AppendKeyPrefix(std::string& to, std::string_view key) {
  AppendKeyStart(to, key);
  to.append(kKeyEnd);
}

void AppendNewestFirst(std::string& to, Revision revision) {
  AppendBig(to, ~static_cast<std::uint64_t>(revision.main));
  AppendBig(to, ~revision.sub);
}

Revision LoadNewestFirst(std::string_view bytes) {
  return {static_cast<std::int64_t>(~LoadBig64(bytes.data())), ~LoadBig32(bytes.data() + 8)};
}

std::string RevisionKey(Revision revision) {
  std::string key(1, kRevisionTag);
  AppendBig(key, static_cast<std::uint64_t>(revision.main));
  AppendBig(key, revision.sub);
  return key;
}

std::string LeaseKey(LeaseId lease) {
  std::string key(1, kLeaseTag);
  AppendBig(key, static_cast<std::uint64_t>(lease));
  return key;
}

std::string AttachmentPrefix(LeaseId lease) {
  std::string key(1, kAttachmentTag);
  AppendBig(key, static_cast<std::uint64_t>(lease));
  return key;
}

std::string AttachmentKey(LeaseId lease, std::string_view key) {
  return AttachmentPrefix(lease).append(key);
}

std::optional<VersionKey> ParseVersionKey(std::string_view key) {
  if (key.size() < kVersionKeyBytesMin || key[0] != kVersionTag) return std::nullopt;
  const std::size_t prefix = key.size() - kRevisionBytes;
  return VersionKey{key.substr(0, prefix), LoadNewestFirst(key.substr(prefix))};
}

std::string_view KeyPrefixOf(std::string_view key) {
  if (key.size() < kVersionKeyBytesMin || key[0] != kVersionTag) return {};
  const std::string_view prefix = key.substr(0, key.size() - kRevisionBytes);
  return prefix.ends_with(kKeyEnd) ? prefix : std::string_view();
}

std::optional<Revision> ParseRevisionKey(std::string_view key) {
  if (key.size() != 1 + kRevisionBytes || key[0] != kRevisionTag) return std::nullopt;
  return Revision{static_cast<std::int64_t>(LoadBig64(key.data() + 1)), LoadBig32(key.data() + 9)};
}

std::optional<LeaseId> ParseLeaseKey(std::string_view key) {
  if (key.size() != 9 || key[0] != kLeaseTag) return std::nullopt;
  return static_cast<LeaseId>(LoadBig64(key.data() + 1));
}

std::string_view DecodeKeyPrefix(std::string_view prefix, std::string& buffer) {
  std::string_view escaped = prefix.substr(1, prefix.size() - 1 - kKeyEnd.size());
  std::size_t zero = escaped.find('\0');
  if (zero == escaped.npos) return escaped;
  buffer.clear();
  for (; zero < escaped.size(); zero = escaped.find('\0')) {
    buffer.append(escaped.substr(0, zero + 1));
    escaped.remove_prefix(std::min(zero + 2, escaped.size()));
  }
  return buffer.append(escaped);
}

void AppendVersion(std::string& to, std::int64_t main, const VersionRecord& record) {
  const bool leased = record.lease != kNoLease;
  to.push_back(static_cast<char>(record.tombstone ? kFlagTombstone : leased ? kFlagLease : 0));
  if (record.tombstone) return;
  AppendVarint(to, static_cast<std::uint64_t>(main - record.create_revision));
  AppendVarint(to, static_cast<std::uint64_t>(record.version));
  if (leased) AppendLittle(to, record.lease);
  to.append(record.value);
}

std::optional<VersionRecord> DecodeVersion(std::int64_t main, std::string_view value) {
  ByteReader reader(value);
  VersionRecord record;
  std::uint8_t flags = 0;
  if (!reader.Little(&flags) || flags > kFlags || flags == kFlags) return std::nullopt;
  record.tombstone = flags == kFlagTombstone;
  if (record.tombstone) return reader.empty() ? std::optional(record) : std::nullopt;
  std::int64_t step = 0;
  if (!Natural(reader, &step) || step >= main || !Natural(reader, &record.version)) return {};
  if (flags == kFlagLease && (!reader.Little(&record.lease) || record.lease == kNoLease)) return {};
  record.create_revision = main - step;
  record.value = reader.rest();
  return record;
}

void AppendRevision(std::string& to, std::int64_t main, const RevisionRecord& record) {
  to.push_back(static_cast<char>(record.tombstone ? kFlagTombstone : 0));
  AppendVarint(to,
               record.previous ? static_cast<std::uint64_t>(main - record.previous->main) + 1 : 0);
  AppendVarint(to, record.previous ? record.previous->sub : 0);
  to.append(record.key);
}

std::optional<RevisionRecord> DecodeRevision(std::int64_t main, std::string_view value) {
  ByteReader reader(value);
  RevisionRecord record;
  std::uint8_t flags = 0;
  std::int64_t step = 0, sub = 0;
  if (!reader.Little(&flags) || flags > kFlagTombstone || !Natural(reader, &step) ||
      !Natural(reader, &sub) || step > main || sub > UINT32_MAX || (step == 0 && sub != 0)) {
    return std::nullopt;
  }
  record.tombstone = flags == kFlagTombstone;
  if (step > 0) record.previous = {main - step + 1, static_cast<std::uint32_t>(sub)};
  record.key = reader.rest();
  return record;
}

std::string EncodeLease(const LeaseRecord& record) {
  std::string to;
  AppendVarint(to, static_cast<std::uint64_t>(record.ttl_s));
  AppendVarint(to, static_cast<std::uint64_t>(record.expiry_ms));
  return to;
}

std::optional<LeaseRecord> DecodeLease(std::string_view value) {
  ByteReader reader(value);
  LeaseRecord record;
  const bool sound =
      Natural(reader, &record.ttl_s) && Natural(reader, &record.expiry_ms) && reader.empty();
  return sound ? std::optional(record) : std::nullopt;
}

std::string EncodeMeta(const Meta& meta) {
  std::string to;
  AppendVarint(to, kMetaFormat);
  AppendVarint(to, meta.applied_index);
  AppendVarint(to, meta.applied_term);
  for (const std::int64_t number :
       {meta.revision, meta.compacted + 1, meta.swept, meta.time_ms, meta.lease_floor_ms}) {
    AppendVarint(to, static_cast<std::uint64_t>(number));
  }
  return to;
}

std::optional<Meta> DecodeMeta(std::string_view value) {
  ByteReader reader(value);
  Meta meta;
  std::uint64_t format = 0;
  if (!reader.Varint(&format) || format != kMetaFormat || !reader.Varint(&meta.applied_index) ||
      !reader.Varint(&meta.applied_term)) {
    return std::nullopt;
  }
  for (std::int64_t* number :
       {&meta.revision, &meta.compacted, &meta.swept, &meta.time_ms, &meta.lease_floor_ms}) {
    if (!Natural(reader, number)) return std::nullopt;
  }
  --meta.compacted;
  const bool sound = reader.empty() && meta.revision >= 1 && meta.compacted <= meta.revision;
  return sound ? std::optional(meta) : std::nullopt;
}

bool SoundEntry(std::string_view key, std::string_view value) {
  switch (key.empty() ? '\0' : key[0]) {
    case kAttachmentTag:
      return key.size() > 9 && value.empty();
    case kVersionTag:
      return SoundVersion(key, value);
    case kLeaseTag:
      return ParseLeaseKey(key) && DecodeLease(value);
    case kMetaTag:
      return key.size() == 1 && DecodeMeta(value);
    case kNoteTag:
      return key.size() > 1 && key.size() <= 1 + kNoteNameBytesMax && !value.empty();
    case kRevisionTag:
      return SoundRevision(key, value);
    default:
      return false;
  }
}

}  // namespace trireme::kv::inline engine
