#include "mapreduce/cluster/wire.h"

#include <gtest/gtest.h>

#include <limits>
#include <variant>
#include <vector>

namespace trireme::mapreduce::cluster {
namespace {

const plan::WorkerRef kWorker{plan::WorkerId{~0ull}, plan::Incarnation{7}};
const plan::AttemptRef kAttempt{{plan::JobId{3}, plan::Phase::kReduce, 4},
                                plan::MakeAttemptId(9, 1)};

/// One of each kind, with every field away from its default.
std::vector<plan::JournalRecord> EveryRecord() {
  const plan::JobSpec spec{"name", 5, 6, 7, -8, false, true, true, 1234, std::string("\0\xff", 2)};
  const plan::RecordPosition place{"file", 77};
  const plan::JobFailure failure{kAttempt.task, kAttempt.id, kWorker, "why", place, "\xfftail"};
  const plan::AttemptSpan span{12, 13, 14, plan::AttemptKind::kBackup};
  const plan::JobStats stats{1, 2, 3, 4, 5, 6, 7, 8, 9};
  return {plan::EpochStarted{2},
          plan::JobAdmitted{plan::JobId{3}, spec, 1'700'000'000'000},
          plan::JobAdmitted{plan::JobId{3}, spec, std::nullopt},
          plan::MapSucceeded{plan::JobId{3}, 4, {kWorker, kAttempt.id, 99}, span},
          plan::MapSucceeded{plan::JobId{3}, 4, {kWorker, kAttempt.id, 99}, std::nullopt},
          plan::CommitGranted{kAttempt, kWorker, span},
          plan::TaskCommitted{kAttempt, kWorker, 98, span},
          plan::FailureCounted{kAttempt, kWorker, place, span},
          plan::FailureCounted{kAttempt, kWorker, std::nullopt, std::nullopt},
          plan::AttemptOver{kAttempt, kWorker, plan::AttemptEnd::kLostWorker, span},
          plan::RecordSkipped{kAttempt.task, place},
          plan::JobEnded{plan::JobId{3}, plan::JobState::kFailed, failure, stats, 10, 11},
          plan::JobEnded{plan::JobId{3}, plan::JobState::kCancelled, std::nullopt, stats},
          plan::JobForgotten{plan::JobId{3}}};
}

TEST(WireTest, EveryRecordOfTheJournalComesBack) {
  std::size_t kinds = 0;
  for (const plan::JournalRecord& record : EveryRecord()) {
    const std::string bytes = ToWire(record).SerializeAsString();
    v1::JournalRecord parsed;
    ASSERT_TRUE(parsed.ParseFromString(bytes));
    const auto back = FromWire(parsed);
    ASSERT_TRUE(back.has_value()) << record.index();
    EXPECT_EQ(back->index(), record.index());
    EXPECT_EQ(ToWire(*back).SerializeAsString(), bytes) << record.index();
    kinds = std::max(kinds, record.index() + 1);
  }
  EXPECT_EQ(kinds, std::variant_size_v<plan::JournalRecord>);
}

/// Each field of a record: what is encoded twice alike may still have been lost at first.
TEST(WireTest, ASpanKeepsItsValues) {
  const plan::AttemptSpan span{12, 13, 14, plan::AttemptKind::kBackup};
  const auto over = std::get<plan::AttemptOver>(
      *FromWire(ToWire(plan::AttemptOver{kAttempt, kWorker, plan::AttemptEnd::kLostWorker, span})));
  EXPECT_EQ(over.attempt, kAttempt);
  EXPECT_EQ(over.worker, kWorker);
  EXPECT_EQ(over.end, plan::AttemptEnd::kLostWorker);
  EXPECT_EQ(over.span.start_ms, 12);
  EXPECT_EQ(over.span.length_ms, 13);
  EXPECT_EQ(over.span.number, 14u);
  EXPECT_EQ(over.span.kind, plan::AttemptKind::kBackup);
  const plan::AttemptProgress said =
      FromWire(ToWire(plan::AttemptProgress{kAttempt, 1, 2, true, 3, span.kind, 5}));
  EXPECT_EQ(said.number, 3u);
  EXPECT_EQ(said.kind, span.kind);
  EXPECT_EQ(said.age_ms, 5);
}

TEST(WireTest, TimesBeyondATimelineAreItsLast) {
  v1::JournalRecord record;
  record.mutable_attempt_over()->mutable_span()->set_start_ms(~0ull);
  record.mutable_attempt_over()->set_end(static_cast<v1::AttemptEnd>(99));
  const auto over = std::get<plan::AttemptOver>(*FromWire(record));
  EXPECT_EQ(over.span.start_ms, plan::TimeMs{UINT32_MAX});
  EXPECT_EQ(over.end, plan::AttemptEnd::kKilled);
}

TEST(WireTest, FieldsKeepTheirValues) {
  const plan::JobSpec spec{"name", 5, 6, 7, -8, false, true, true, 1234, std::string("\0\xff", 2)};
  const plan::JobSpec back = FromWire(ToWire(spec));
  EXPECT_EQ(back.name, spec.name);
  EXPECT_EQ(back.maps, 5u);
  EXPECT_TRUE(back.durable_outputs);
  EXPECT_EQ(back.reduces, 6u);
  EXPECT_EQ(back.max_attempts, 7u);
  EXPECT_EQ(back.priority, -8);
  EXPECT_FALSE(back.backup_tasks);
  EXPECT_TRUE(back.skip_bad_records);
  EXPECT_EQ(back.task_timeout_ms, 1234);
  EXPECT_EQ(back.definition, spec.definition);
  EXPECT_EQ(FromWire(ToWire(kAttempt)), kAttempt);
  EXPECT_EQ(FromWire(ToWire(kWorker)), kWorker);
}

TEST(WireTest, CountersOfOneNameAreSummed) {
  v1::TaskResult wire;
  for (int i = 0; i < 2; ++i) {
    v1::Counter* counter = wire.add_counters();
    counter->set_group("g");
    counter->set_name("n");
    counter->set_value(-4);
  }
  EXPECT_EQ(FromWire(wire).counters, (Counters{{{"g", "n"}, -8}}));
}

TEST(WireTest, CountersMayCountBeyond64Bits) {
  v1::TaskResult wire;
  for (int i = 0; i < 2; ++i) {
    v1::Counter* counter = wire.add_counters();
    counter->set_group("g");
    counter->set_value(std::numeric_limits<std::int64_t>::max());
  }
  EXPECT_EQ(FromWire(wire).counters, (Counters{{{"g", ""}, -2}}));
}

/// Names of files and counters and what user code says are bytes; a proto3 string that is not UTF-8
/// would be sent and not be parsed.
TEST(WireTest, WhatUsersNameNeedNotBeText) {
  const std::string name = "caf\xe9";
  v1::WorkerMessage message;
  *message.mutable_succeeded()->mutable_result() =
      ToWire(TaskResult{.counters = {{{name, name}, 1}}});
  v1::WorkerMessage parsed;
  ASSERT_TRUE(parsed.ParseFromString(message.SerializeAsString()));
  EXPECT_EQ(FromWire(parsed.succeeded().result()).counters, (Counters{{{name, name}, 1}}));

  message.mutable_failed()->set_message(name);
  *message.mutable_failed()->mutable_record() = ToWire(plan::RecordPosition{name, 7});
  ASSERT_TRUE(parsed.ParseFromString(message.SerializeAsString()));
  EXPECT_EQ(FromWire(parsed.failed(), kWorker).message, name);

  v1::Split split;
  ASSERT_TRUE(split.ParseFromString(ToWire(Split{{{name, 0, 1}}}).SerializeAsString()));
  EXPECT_EQ(FromWire(split).ranges.front().path, name);

  const plan::JobFailure failure{kAttempt.task, kAttempt.id, kWorker, name, std::nullopt, ""};
  v1::JournalRecord record;
  ASSERT_TRUE(record.ParseFromString(
      ToWire(plan::JobEnded{plan::JobId{3}, plan::JobState::kFailed, failure, {}})
          .SerializeAsString()));
  EXPECT_EQ(record.job_ended().failure().message(), name);
}

TEST(WireTest, NumbersOutOfRangeAreNoStates) {
  EXPECT_EQ(FromWire(static_cast<v1::FailureKind>(99)), plan::FailureKind::kInternal);
  EXPECT_EQ(FromWire(static_cast<v1::JobState>(99)), plan::JobState::kFailed);
  v1::JournalRecord nothing;
  EXPECT_FALSE(FromWire(nothing).has_value());
}

}  // namespace
}  // namespace trireme::mapreduce::cluster
