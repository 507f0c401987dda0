#include "sim/sharded/core/controller.h"

#include <deque>
#include <map>
#include <string>

#include "gtest/gtest.h"
#include "sim/sharded/core/shard_machine.h"

/// Controllers over state machines without any network: each call is carried out when the test says
/// so.
namespace trireme::sim::sharded {
namespace {

using Outcome = Controller::Outcome;

constexpr GroupId kOne{1};
constexpr GroupId kTwo{2};
constexpr GroupId kThree{3};

class ControllerTest : public testing::Test {
 protected:
  ControllerTest() {
    machines_[kStore] = ShardMachine::WithEverything();
    Controller controller({});
    controller.Begin({.join = {{kOne, {}}}});
    Run(&controller);
  }

  /// One call of those it wants made; false: there is none.
  bool RunOne(Controller* controller) {
    std::deque<Call>& calls = calls_[controller];
    for (Call& call : controller->TakeCalls()) calls.push_back(std::move(call));
    if (calls.empty() || controller->idle()) return false;
    const Call call = std::move(calls.front());
    calls.pop_front();
    log_ += Text(call.command).substr(0, Text(call.command).find(' ')) + " ";
    controller->Step({call.id, true, false, machines_[call.group].Apply(call.command)});
    return true;
  }
  void Run(Controller* controller) {
    while (RunOne(controller)) {
    }
  }
  void RunUntilMoving(Controller* controller) {
    while (!controller->moving()) ASSERT_TRUE(RunOne(controller));
  }
  ShardConfig Stored(const std::string& key) {
    return *ShardConfig::Decode(machines_[kStore].Read({key}).value);
  }
  /// Each is served by its owner, and by nobody else.
  void ExpectServed(const ShardConfig& config) {
    for (Shard shard = 0; shard < kShards; ++shard) {
      for (const GroupId group : {kOne, kTwo, kThree}) {
        const bool serves = machines_[group].holding(shard) == Holding::kServing;
        EXPECT_EQ(serves, config.owners[shard] == group) << shard;
      }
    }
  }

  std::map<GroupId, ShardMachine> machines_;
  std::map<Controller*, std::deque<Call>> calls_;
  std::string log_;
};

TEST_F(ControllerTest, PublishesWhenAllHasMoved) {
  Controller controller({});
  controller.Begin({.join = {{kTwo, {}}}});
  RunUntilMoving(&controller);
  EXPECT_EQ(Stored(kNextKey).number, 2u);
  EXPECT_EQ(Stored(kCurrentKey).number, 1u);
  Run(&controller);
  EXPECT_EQ(controller.outcome(), Outcome::kPublished);
  EXPECT_EQ(Stored(kCurrentKey), Stored(kNextKey));
  ExpectServed(Stored(kCurrentKey));
}

/// Whatever the moment at which it is lost, the next one finishes.
TEST_F(ControllerTest, TheNextFinishesWhatWasBegun) {
  for (int steps = 0;; ++steps) {
    const std::uint64_t number = Stored(kCurrentKey).number;
    const bool join = !Stored(kCurrentKey).groups.contains(kTwo);
    Controller lost({});
    join ? lost.Begin({.join = {{kTwo, {}}}}) : lost.Begin({.leave = {kTwo}});
    for (int i = 0; i < steps; ++i) (void)RunOne(&lost);
    const bool announced = Stored(kNextKey).number > number;
    Controller next({});
    next.Begin({});
    Run(&next);
    EXPECT_EQ(next.outcome(), Outcome::kNothing);
    EXPECT_EQ(Stored(kCurrentKey).number, number + (announced ? 1 : 0)) << steps;
    ExpectServed(Stored(kCurrentKey));
    if (lost.idle()) break;
  }
}

/// Whatever the moment at which it is held up, and however much happens meanwhile, it does no harm
/// when it goes on.
TEST_F(ControllerTest, OneThatComesBackChangesNothing) {
  for (int steps = 3;; ++steps) {
    Controller late({});
    const bool join = !Stored(kCurrentKey).groups.contains(kTwo);
    join ? late.Begin({.join = {{kTwo, {}}}}) : late.Begin({.leave = {kTwo}});
    for (int i = 0; i < steps; ++i) (void)RunOne(&late);
    if (late.idle()) break;
    const bool joins = !Stored(kCurrentKey).groups.contains(kThree);
    Controller other({});
    joins ? other.Begin({.join = {{kThree, {}}}}) : other.Begin({.leave = {kThree}});
    Run(&other);
    EXPECT_EQ(other.outcome(), Outcome::kPublished);
    const ShardConfig after = Stored(kCurrentKey);
    Run(&late);
    EXPECT_EQ(late.outcome(), Outcome::kReplaced) << steps;
    EXPECT_EQ(Stored(kCurrentKey), after);
    ExpectServed(after);
  }
}

/// What it reads first may be old when it reads the rest: it must not take a change that began
/// later for one that began there.
TEST_F(ControllerTest, WhatIsReadOfDifferentTimesDoesNotCount) {
  for (int steps = 1; steps <= 40; ++steps) {
    Controller late({});
    late.Begin({});
    ASSERT_TRUE(RunOne(&late));  // has read "current"
    for (const GroupId group : {kTwo, kThree}) {
      Controller other({});
      const bool in = Stored(kCurrentKey).groups.contains(group);
      in ? other.Begin({.leave = {group}}) : other.Begin({.join = {{group, {}}}});
      for (int i = 0; group == kTwo || i < steps; ++i) {
        if (!RunOne(&other)) break;
      }
    }
    Run(&late);
    Controller next({});
    next.Begin({});
    Run(&next);
    ExpectServed(Stored(kCurrentKey));
    EXPECT_EQ(Stored(kCurrentKey), Stored(kNextKey));
  }
}

TEST_F(ControllerTest, NothingIsInstalledFromBeforeTheFirstConfiguration) {
  std::map<GroupId, ShardMachine> fresh = {{kStore, ShardMachine::WithEverything()}};
  machines_.swap(fresh);
  Controller late({});
  late.Begin({});
  ASSERT_TRUE(RunOne(&late));
  Controller first({});
  first.Begin({.join = {{kOne, {}}}});
  Run(&first);
  const std::string key = "k";
  EXPECT_EQ(machines_[kOne].Apply(Put{key, "x", 0}).code, Code::kOk);
  Controller second({});
  second.Begin({.join = {{kTwo, {}}}, .leave = {kOne}});
  RunUntilMoving(&second);
  Run(&late);
  Run(&second);
  EXPECT_EQ(machines_[kTwo].Read({key}).value, "x");
  ExpectServed(Stored(kCurrentKey));
}

/// Two at once take turns at every call; what each wants is in force when it says so.
TEST_F(ControllerTest, TwoAtOnce) {
  Controller a({});
  Controller b({});
  a.Begin({.join = {{kTwo, {}}}});
  b.Begin({.join = {{kThree, {}}}});
  while (RunOne(&a) | RunOne(&b)) {
  }
  const ShardConfig config = Stored(kCurrentKey);
  EXPECT_EQ(config.groups.contains(kTwo), a.outcome() == Outcome::kPublished);
  EXPECT_EQ(config.groups.contains(kThree), b.outcome() == Outcome::kPublished);
  EXPECT_GT(config.number, 1u);
  ExpectServed(config);
}

TEST_F(ControllerTest, AStepOrder) {
  log_.clear();
  Controller controller({});
  controller.Begin({.join = {{kTwo, {}}}, .leave = {kOne}});
  Run(&controller);
  std::string expected = "get get put ";
  for (const char* leg : {"freeze ", "install ", "delete "}) {
    for (Shard shard = 0; shard < kShards; ++shard) expected += leg;
  }
  EXPECT_EQ(log_, expected + "put ");
}

TEST_F(ControllerTest, ASilentGroupMakesItLookWhetherItWasReplaced) {
  Controller late({});
  late.Begin({.join = {{kTwo, {}}}});
  RunUntilMoving(&late);
  Controller other({});
  other.Begin({.join = {{kThree, {}}}});
  Run(&other);
  const std::vector<Call> calls = late.TakeCalls();
  ASSERT_FALSE(calls.empty());
  late.Step({calls[0].id, false, true, {}});
  Run(&late);
  EXPECT_EQ(late.outcome(), Outcome::kReplaced);
}

}  // namespace
}  // namespace trireme::sim::sharded
