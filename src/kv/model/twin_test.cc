// The model against the dumb twin, and what must hold of any random history.
#include <gtest/gtest.h>

#include "kv/model/test_against_twin.h"
#include "kv/model/test_store.h"

namespace trireme::kv::inline engine {
namespace {

TEST(Twin, RandomCommandsComeToTheSame) {
  for (std::uint64_t seed = 0; seed < 200 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    TestStore store;
    AgainstTwin(store, seed).Run(150);
  }
}

/// Everything swept leaves nothing that a fresh store with the same contents would not hold.
TEST(Twin, ASweepLeavesOneVersionOfEachKey) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    TestStore store;
    AgainstTwin run(store, seed);
    run.Run(100);
    Model& model = run.model();
    for (int i = 0; i < 2; ++i) {
      Outcome outcome;
      const std::uint64_t next = model.applied_index() + 1;
      ASSERT_TRUE(
          model.Apply(next, 1, {.body = PutRequest{.key = "last", .value = "v"}}, &outcome).ok());
      const CompactRequest compact = {model.meta().revision};
      ASSERT_TRUE(model.Apply(next + 1, 1, {.body = compact}, &outcome).ok());
      while (*model.Sweep(3)) {
      }
    }
    ASSERT_TRUE(model.Commit().ok());
    Error error = Error::kNone;
    RangeResult all;
    ASSERT_TRUE(model.View()->Range({.key = kFromKey, .end = kFromKey}, &error, &all).ok());
    std::int64_t versions = 0, changes = 0;
    for (const auto& [key, value] : store.entries()) {
      versions += key[0] == kVersionTag ? 1 : 0;
      changes += key[0] == kRevisionTag ? 1 : 0;
    }
    // The last put's predecessor was of the first compaction's own revision and has gone too.
    EXPECT_EQ(versions, all.count);
    EXPECT_EQ(changes, 1);
  }
}

TEST(Twin, ReplicasThatSweptDifferentlyHashTheSame) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    TestStore one, other;
    auto a = *Model::Open(one), b = *Model::Open(other);
    RandomRequests requests(seed);
    for (std::uint64_t index = 1; index <= 120; ++index) {
      const Command command = requests.Any(a->meta().revision, a->meta().compacted);
      Outcome from_a, from_b;
      ASSERT_TRUE(a->Apply(index, 1, command, &from_a).ok());
      ASSERT_TRUE(b->Apply(index, 1, command, &from_b).ok());
      ASSERT_EQ(Describe(from_a), Describe(from_b));
      if (index % 3 == 0) {
        ASSERT_TRUE(a->Sweep(2).ok());
      }
      ASSERT_TRUE(a->Commit().ok() && b->Commit().ok());
      const auto at = static_cast<std::int64_t>(requests.random().Below(3)) == 0
                          ? 0
                          : std::max<std::int64_t>(a->meta().compacted, 1);
      EXPECT_EQ(a->View()->Hash(at)->hash, b->View()->Hash(at)->hash);
    }
  }
}

TEST(Twin, AnyCommandComesBackFromItsBytes) {
  RandomRequests requests(7);
  for (int i = 0; i < 5000; ++i) {
    const std::string bytes = EncodeCommand(requests.Any(100, 3));
    const auto decoded = DecodeCommand(bytes);
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(EncodeCommand(*decoded), bytes);
    EXPECT_FALSE(DecodeCommand(bytes + "x").ok());
    EXPECT_FALSE(DecodeCommand(std::string_view(bytes).substr(0, bytes.size() - 1)).ok());
  }
}

}  // namespace
}  // namespace trireme::kv::inline engine
