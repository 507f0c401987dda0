#include "mapreduce/cluster/pages_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace trireme::mapreduce::cluster {
namespace {

using Json = nlohmann::json;
using plan::AttemptEnd;
using plan::AttemptKind;

v1::AttemptTrace& Add(v1::Timeline& to, std::uint64_t worker, std::uint32_t map, std::int64_t from,
                      std::int64_t end, AttemptEnd how = AttemptEnd::kSucceeded,
                      AttemptKind kind = AttemptKind::kNormal) {
  v1::AttemptTrace& trace = *to.add_attempts();
  trace.mutable_attempt()->set_id(static_cast<std::uint64_t>(to.attempts_size()));
  trace.mutable_attempt()->mutable_task()->set_index(map);
  trace.set_worker(worker);
  trace.set_start_ms(from);
  trace.set_end_ms(end);
  trace.set_kind_number(static_cast<std::uint32_t>(kind));
  trace.set_end_number(static_cast<std::uint32_t>(how));
  return trace;
}

v1::Timeline Job(std::int64_t elapsed_ms) {
  v1::Timeline timeline;
  timeline.mutable_status()->set_job(1);
  timeline.mutable_status()->set_name("count");
  timeline.mutable_status()->set_elapsed_ms(elapsed_ms);
  return timeline;
}

TEST(JobPage, ShowsWhatRunsAndWhatWentWrong) {
  v1::Timeline job = Job(1000);
  Add(job, 1, 0, 0, 300);
  v1::AttemptTrace& failed = Add(job, 1, 1, 300, 400, AttemptEnd::kFailed);
  failed.set_note("exited with status 3");
  failed.set_stderr_tail("no\nsuch file");
  Add(job, 1, 1, 400, 600, AttemptEnd::kSucceeded, AttemptKind::kRetry);
  Add(job, 2, 2, 0, 0, AttemptEnd::kRunning);
  Add(job, 1, 2, 600, 0, AttemptEnd::kRunning, AttemptKind::kBackup);
  v1::RunningAttempt& running = *job.mutable_status()->add_running();
  running.mutable_attempt()->set_id(4);
  running.set_progress(0.25);
  running.set_bytes(4096);

  const Json page = Json::parse(JobPageJson(job, false));
  const Json& lanes = page["timeline"]["lanes"];
  ASSERT_EQ(lanes.size(), 2u);
  EXPECT_EQ(lanes[0]["rows"][0],
            Json::parse(R"([[0,300,"map",1,0,"map 0"],[300,400,"failed",1,8,"map 1"],)"
                        R"([400,600,"map",1,2,"map 1"],[600,1000,"backup",1,1,"map 2",0]])"));
  // Running, and a straggler, as there is a backup beside it.
  EXPECT_EQ(lanes[1]["rows"][0], Json::parse(R"([[0,1000,"map",1,5,"map 2",0.25]])"));
  EXPECT_EQ(page["trouble_all"], 2);
  EXPECT_EQ(page["trouble"][0]["task"], "map 1");
  EXPECT_EQ(page["trouble"][0]["attempts"][0]["note"], "exited with status 3");
  EXPECT_EQ(page["trouble"][0]["attempts"][1]["kind"], "retry");
  EXPECT_EQ(page["trouble"][1]["attempts"][0]["kind"], "straggler");
  EXPECT_EQ(page["trouble"][1]["attempts"][0]["end"], "running");
  ASSERT_EQ(page["tails"].size(), 1u);
  EXPECT_EQ(page["tails"][0]["stderr"], "no\nsuch file");
  EXPECT_FALSE(page["ended"].get<bool>());
  double read = 0;
  for (const Json& rate : page["bytes_per_second"]["map"]) read += rate.get<double>();
  // What runs counts with what it has read.
  EXPECT_NEAR(read * page["bytes_per_second"]["step_ms"].get<double>() / 1000, 4096, 50);
}

/// 100,000 attempts on 1,000 workers, one in a hundred of which failed.
TEST(JobPage, StaysSmallWhateverTheJob) {
  v1::Timeline job = Job(10'000'000);
  for (std::uint32_t i = 0; i < 100'000; ++i) {
    const bool bad = i % 100 == 7;
    v1::AttemptTrace& trace =
        Add(job, 1 + i % 1000, i, i / 1000 * 100'000, i / 1000 * 100'000 + 90'000,
            bad ? AttemptEnd::kFailed : AttemptEnd::kSucceeded);
    if (!bad) continue;
    trace.set_note(std::string(500, '"'));
    if (i > 93'600) trace.set_stderr_tail(std::string(2048, '\\'));
  }
  for (int i = 0; i < 5000; ++i) {
    v1::Counter& counter = *job.mutable_status()->add_counters();
    counter.set_name("c" + std::to_string(i));
  }
  const std::string json = JobPageJson(job, true);
  EXPECT_LT(json.size(), 300'000u);
  const Json page = Json::parse(json);
  EXPECT_EQ(page["timeline"]["lanes"].size(), 64u);
  EXPECT_EQ(page["timeline"]["lanes_left_out"], 936);
  EXPECT_EQ(page["timeline"]["attempts_left_out"], 93'600);
  EXPECT_EQ(page["trouble"].size(), kPageTroubledMax);
  EXPECT_EQ(page["trouble_all"], 1000);
  EXPECT_EQ(page["tails"].size(), kPageTailsMax);
  EXPECT_EQ(page["counters"].size(), kPageCountersMax);
}

TEST(OverviewPage, IsBoundedAndSaysWhatIsLeftOut) {
  Overview overview;
  for (std::uint64_t i = 1; i <= kPageJobsMax; ++i) {
    v1::JobStatus& job = *overview.jobs.add_jobs();
    job.set_job(i);
    for (int k = 0; k < 100; ++k) {
      v1::RunningAttempt& one = *job.add_running();
      one.set_worker(5);
      one.mutable_attempt()->mutable_task()->set_index(static_cast<std::uint32_t>(k));
    }
  }
  overview.jobs_left_out = 7;
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    v1::WorkerStatus& worker = *overview.workers.add_workers();
    worker.mutable_worker()->set_id(i);
    worker.set_alive(i % 2 == 1);
    worker.set_slots(4);
    worker.set_busy(i % 4);
  }
  const std::string json = OverviewJson(overview, {}, {});
  EXPECT_LT(json.size(), 150'000u);
  const Json page = Json::parse(json);
  EXPECT_EQ(page["jobs"][0]["job"], kPageJobsMax);  // The newest first.
  EXPECT_EQ(page["jobs_left_out"], 7);
  ASSERT_EQ(page["workers"].size(), kPageWorkersMax);
  EXPECT_TRUE(page["workers"][0]["alive"].get<bool>());
  EXPECT_EQ(page["workers"][2]["worker"], "5");
  EXPECT_EQ(page["workers"][2]["running"].size(), kPageRunningMax);
  EXPECT_EQ(page["workers_left_out"], 800);
  EXPECT_EQ(page["alive"], 500);
  EXPECT_EQ(page["slots"], 2000);
  EXPECT_EQ(page["busy"], 1000);
  EXPECT_EQ(page["coordinator"]["role"], "leader");
  overview.standby_of = {"10.0.0.2:7070", "http://10.0.0.2:7071/"};
  const Json standby = Json::parse(OverviewJson(overview, {}, {}))["coordinator"];
  EXPECT_EQ(standby["role"], "standby");
  EXPECT_EQ(standby["standby_of"], "10.0.0.2:7070");
  EXPECT_EQ(standby["leader_page"], "http://10.0.0.2:7071/");
}

TEST(OverviewPage, AnyBytesAreNamesAndOneLine) {
  Overview overview;
  overview.jobs.add_jobs()->set_name("\xff</script>\n\"");
  const std::string json = OverviewJson(overview, {}, {{1, 2, io::LogLevel::kWarn, "\xfe\n"}});
  EXPECT_EQ(json.find('\n'), std::string::npos);
  const Json page = Json::parse(json);
  EXPECT_EQ(page["jobs"][0]["name"], "\xef\xbf\xbd</script>\n\"");
  EXPECT_EQ(page["log"][0]["level"], "warn");
}

TEST(OverviewPage, HistoryHasItsColumns) {
  ClusterHistory history;
  for (int i = 0; i < 1000; ++i) history.Add(i * 1000, {1, 2, 3, 4, 5});
  const Json all = Json::parse(HistoryJson(history));
  EXPECT_EQ(all["samples"].size(), web::kHistorySamplesMax);
  EXPECT_EQ(all["samples"][0].size(), all["columns"].size());
  EXPECT_EQ(Json::parse(OverviewJson({}, history, {}))["samples"].size(), web::kEventSamplesMax);
}

}  // namespace
}  // namespace trireme::mapreduce::cluster
