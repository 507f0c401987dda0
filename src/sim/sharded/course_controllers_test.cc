#include <array>
#include <vector>

#include "sim/sharded/test_course.h"

/// The scenarios of MIT 6.5840's labs 5B and 5C, by their names: groups that are down while shards
/// move, controllers that are lost in the middle, and several at once.
namespace trireme::sim::sharded {
namespace {

using Outcome = Controller::Outcome;

/// What needs `group` does not end while it is down, and soon after.
void NeedsGroup(Course& c, Controller::Change change, std::uint64_t group) {
  ControllerAgent& controller = c.AddController();
  c.Shutdown(group);
  controller.Begin(std::move(change));
  c.RunFor(2 * kSecond);
  EXPECT_FALSE(controller.finished()) << "without group " << group;
  c.Start(group);
  EXPECT_TRUE(c.RunUntil([&] { return controller.finished(); }, 2 * kSecond));
  EXPECT_EQ(controller.controller().outcome(), Outcome::kPublished);
  c.CheckAll();
}

TEST(CourseLab5, JoinLeave5B) {
  Course c({.groups = 2});
  c.PutAll();
  NeedsGroup(c, c.Joining(2), 1);
  NeedsGroup(c, c.Leaving(1), 2);
}

/// The next controller, whatever it is for, finishes it first.
void IsFinishedByTheNext(Course& c, Controller::Change change) {
  const std::uint64_t number = c.Query().number;
  const bool join = !change.join.empty();
  c.CutOffIn(std::move(change), c.random().Below(6 * kMillisecond));
  const ShardConfig after = c.Query();
  EXPECT_EQ(after.number, number + 1);
  EXPECT_EQ(after.groups.contains(Group(2)), join);
}

TEST(CourseLab5, RecoverCtrler5B) {
  Course c({.groups = 2});
  c.PutAll();
  for (int i = 0; i < 5; ++i) {
    IsFinishedByTheNext(c, c.Joining(2));
    c.CheckAll();
    IsFinishedByTheNext(c, c.Leaving(2));
    c.CheckAll();
  }
}

/// Each joins and leaves a group of its own, again and again; then all groups are out.
void ConcurrentControllers(bool unreliable) {
  Course c({.groups = 5, .unreliable = unreliable});
  c.PutAll();
  std::array<ControllerAgent*, 4> controllers;
  std::uint64_t published = 0;
  const auto note = [&](const Controller& controller) {
    published += controller.outcome() == Outcome::kPublished ? 1 : 0;
  };
  for (ControllerAgent*& controller : controllers) controller = &c.AddController();
  const Micros end = c.now() + 2 * kSecond;
  while (c.now() < end) {
    for (std::size_t i = 0; i < controllers.size(); ++i) {
      const Controller& controller = controllers[i]->controller();
      if (!controller.idle()) continue;
      note(controller);
      const bool in = controller.current().groups.contains(Group(2 + i));
      controllers[i]->Begin(in ? c.Leaving(2 + i) : c.Joining(2 + i));
    }
    const auto any = [&] { return std::ranges::any_of(controllers, &ControllerAgent::finished); };
    if (!c.RunUntil(any, end - c.now())) break;
  }
  const auto all = [&] { return std::ranges::all_of(controllers, &ControllerAgent::finished); };
  EXPECT_TRUE(c.RunUntil(all, kTest));
  for (const ControllerAgent* controller : controllers) note(controller->controller());
  EXPECT_GE(published, 1u);
  EXPECT_GE(c.Query().number, 1 + published);
  c.CheckAll();
}
TEST(CourseLab5, ConcurrentReliable5C) {
  ConcurrentControllers(false);
}
TEST(CourseLab5, AcquireLockConcurrentUnreliable5C) {
  ConcurrentControllers(true);
}

TEST(CourseLab5, PartitionControllerJoin5C) {
  Course c({.groups = 3});
  c.PutAll();
  c.Shutdown(2);
  ControllerAgent& first = c.CutOffIn(c.Joining(2), kSecond);
  c.Start(2);
  c.Join(3);
  const ShardConfig after = c.Query();
  EXPECT_TRUE(after.groups.contains(Group(2)));
  c.BringBack(first);
  EXPECT_TRUE(c.RunUntil([&] { return first.finished(); }, 2 * kSecond)) << "it must notice";
  EXPECT_EQ(first.controller().outcome(), Outcome::kReplaced);
  EXPECT_EQ(c.Query(), after);
  c.CheckAll();
}

/// A controller that was replaced in the middle of a change comes back after another one.
void ComesBackTooLate(Course& c, Controller::Change change, Controller::Change then) {
  const std::uint64_t number = c.Query().number;
  ControllerAgent& first = c.CutOffIn(std::move(change), c.random().Below(6 * kMillisecond));
  EXPECT_EQ(c.Change(std::move(then)), Outcome::kPublished);
  c.BringBack(first);
  EXPECT_TRUE(c.RunUntil([&] { return first.finished(); }, 10 * kSecond));
  EXPECT_EQ(first.controller().outcome(), Outcome::kReplaced);
  EXPECT_EQ(c.Query().number, number + 2);
}

void PartitionRecovery(bool unreliable, std::size_t clerks) {
  Course c({.groups = 3, .unreliable = unreliable});
  c.PutAll();
  const Micros end = c.now() + 60 * kSecond;
  const std::vector<ClerkAgent*> working = c.Work(clerks);
  for (int i = 0; i < (unreliable ? 3 : 5); ++i) {
    ComesBackTooLate(c, c.Joining(2), c.Joining(3));
    c.CheckAll();
    ComesBackTooLate(c, c.Leaving(2), c.Leaving(3));
    c.CheckAll();
  }
  if (clerks > 0 && c.now() < end) c.RunFor(end - c.now());
  c.Stop(working);
  c.CheckAll();
}
TEST(CourseLab5, PartitionRecoveryReliableNoClerk5C) {
  PartitionRecovery(false, 0);
}
TEST(CourseLab5, PartitionRecoveryUnreliableNoClerk5C) {
  PartitionRecovery(true, 0);
}
TEST(CourseLab5, PartitionRecoveryReliableClerks5C) {
  PartitionRecovery(false, 5);
}
TEST(CourseLab5, PartitionRecoveryUnreliableClerks5C) {
  PartitionRecovery(true, 5);
}

}  // namespace
}  // namespace trireme::sim::sharded
