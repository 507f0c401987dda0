#include "kv/model/layout.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/random.h"

namespace trireme::kv::inline engine {
namespace {

std::string VersionEntryKey(std::string_view key, Revision revision) {
  std::string encoded;
  AppendKeyPrefix(encoded, key);
  AppendNewestFirst(encoded, revision);
  return encoded;
}

std::string RandomKey(Random& random) {
  std::string key(random.Below(5), '\0');
  for (char& c : key) c = "\0\1\xfe\xff"[random.Below(4)];
  return key;
}

TEST(Layout, VersionsAreOrderedByKeyThenNewestFirst) {
  Random random(1);
  for (int i = 0; i < 100'000; ++i) {
    const std::string a = RandomKey(random), b = RandomKey(random);
    const Revision ra{static_cast<std::int64_t>(1 + random.Below(300)),
                      static_cast<std::uint32_t>(random.Below(3))};
    const Revision rb{static_cast<std::int64_t>(1 + random.Below(300)),
                      static_cast<std::uint32_t>(random.Below(3))};
    const bool less = a < b || (a == b && ra > rb);
    EXPECT_EQ(VersionEntryKey(a, ra) < VersionEntryKey(b, rb), less);
    std::string start;
    AppendKeyStart(start, b);
    EXPECT_EQ(VersionEntryKey(a, ra) < start, a < b);
  }
}

TEST(Layout, VersionKeysComeBack) {
  Random random(2);
  for (int i = 0; i < 10'000; ++i) {
    const std::string key = RandomKey(random);
    const Revision revision{static_cast<std::int64_t>(random.Next() >> 1),
                            static_cast<std::uint32_t>(random.Next())};
    const std::string encoded = VersionEntryKey(key, revision);
    const auto parsed = ParseVersionKey(encoded);
    ASSERT_TRUE(parsed.has_value());
    EXPECT_EQ(parsed->revision, revision);
    std::string buffer;
    EXPECT_EQ(DecodeKeyPrefix(parsed->prefix, buffer), key);
  }
}

TEST(Layout, RecordsComeBack) {
  std::string bytes;
  AppendVersion(bytes, 900, {false, 7, 300, 5, "value"});
  const auto version = DecodeVersion(900, bytes);
  ASSERT_TRUE(version.has_value());
  EXPECT_EQ(version->create_revision, 7);
  EXPECT_EQ(version->version, 300);
  EXPECT_EQ(version->lease, 5);
  EXPECT_EQ(version->value, "value");

  bytes.clear();
  AppendRevision(bytes, 900, {true, Revision{900, 3}, "key"});
  const auto revision = DecodeRevision(900, bytes);
  ASSERT_TRUE(revision.has_value());
  EXPECT_TRUE(revision->tombstone);
  EXPECT_EQ(revision->previous, (Revision{900, 3}));
  EXPECT_EQ(revision->key, "key");

  const Meta meta = {10, 2, 30, -1, 5, 60, 70};
  EXPECT_EQ(DecodeMeta(EncodeMeta(meta)), meta);
  const auto lease = DecodeLease(EncodeLease({60, 70'000}));
  ASSERT_TRUE(lease.has_value());
  EXPECT_EQ(lease->ttl_s, 60);
  EXPECT_EQ(lease->expiry_ms, 70'000);
}

TEST(Layout, WhatNoModelWritesIsNotSound) {
  std::string version;
  AppendVersion(version, 5, {false, 5, 1, kNoLease, "v"});
  EXPECT_TRUE(SoundEntry(VersionEntryKey("k", {5, 0}), version));
  EXPECT_FALSE(SoundEntry(VersionEntryKey("k", {0, 0}), version));
  EXPECT_FALSE(SoundEntry("k" + std::string("a\0b\0\0", 5) + std::string(12, '\xf0'), version));
  EXPECT_FALSE(SoundEntry(VersionEntryKey("k", {5, 0}), "\x03"));
  EXPECT_FALSE(SoundEntry(VersionEntryKey("k", {5, 0}), "\x01more"));
  EXPECT_FALSE(SoundEntry(VersionEntryKey("k", {5, 0}), std::string("\0\5\1", 3)));
  EXPECT_FALSE(SoundEntry(RevisionKey({5, 0}), std::string("\0\0\1key", 6)));
  EXPECT_FALSE(SoundEntry(RevisionKey({5, 0}), std::string("\0\7\0key", 6)));
  EXPECT_FALSE(SoundEntry(LeaseKey(1), "\x05"));
  EXPECT_FALSE(SoundEntry(AttachmentKey(1, "key"), "value"));
  EXPECT_FALSE(SoundEntry("m", EncodeMeta({.revision = 0})));
  EXPECT_FALSE(SoundEntry("m", EncodeMeta({.revision = 3, .compacted = 4})));
  EXPECT_FALSE(SoundEntry("", ""));
  EXPECT_FALSE(SoundEntry("x", ""));
}

}  // namespace
}  // namespace trireme::kv::inline engine
