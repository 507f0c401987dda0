// The cache against a map: what it knows is true, and it forgets no more than it must.
#include "kv/model/newest_cache.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/random.h"
#include "fmt/format.h"

namespace trireme::kv::inline engine {
namespace {

struct Known {
  Revision revision;
  VersionRecord record;
};

bool Held(const Known& known) {
  return !known.record.tombstone && known.record.lease == kNoLease;
}

void RunRandom(std::uint64_t seed, std::size_t bytes_max, int keys, std::size_t key_bytes_max) {
  Random random(seed);
  NewestCache cache(bytes_max);
  std::map<std::string, Known> map;
  for (std::int64_t main = 2; main < 20'000; ++main) {
    const auto i = random.Below(static_cast<std::uint64_t>(keys));
    const std::string key = fmt::format("{}{}", i, std::string(i % key_bytes_max, 'k'));
    Known known = {{main, static_cast<std::uint32_t>(random.Below(3))},
                   {.create_revision = main / 2, .version = main % 1000}};
    if (random.OneIn(10)) known.record.tombstone = true;
    if (random.OneIn(10)) known.record.lease = 7;
    cache.Set(key, known.revision, known.record);
    map[key] = known;
    Revision revision;
    VersionRecord record;
    ASSERT_EQ(cache.Find(key, &revision, &record), Held(known)) << "written last";
    const auto other = map.lower_bound(fmt::format("{}", random.Below(10)));
    if (other == map.end() || !cache.Find(other->first, &revision, &record)) continue;
    ASSERT_TRUE(Held(other->second));
    ASSERT_EQ(revision, other->second.revision);
    ASSERT_EQ(record.create_revision, other->second.record.create_revision);
    ASSERT_EQ(record.version, other->second.record.version);
  }
}

TEST(NewestCache, IsTrueWhateverItForgets) {
  for (std::uint64_t seed = 0; seed < 8 && !HasFailure(); ++seed) {
    RunRandom(seed, 5 << 10, 2000, 300);
    RunRandom(seed, 5 << 10, 40, 20);
    RunRandom(seed, 64 << 10, 3000, 1000);
  }
}

TEST(NewestCache, HoldsMostOfWhatFits) {
  constexpr int kKeys = 20'000;
  NewestCache cache(kKeys * 40);
  for (int i = 0; i < kKeys; ++i)
    cache.Set(fmt::format("{:08}", i), {i + 2, 0}, {.create_revision = 1, .version = 1});
  int held = 0;
  Revision revision;
  VersionRecord record;
  for (int i = 0; i < kKeys; ++i)
    held += cache.Find(fmt::format("{:08}", i), &revision, &record) ? 1 : 0;
  EXPECT_GT(held, kKeys * 9 / 10);
}

TEST(NewestCache, LongKeysAreNotHeld) {
  NewestCache cache(1 << 20);
  const std::string key(NewestCache::kKeyBytesMax + 1, 'k');
  cache.Set(key, {2, 0}, {.create_revision = 2, .version = 1});
  Revision revision;
  VersionRecord record;
  EXPECT_FALSE(cache.Find(key, &revision, &record));
}

}  // namespace
}  // namespace trireme::kv::inline engine
