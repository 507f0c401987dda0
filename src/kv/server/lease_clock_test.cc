#include "kv/server/lease_clock.h"

#include "gtest/gtest.h"

namespace trireme::kv::inline engine {
namespace {

constexpr std::int64_t kNever = INT64_MAX;

template <typename Body>
bool Holds(const std::optional<Command>& command) {
  return command && std::holds_alternative<Body>(command->body);
}

TEST(LeaseClock, ANewLeaderExtendsFirstFromTheStatesTime) {
  LeaseClock clock(1000);
  EXPECT_FALSE(clock.Next(50, {.state_time_ms = 700}));
  EXPECT_EQ(clock.Stamp(60), 0) << "it does not lead";
  const auto command = clock.Next(90, {.leads = true, .state_time_ms = 700});
  ASSERT_TRUE(Holds<ExtendLeasesRequest>(command));
  EXPECT_EQ(std::get<ExtendLeasesRequest>(command->body).extend_ms, 1000);
  EXPECT_EQ(command->time_ms, 700) << "what passed while nobody led does not count";
  EXPECT_EQ(clock.Stamp(100), 710);
}

TEST(LeaseClock, TicksComeWhenALeaseMayHaveEndedAndOneAtATime) {
  LeaseClock clock(1000);
  ASSERT_TRUE(clock.Next(0, {.leads = true}));
  EXPECT_FALSE(clock.Next(1, {.leads = true, .lease_count = 1, .next_lease_end_ms = 0}))
      << "the extension is under way";
  clock.Proposed(true);
  EXPECT_FALSE(clock.Next(10, {.leads = true, .lease_count = 1, .next_lease_end_ms = 11}));
  EXPECT_FALSE(clock.Next(10, {.leads = true, .lease_count = 0, .next_lease_end_ms = kNever}));
  const auto tick = clock.Next(11, {.leads = true, .lease_count = 1, .next_lease_end_ms = 11});
  ASSERT_TRUE(Holds<TickRequest>(tick));
  EXPECT_EQ(tick->time_ms, 11);
  EXPECT_FALSE(clock.Next(12, {.leads = true, .lease_count = 1, .next_lease_end_ms = 11}));
  clock.Proposed(false);
  EXPECT_TRUE(clock.Next(13, {.leads = true, .lease_count = 1, .next_lease_end_ms = 11}));
}

TEST(LeaseClock, AnExtensionThatFailedIsTriedAgain) {
  LeaseClock clock(1000);
  ASSERT_TRUE(clock.Next(0, {.leads = true}));
  clock.Proposed(false);
  EXPECT_TRUE(Holds<ExtendLeasesRequest>(clock.Next(1, {.leads = true})));
}

TEST(LeaseClock, ItNeverFallsBehindTheState) {
  LeaseClock clock(1000);
  ASSERT_TRUE(clock.Next(0, {.leads = true, .state_time_ms = 100}));
  clock.Proposed(true);
  EXPECT_FALSE(clock.Next(10, {.leads = true, .state_time_ms = 500}));
  EXPECT_EQ(clock.Stamp(20), 510);
}

TEST(LeaseClock, EachTermBeginsAnew) {
  LeaseClock clock(1000);
  ASSERT_TRUE(clock.Next(0, {.leads = true, .state_time_ms = 100}));
  clock.Proposed(true);
  EXPECT_FALSE(clock.Next(1000, {.leads = false, .state_time_ms = 200}));
  EXPECT_EQ(clock.Stamp(1000), 0);
  const auto command = clock.Next(9000, {.leads = true, .state_time_ms = 300});
  ASSERT_TRUE(Holds<ExtendLeasesRequest>(command));
  EXPECT_EQ(command->time_ms, 300);
}

}  // namespace
}  // namespace trireme::kv::inline engine
