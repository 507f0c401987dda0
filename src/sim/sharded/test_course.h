#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "gtest/gtest.h"
#include "sim/linear/kv_history.h"
#include "sim/sharded/agents.h"
#include "sim/sharded/fleet.h"

namespace trireme::sim::sharded {

inline constexpr std::size_t kKeys = 60;
inline constexpr Micros kTest = 120 * kSecond;
inline constexpr GroupId kFirst{1};

inline GroupId Group(std::uint64_t number) {
  return static_cast<GroupId>(number);
}

struct CourseOptions {
  std::uint64_t groups = 2;
  std::uint64_t first = 1;  ///< So many are in the first configuration.
  bool unreliable = false;
  std::uint64_t snapshot_log_bytes = 0;
};

/// A sharded store on which a scenario of MIT 6.5840's lab 5 is played. Some groups are in the
/// first configuration, the others wait to join.
class Course {
 public:
  explicit Course(const CourseOptions& options)
      : fleet_(OptionsOf(options), options.groups), store_(fleet_.servers(kStore)) {
    controller_ = &AddController();
    reader_ = &AddClerk();
    Controller::Change change;
    for (std::uint64_t group = 1; group <= options.first; ++group) {
      change.join[Group(group)] = fleet_.servers(Group(group));
    }
    EXPECT_EQ(Change(std::move(change)), Controller::Outcome::kPublished);
  }
  /// Whatever the clerks saw has one order, each put counts once at most, and all was over in time.
  ~Course() {
    EXPECT_EQ(fleet_.violation(), "");
    EXPECT_LE(now(), kTest);
    const linear::Verdict verdict = linear::CheckKv(history_);
    EXPECT_EQ(verdict.conclusion, linear::Conclusion::kLinearizable) << verdict.why;
  }
  Course(const Course&) = delete;
  Course& operator=(const Course&) = delete;

  static Options OptionsOf(const CourseOptions& course) {
    Options o;
    o.log_storage = 1;
    o.heartbeat_ticks = 10;
    o.election_ticks = 30;
    o.snapshot_every = 0;
    o.snapshot_log_bytes = course.snapshot_log_bytes;
    o.keep_entries = 0;
    o.append_entries_max = 4'096;
    o.log_cache_bytes_max = 1 << 20;
    o.snapshot_chunk_bytes_max = 1 << 16;
    o.timeout_ms = 100;
    o.log_read_ppm = 1'000'000;
    o.keys = kKeys;
    o.think_us = 20'000;
    o.read_ppm = 200'000;
    if (course.unreliable) {
      o.latency_mean_us = 13'000;
      o.loss_ppm = 100'000;
    }
    return o;
  }

  Fleet& fleet() { return fleet_; }
  Micros now() { return fleet_.queue().now(); }
  Random& random() { return random_; }
  void RunFor(Micros duration) { ASSERT_TRUE(fleet_.RunFor(duration)) << fleet_.violation(); }
  bool RunUntil(const std::function<bool()>& done, Micros bound) {
    return fleet_.RunUntil(done, bound);
  }

  ClerkAgent& AddClerk() {
    return fleet_.Add(
        std::make_unique<ClerkAgent>(fleet_.next_number(), fleet_.around(), store_, &history_));
  }
  ControllerAgent& AddController() {
    return fleet_.Add(
        std::make_unique<ControllerAgent>(fleet_.next_number(), fleet_.around(), store_));
  }

  std::vector<ClerkAgent*> Work(std::size_t clerks) {
    std::vector<ClerkAgent*> working;
    for (; clerks > 0; --clerks) working.push_back(&AddClerk());
    for (ClerkAgent* clerk : working) clerk->Work();
    return working;
  }
  /// They end what they are at; each has put something.
  void Stop(const std::vector<ClerkAgent*>& clerks) {
    for (ClerkAgent* clerk : clerks) clerk->Stop();
    for (ClerkAgent* clerk : clerks) {
      EXPECT_TRUE(RunUntil([&] { return clerk->idle(); }, kTest));
      EXPECT_GT(clerk->ok(), 0u);
    }
  }

  // Configurations.

  Controller::Change Joining(std::uint64_t group) {
    return {.join = {{Group(group), fleet_.servers(Group(group))}}};
  }
  static Controller::Change Leaving(std::uint64_t group) { return {.leave = {Group(group)}}; }
  /// By the test's own controller, to its end.
  Controller::Outcome Change(Controller::Change change, Micros bound = kTest) {
    controller_->Begin(std::move(change));
    EXPECT_TRUE(RunUntil([&] { return controller_->finished(); }, bound));
    return controller_->controller().outcome();
  }
  void Join(std::uint64_t group) {
    EXPECT_EQ(Change(Joining(group)), Controller::Outcome::kPublished) << group;
  }
  void Leave(std::uint64_t group) {
    EXPECT_EQ(Change(Leaving(group)), Controller::Outcome::kPublished) << group;
  }
  /// A controller that is cut off from everything in the middle of a change.
  ControllerAgent& CutOffIn(Controller::Change change, Micros later = 0) {
    ControllerAgent& agent = AddController();
    agent.Begin(std::move(change));
    EXPECT_TRUE(RunUntil([&] { return agent.controller().moving(); }, kTest));
    RunFor(later);
    EXPECT_TRUE(agent.controller().moving());
    CutOff(agent);
    return agent;
  }
  /// As the store has it; what somebody had begun is finished.
  ShardConfig Query() {
    (void)Change({});
    return controller_->controller().current();
  }

  // Sixty keys of the test's own; those of working clerks are others.

  static std::string Key(std::size_t number) { return fmt::format("k{}", number); }
  void PutAll(std::size_t bytes = 20) {
    for (std::size_t i = 0; i < kKeys; ++i) {
      std::string value = fmt::format("{}:", i);
      value.resize(std::max(bytes, value.size()), 'x');
      Put(Key(i), std::move(value));
    }
  }
  /// Until it is certain.
  void Put(const std::string& key, std::string value) {
    std::pair<std::string, std::uint64_t>& known = values_[key];
    reader_->Put(key, value, known.second);
    ASSERT_TRUE(RunUntil([&] { return reader_->idle(); }, kTest)) << key;
    ASSERT_TRUE(reader_->done().outcome == Clerk::Outcome::kOk ||
                reader_->done().outcome == Clerk::Outcome::kMaybe);
    reader_->Get(key);
    ASSERT_TRUE(RunUntil([&] { return reader_->idle(); }, kTest)) << key;
    EXPECT_EQ(reader_->done().value, value);
    known = {std::move(value), reader_->done().version};
  }
  void CheckAll() {
    for (const auto& [key, known] : values_) Check(key);
  }
  void Check(const std::string& key) {
    reader_->Get(key);
    ASSERT_TRUE(RunUntil([&] { return reader_->idle(); }, kTest)) << key;
    EXPECT_EQ(reader_->done().value, values_[key].first) << key;
    EXPECT_EQ(reader_->done().version, values_[key].second) << key;
  }

  /// All keys at once, each by a clerk of its own: how many are there after that time.
  std::size_t GetsDone(const std::vector<std::string>& keys, Micros within) {
    std::vector<ClerkAgent*> clerks;
    for (const std::string& key : keys) {
      clerks.push_back(&AddClerk());
      clerks.back()->Get(key);
    }
    RunFor(within);
    return static_cast<std::size_t>(
        std::count_if(clerks.begin(), clerks.end(), [](auto* clerk) { return clerk->idle(); }));
  }
  static std::vector<std::string> Keys() {
    std::vector<std::string> keys;
    for (std::size_t i = 0; i < kKeys; ++i) keys.push_back(Key(i));
    return keys;
  }

  // Groups.

  void Shutdown(std::uint64_t group) { fleet_.Shutdown(Group(group), random_); }
  void Start(std::uint64_t group) { fleet_.Start(Group(group)); }
  void CutOff(const Agent& agent) { fleet_.network().CutOff(agent.address()); }
  void BringBack(const Agent& agent) { fleet_.network().BringBack(agent.address()); }

 private:
  std::vector<linear::KvCall> history_;
  Fleet fleet_;
  std::vector<ServerId> store_;
  Random random_{42};
  ControllerAgent* controller_ = nullptr;
  ClerkAgent* reader_ = nullptr;
  std::map<std::string, std::pair<std::string, std::uint64_t>> values_;
};

}  // namespace trireme::sim::sharded
