#include "mapreduce/cluster/report_html.h"

#include <gtest/gtest.h>

#include <string>

#include "base/random.h"
#include "mapreduce/cluster/report_layout.h"
#include "mapreduce/cluster/report_text.h"

namespace trireme::mapreduce {
namespace {

using plan::AttemptEnd;
using plan::AttemptKind;
using plan::Phase;

ReportAttempt Attempt(std::uint32_t lane, std::uint32_t index, std::int64_t start_ms,
                      std::int64_t end_ms, AttemptEnd end = AttemptEnd::kSucceeded,
                      AttemptKind kind = AttemptKind::kNormal) {
  ReportAttempt attempt;
  attempt.lane = lane;
  attempt.index = index;
  attempt.start_ms = start_ms;
  attempt.end_ms = end_ms;
  attempt.end = end;
  attempt.kind = kind;
  return attempt;
}

JobReport Report(std::size_t lanes, std::int64_t total_ms) {
  JobReport report;
  report.state = plan::JobState::kSucceeded;
  report.total_ms = total_ms;
  report.reduces = 1;
  for (std::size_t i = 0; i < lanes; ++i) report.lanes.push_back("worker w" + std::to_string(i));
  return report;
}

TimelineLayout LayOut(const JobReport& report) {
  return LayOutTimeline(report, RolesOf(report));
}

TEST(ReportLayout, AttemptsAtOnceHaveRowsOfTheirOwn) {
  JobReport report = Report(2, 1000);
  report.attempts = {Attempt(0, 0, 0, 500), Attempt(0, 1, 100, 400), Attempt(0, 2, 500, 900),
                     Attempt(1, 3, 0, 1000)};
  const TimelineLayout layout = LayOut(report);
  ASSERT_EQ(layout.lanes.size(), 2u);
  ASSERT_EQ(layout.lanes[0].rows.size(), 2u);
  EXPECT_EQ(layout.lanes[0].rows[0].size(), 2u);
  EXPECT_EQ(layout.lanes[0].rows[1].size(), 1u);
  EXPECT_EQ(layout.lanes[1].rows.size(), 1u);
  EXPECT_EQ(layout.rows, 3u);
}

TEST(ReportLayout, ShortNeighboursShareABarThatShowsTheWorst) {
  JobReport report = Report(1, 1'000'000);
  report.attempts = {Attempt(0, 0, 0, 100), Attempt(0, 1, 100, 200, AttemptEnd::kFailed),
                     Attempt(0, 2, 200, 300), Attempt(0, 3, 500'000, 900'000)};
  const TimelineLayout layout = LayOut(report);
  ASSERT_EQ(layout.lanes[0].rows[0].size(), 2u);
  const TimelineBar& shared = layout.lanes[0].rows[0][0];
  EXPECT_EQ(shared.attempts, 3u);
  EXPECT_EQ(shared.failed, 1u);
  EXPECT_EQ(shared.look, BarLook::kFailed);
  EXPECT_EQ(shared.end_ms, 300);
}

TEST(ReportLayout, RolesAreRetriesBackupsAndStragglers) {
  JobReport report = Report(3, 1000);
  report.attempts = {Attempt(0, 0, 0, 100, AttemptEnd::kFailed),
                     Attempt(0, 0, 100, 200, AttemptEnd::kSucceeded, AttemptKind::kRetry),
                     Attempt(1, 1, 0, 900, AttemptEnd::kKilled),
                     Attempt(2, 1, 500, 900, AttemptEnd::kSucceeded, AttemptKind::kBackup),
                     Attempt(2, 2, 0, 500)};
  const auto roles = RolesOf(report);
  EXPECT_EQ(roles[0].look, BarLook::kFailed);
  EXPECT_TRUE(roles[1].retry);
  EXPECT_TRUE(roles[2].straggler);
  EXPECT_EQ(roles[3].look, BarLook::kBackup);
  EXPECT_FALSE(roles[3].straggler);
  std::size_t all = 0;
  const auto troubled = TroubledTasks(report, roles, 1, &all);
  EXPECT_EQ(all, 2u);
  ASSERT_EQ(troubled.size(), 1u);
  EXPECT_EQ(troubled[0].attempts, (std::vector<std::size_t>{0, 1}));
  EXPECT_EQ(MedianMs(report, Phase::kMap), 400);
  EXPECT_EQ(SlowestAttempts(report, 1), (std::vector<std::size_t>{4}));
}

TEST(ReportLayout, RatesHoldEveryByte) {
  JobReport report = Report(1, 2000);
  report.attempts = {Attempt(0, 0, 0, 1000), Attempt(0, 1, 1000, 1500)};
  report.attempts[0].input_bytes = 3000;
  report.attempts[1].phase = Phase::kReduce;
  report.attempts[1].output_bytes = 500;
  const Rates rates = RatesOf(report);
  double input = 0, output = 0;
  for (const double rate : rates.input) input += rate * 2 / static_cast<double>(rates.input.size());
  for (const double rate : rates.output)
    output += rate * 2 / static_cast<double>(rates.output.size());
  EXPECT_NEAR(input, 3000, 1);
  EXPECT_NEAR(output, 500, 1);
  EXPECT_NEAR(rates.input[0], 3000, 1);
  EXPECT_EQ(rates.input.back(), 0);
}

TEST(ReportHtml, AnyJobGivesAPageOfBoundedSize) {
  for (const std::size_t lanes : {1, 7, 300, 5000}) {
    JobReport report = Report(lanes, 3'600'000);
    Random random(lanes);
    for (std::uint32_t i = 0; i < 200'000; ++i) {
      const auto start = static_cast<std::int64_t>(random.Below(3'599'000));
      const auto end = static_cast<AttemptEnd>(1 + random.Below(4));
      report.attempts.push_back(Attempt(static_cast<std::uint32_t>(random.Below(lanes)), i, start,
                                        start + static_cast<std::int64_t>(random.Below(900)), end,
                                        static_cast<AttemptKind>(random.Below(3))));
    }
    for (int i = 0; i < 2000; ++i) report.counters[{"user", "c" + std::to_string(i)}] = i;
    const TimelineLayout layout = LayOut(report);
    std::size_t bars = 0, attempts = 0;
    for (const TimelineLane& lane : layout.lanes) {
      for (const auto& row : lane.rows) {
        bars += row.size();
        for (const TimelineBar& bar : row) attempts += bar.attempts;
      }
    }
    EXPECT_LE(bars, kReportBarsMax) << lanes;
    EXPECT_EQ(attempts + layout.attempts_left_out, report.attempts.size());
    EXPECT_EQ(layout.lanes.size() + layout.lanes_left_out, lanes);
    EXPECT_LT(ReportHtml(report).size(), 4u << 20) << lanes;
  }
}

TEST(ReportHtml, WhatUsersWroteIsText) {
  JobReport report = Report(1, 10);
  report.name = "<script>";
  report.error = "a & b";
  report.lanes[0] = "\"'>";
  report.attempts = {Attempt(0, 0, 0, 10, AttemptEnd::kFailed)};
  report.attempts[0].note = "<b>\x01";
  const std::string page = ReportHtml(report);
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_EQ(page.find("<b>"), std::string::npos);
  EXPECT_NE(page.find("a &amp; b"), std::string::npos);
}

TEST(ReportText, NumbersAsPeopleReadThem) {
  EXPECT_EQ(DurationText(160), "160 ms");
  EXPECT_EQ(DurationText(2440), "2.44 s");
  EXPECT_EQ(DurationText(200'000), "3 min 20 s");
  EXPECT_EQ(DurationText(7'500'000), "2 h 5 min");
  EXPECT_EQ(CountText(-1234567), "-1,234,567");
  EXPECT_EQ(BytesText(1536), "1.5 KiB");
  EXPECT_EQ(AxisBytesText(200 << 20), "200 MiB");
  EXPECT_EQ(NiceStep(17, 6), 5);
  EXPECT_EQ(NiceStep(0.3, 6), 0.05);
}

}  // namespace
}  // namespace trireme::mapreduce
