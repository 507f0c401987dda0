#include "raft/core/configuration.h"

#include "gtest/gtest.h"

namespace trireme::raft {
namespace {

std::vector<NodeId> Nodes(std::vector<std::uint64_t> ids) {
  std::vector<NodeId> nodes;
  for (const std::uint64_t id : ids) nodes.push_back(NodeId{id});
  return nodes;
}

TEST(Configuration, SurvivesItsBytes) {
  const Configuration configuration{Nodes({1, 2, 3}), Nodes({2, 3, 900}), Nodes({7}), Nodes({900})};
  const std::string bytes = EncodeConfiguration(configuration);
  EXPECT_EQ(DecodeConfiguration(bytes), configuration);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(DecodeConfiguration(bytes.substr(0, size)), std::nullopt) << size;
  }
  EXPECT_EQ(DecodeConfiguration(bytes + "x"), std::nullopt);
}

TEST(Configuration, RefusesWhatCannotBe) {
  const auto outcome = [](const Configuration& c) { return Validate(c).outcome; };
  EXPECT_EQ(outcome({}), Outcome::kOk) << "a server that waits to be added";
  EXPECT_EQ(outcome({Nodes({2, 1}), {}, {}, {}}), Outcome::kInvalid) << "not sorted";
  EXPECT_EQ(outcome({Nodes({1, 1}), {}, {}, {}}), Outcome::kInvalid) << "twice";
  EXPECT_EQ(outcome({Nodes({0, 1}), {}, {}, {}}), Outcome::kInvalid) << "id 0";
  EXPECT_EQ(outcome({Nodes({1}), {}, Nodes({1}), {}}), Outcome::kInvalid) << "voter and learner";
  EXPECT_EQ(outcome({{}, Nodes({1}), {}, {}}), Outcome::kInvalid) << "joint with nothing";
}

TEST(Configuration, GoalSurvivesItsBytesAndIsChecked) {
  Configuration waiting{Nodes({1, 2, 3}), {}, Nodes({4, 5}), Nodes({5})};
  waiting.goal = {Nodes({1, 4, 5}), Nodes({2, 6}), Nodes({5}), Nodes({4, 5})};
  EXPECT_EQ(DecodeConfiguration(EncodeConfiguration(waiting)), waiting);
  EXPECT_EQ(GoalOf(waiting), (Configuration{Nodes({1, 4, 5}), {}, Nodes({2, 6}), Nodes({5})}));
  EXPECT_EQ(WithoutGoal(waiting), (Configuration{Nodes({1, 2, 3}), {}, {}, {}}));
  const auto outcome = [&](const Configuration::Goal& goal) {
    Configuration changed = waiting;
    changed.goal = goal;
    return Validate(changed).outcome;
  };
  EXPECT_EQ(outcome(waiting.goal), Outcome::kOk);
  EXPECT_EQ(outcome({Nodes({1, 9}), {}, {}, {}}), Outcome::kInvalid) << "votes, is no member";
  EXPECT_EQ(outcome({Nodes({4, 1}), {}, {}, {}}), Outcome::kInvalid) << "not sorted";
  EXPECT_EQ(outcome({{}, Nodes({4}), {}, {}}), Outcome::kInvalid) << "without voters";
  EXPECT_EQ(outcome({Nodes({1}), {}, {}, Nodes({3})}), Outcome::kInvalid) << "a voter is no guest";
  EXPECT_EQ(outcome({Nodes({5}), {}, Nodes({5}), {}}), Outcome::kInvalid) << "nobody could lead";
  waiting.outgoing = Nodes({1});
  EXPECT_EQ(outcome(waiting.goal), Outcome::kInvalid) << "joint";
}

TEST(Configuration, ChangesKeepSomebodyWhoCanLead) {
  const Configuration active{Nodes({1, 2, 3}), {}, {}, Nodes({3})};
  EXPECT_TRUE(ValidateChange(active, {Nodes({1, 4}), {}, {}, {}}).ok());
  EXPECT_FALSE(ValidateChange(active, {{}, {}, Nodes({1}), {}}).ok());
  EXPECT_FALSE(ValidateChange(active, {Nodes({3}), {}, {}, Nodes({3})}).ok());
  EXPECT_FALSE(ValidateChange(active, {Nodes({1, 3}), {}, {}, {}}).ok())
      << "a witness has no state to become a full member with";
  EXPECT_FALSE(ValidateChange(active, {Nodes({1, 2}), {}, {}, Nodes({2})}).ok())
      << "a full member has kept commands";
  EXPECT_FALSE(ValidateChange(active, {Nodes({1, 2}), {}, {}, Nodes({4})}).ok())
      << "a witness that is no member";
  EXPECT_TRUE(ValidateChange(active, {Nodes({1, 2}), {}, Nodes({4}), Nodes({4})}).ok());
  EXPECT_FALSE(ValidateChange(active, {Nodes({1}), Nodes({2}), {}, {}}).ok());
}

TEST(Configuration, JointHasTheVotersOfBoth) {
  const Configuration active{Nodes({1, 2, 3}), {}, Nodes({4}), Nodes({3})};
  const Configuration target{Nodes({1, 4}), {}, {}, {}};
  const Configuration joint = EnterJoint(active, target);
  EXPECT_TRUE(joint.joint());
  EXPECT_EQ(joint.voters, target.voters);
  EXPECT_EQ(joint.outgoing, active.voters);
  EXPECT_TRUE(IsWitness(joint, NodeId{3}));
  EXPECT_EQ(Members(joint), Nodes({1, 2, 3, 4}));
  EXPECT_EQ(LeaveJoint(joint), target);
}

TEST(ConfigurationHistory, GoesBackWithTheLog) {
  const Configuration a{Nodes({1}), {}, {}, {}};
  const Configuration b{Nodes({1, 2}), {}, {}, {}};
  const Configuration c{Nodes({2}), {}, {}, {}};
  ConfigurationHistory history(Index{0}, a);
  history.Append(Index{5}, b);
  history.Append(Index{9}, c);
  EXPECT_EQ(history.At(Index{4}), a);
  EXPECT_EQ(history.At(Index{5}), b);
  EXPECT_EQ(history.active(), c);
  history.TruncateFrom(Index{9});
  EXPECT_EQ(history.active(), b);
  history.CompactTo(Index{7});
  EXPECT_EQ(history.At(Index{7}), b);
  EXPECT_EQ(history.active_index(), Index{5});
}

}  // namespace
}  // namespace trireme::raft
