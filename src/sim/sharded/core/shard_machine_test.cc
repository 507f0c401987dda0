#include "sim/sharded/core/shard_machine.h"

#include "gtest/gtest.h"

namespace trireme::sim::sharded {
namespace {

const std::string kKey = "k";
const Shard kShard = ShardOf(kKey);

std::string Nothing() {
  return VersionedMap().Encode();
}
/// Serves kShard since configuration 1, with kKey in version 1.
ShardMachine Serving() {
  ShardMachine machine = ShardMachine::WithNothing();
  EXPECT_EQ(machine.Apply(Install{kShard, 1, Nothing()}).code, Code::kOk);
  EXPECT_EQ(machine.Apply(Put{kKey, "one", 0}).version, 1u);
  return machine;
}

TEST(ShardMachine, PutsHaveVersions) {
  ShardMachine machine = ShardMachine::WithEverything();
  EXPECT_EQ(machine.Apply(Get{"a"}).code, Code::kNoKey);
  EXPECT_EQ(machine.Apply(Put{"a", "x", 1}).code, Code::kNoKey);
  EXPECT_EQ(machine.Apply(Put{"a", "x", 0}), (Result{Code::kOk, "", 1}));
  EXPECT_EQ(machine.Apply(Put{"a", "y", 0}).code, Code::kWrongVersion);
  EXPECT_EQ(machine.Apply(Get{"a"}), (Result{Code::kOk, "x", 1}));
}

TEST(ShardMachine, WhatIsNotServedIsOfTheWrongGroup) {
  ShardMachine machine = ShardMachine::WithNothing();
  EXPECT_EQ(machine.Apply(Get{kKey}).code, Code::kWrongGroup);
  EXPECT_EQ(machine.Apply(Put{kKey, "x", 0}).code, Code::kWrongGroup);
  EXPECT_EQ(machine.Apply(Freeze{kShard, 1}).code, Code::kWrongGroup);
}

TEST(ShardMachine, AShardMovesWithAllThatIsInIt) {
  ShardMachine from = Serving();
  ShardMachine to = ShardMachine::WithNothing();
  const Result frozen = from.Apply(Freeze{kShard, 2});
  EXPECT_EQ(from.Apply(Put{kKey, "two", 1}).code, Code::kWrongGroup);
  EXPECT_EQ(from.Apply(Get{kKey}).code, Code::kWrongGroup);
  EXPECT_EQ(to.Apply(Install{kShard, 2, frozen.value}).code, Code::kOk);
  EXPECT_EQ(to.Apply(Get{kKey}), (Result{Code::kOk, "one", 1}));
  EXPECT_EQ(from.Apply(Delete{kShard, 2}).code, Code::kOk);
  EXPECT_EQ(from.holding(kShard), Holding::kNone);
}

TEST(ShardMachine, EveryStepMayComeTwice) {
  ShardMachine from = Serving();
  ShardMachine to = ShardMachine::WithNothing();
  const Result frozen = from.Apply(Freeze{kShard, 2});
  EXPECT_EQ(from.Apply(Freeze{kShard, 2}), frozen);
  EXPECT_EQ(to.Apply(Install{kShard, 2, frozen.value}).code, Code::kOk);
  EXPECT_EQ(to.Apply(Put{kKey, "two", 1}).version, 2u);
  EXPECT_EQ(to.Apply(Install{kShard, 2, frozen.value}).code, Code::kOk);
  EXPECT_EQ(to.Apply(Get{kKey}).value, "two") << "what was written since stays";
  EXPECT_EQ(from.Apply(Delete{kShard, 2}).code, Code::kOk);
  EXPECT_EQ(from.Apply(Delete{kShard, 2}).code, Code::kOk);
  EXPECT_EQ(from.Apply(Freeze{kShard, 2}).code, Code::kGone);
}

TEST(ShardMachine, StepsOfAnOlderConfigurationAreStale) {
  ShardMachine machine = Serving();
  EXPECT_EQ(machine.Apply(Install{kShard, 5, Nothing()}).code, Code::kOk);
  const std::string before = machine.Encode();
  EXPECT_EQ(machine.Apply(Freeze{kShard, 4}).code, Code::kStale);
  EXPECT_EQ(machine.Apply(Install{kShard, 4, Nothing()}).code, Code::kStale);
  EXPECT_EQ(machine.Apply(Delete{kShard, 4}).code, Code::kStale);
  EXPECT_EQ(machine.Encode(), before);
}

TEST(ShardMachine, OnlyWhatIsFrozenIsDeleted) {
  ShardMachine machine = Serving();
  EXPECT_EQ(machine.Apply(Delete{kShard, 1}).code, Code::kOk);
  EXPECT_EQ(machine.Apply(Delete{kShard, 2}).code, Code::kOk);
  EXPECT_EQ(machine.Apply(Get{kKey}).value, "one");
}

TEST(ShardMachine, IsReadBackAndNothingElseIs) {
  ShardMachine machine = Serving();
  const std::string bytes = machine.Encode();
  ShardMachine read;
  ASSERT_TRUE(read.Decode(bytes));
  EXPECT_EQ(read.Encode(), bytes);
  EXPECT_EQ(read.Apply(Get{kKey}).value, "one");
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(read.Decode(bytes.substr(0, size))) << size;
  }
}

TEST(Command, IsReadBackAndNothingElseIs) {
  const Command commands[] = {Get{"a"}, Put{"a", "b", 7}, Freeze{3, 4}, Install{3, 4, "c"},
                              Delete{11, 9}};
  for (const Command& command : commands) {
    const std::string bytes = Encode(command);
    const std::optional<Command> read = DecodeCommand(bytes);
    ASSERT_TRUE(read) << Text(command);
    EXPECT_EQ(Encode(*read), bytes);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_FALSE(DecodeCommand(bytes.substr(0, size))) << Text(command) << size;
    }
  }
  EXPECT_FALSE(DecodeCommand(Encode(Freeze{kShards, 1})));
}

}  // namespace
}  // namespace trireme::sim::sharded
