#include "mapreduce/cluster/master.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <filesystem>
#include <map>
#include <set>

#include "base/random.h"
#include "mapreduce/cluster/file_journal.h"

namespace trireme::mapreduce::cluster {
namespace {

/// Keeps what a worker was told.
class FakeLink final : public WorkerLink {
 public:
  explicit FakeLink(std::deque<v1::WorkerOrder>* orders) : orders_(orders) {}
  void Send(const v1::WorkerOrder& order) override { orders_->push_back(order); }
  void Close(absl::Status) override {}

 private:
  std::deque<v1::WorkerOrder>* orders_;
};

/// A worker that does every task at once and truthfully. It outlives the master.
class FakeWorker {
 public:
  explicit FakeWorker(std::uint64_t id) : id_(id) {}

  void Attach(Master& master) {
    orders_.clear();
    session_ = std::make_shared<Master::Session>(std::make_unique<FakeLink>(&orders_));
    v1::WorkerMessage message;
    v1::Register* body = message.mutable_register_();
    body->mutable_place()->mutable_worker()->set_id(id_);
    body->mutable_place()->mutable_worker()->set_incarnation(1);
    body->set_slots(1);
    for (const auto& attempt : running_) *body->add_running()->mutable_attempt() = attempt;
    Say(master, std::move(message));
    for (const v1::WorkerMessage& report : unanswered_) Say(master, report);
  }

  /// Takes one order. True when there was one.
  bool Work(Master& master) {
    if (orders_.empty()) return false;
    const v1::WorkerOrder order = orders_.front();
    orders_.pop_front();
    if (order.has_answer()) OnAnswer(master, order.answer());
    if (order.has_assign()) Do(master, order.assign().attempt());
    return true;
  }

  const std::multiset<std::string>& maps_done() const { return maps_done_; }

 private:
  void Say(Master& master, v1::WorkerMessage message) {
    if (message.sequence() == 0) message.set_sequence(++sequence_);
    master.Receive(session_, std::move(message));
  }

  void Do(Master& master, const v1::AttemptRef& attempt) {
    running_.push_back(attempt);
    v1::WorkerMessage message;
    if (attempt.task().reduce()) {
      *message.mutable_commit()->mutable_attempt() = attempt;
      message.set_sequence(++sequence_);
      asking_[sequence_] = attempt;
      unanswered_.push_back(message);
      return Say(master, message);
    }
    maps_done_.insert(std::to_string(attempt.task().index()));
    Report(master, attempt);
  }

  void Report(Master& master, const v1::AttemptRef& attempt) {
    v1::WorkerMessage message;
    message.set_sequence(++sequence_);
    v1::AttemptSucceeded* body = message.mutable_succeeded();
    *body->mutable_attempt() = attempt;
    body->set_output_bytes(10);
    v1::Counter* counter = body->mutable_result()->add_counters();
    counter->set_group("user");
    counter->set_name("records");
    counter->set_value(1);
    unanswered_.push_back(message);
    Say(master, message);
  }

  void OnAnswer(Master& master, const v1::Answer& answer) {
    const auto at = std::find_if(unanswered_.begin(), unanswered_.end(), [&](const auto& said) {
      return said.sequence() == answer.sequence();
    });
    if (at == unanswered_.end() || answer.outcome() == v1::OUTCOME_UNKNOWN_WORKER) return;
    const v1::WorkerMessage said = *at;
    unanswered_.erase(at);
    const v1::AttemptRef attempt =
        said.has_commit() ? said.commit().attempt() : said.succeeded().attempt();
    if (answer.outcome() == v1::OUTCOME_COMMIT_GRANTED) return Report(master, attempt);
    std::erase_if(running_, [&](const auto& one) { return one.id() == attempt.id(); });
  }

  const std::uint64_t id_;
  std::uint64_t sequence_ = 0;
  std::shared_ptr<Master::Session> session_;
  std::deque<v1::WorkerOrder> orders_;
  std::vector<v1::AttemptRef> running_;
  std::vector<v1::WorkerMessage> unanswered_;
  std::map<std::uint64_t, v1::AttemptRef> asking_;
  std::multiset<std::string> maps_done_;
};

class MasterTest : public ::testing::Test {
 protected:
  MasterTest() {
    char name[] = "/tmp/trireme-master-XXXXXX";
    directory_ = ::mkdtemp(name);
  }
  ~MasterTest() override { std::filesystem::remove_all(directory_); }

  Master::Hands Hands() {
    Master::Hands hands;
    hands.now = [this] { return now_; };
    hands.check_output = [this](std::string, bool, auto done) {
      if (!checks_wait_) return done(absl::OkStatus());
      checks_.emplace_back(std::move(done));
    };
    hands.make_output = [this](const JobOutput&, auto done) {
      ++made_;
      done(make_status_);
    };
    hands.finish_output = [this](const JobOutput& output, bool keep, auto done) {
      finished_.push_back(output.directory + (keep ? " kept" : " dropped"));
      done(absl::OkStatus());
    };
    return hands;
  }

  void Start() {
    master_.reset();
    auto opened = FileJournal::Open(directory_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    auto master = Master::Create({}, Hands(), {std::move(opened->journal), opened->batches});
    ASSERT_TRUE(master.ok()) << master.status();
    master_ = *std::move(master);
    End();
  }

  void End() { ASSERT_TRUE(master_->EndTurn().ok()); }

  v1::SubmitJobRequest Request(std::uint64_t submission, int maps, const std::string& output) {
    v1::JobDefinition definition;
    definition.set_submission(submission);
    definition.set_setup("opaque");
    definition.set_output_directory(output);
    for (int i = 0; i < maps; ++i) definition.add_splits()->add_ranges()->set_path("f");
    v1::SubmitJobRequest request;
    request.mutable_spec()->set_name("job");
    request.mutable_spec()->set_maps(static_cast<std::uint32_t>(maps));
    request.mutable_spec()->set_reduces(3);
    request.mutable_spec()->set_max_attempts(4);
    request.mutable_spec()->set_definition(definition.SerializeAsString());
    return request;
  }

  absl::StatusOr<std::uint64_t> Submit(v1::SubmitJobRequest request) {
    absl::StatusOr<std::uint64_t> job = absl::UnknownError("no answer");
    master_->Submit(std::move(request), [&](const absl::StatusOr<v1::SubmitJobReply>& reply) {
      job = reply.ok() ? absl::StatusOr<std::uint64_t>(reply->job()) : reply.status();
    });
    End();
    return job;
  }

  v1::JobStatus Status(std::uint64_t job) {
    const auto status = master_->Status(plan::JobId{job});
    EXPECT_TRUE(status.ok()) << status.status();
    return status.ok() ? *status : v1::JobStatus{};
  }

  /// Lets the workers take up to `steps` orders; true when the job has ended.
  bool Run(std::vector<FakeWorker>& workers, std::uint64_t job, int steps) {
    for (int i = 0; i < steps; ++i) {
      bool any = false;
      for (FakeWorker& worker : workers) {
        any = worker.Work(*master_) || any;
        End();
      }
      now_ += 5;
      master_->Tick();
      End();
      if (Status(job).state() >= v1::JOB_STATE_SUCCEEDED) return true;
      if (!any && i > 1000) break;
    }
    return false;
  }

  std::string directory_;
  plan::TimeMs now_ = 1000;
  int made_ = 0;
  bool checks_wait_ = false;
  std::vector<absl::AnyInvocable<void(absl::Status)>> checks_;
  absl::Status make_status_;
  std::vector<std::string> finished_;
  std::shared_ptr<Master> master_;
};

TEST_F(MasterTest, AJobRunsToItsEnd) {
  Start();
  std::vector<FakeWorker> workers{FakeWorker(1), FakeWorker(2)};
  for (FakeWorker& worker : workers) worker.Attach(*master_);
  const auto job = Submit(Request(7, 20, "/out"));
  ASSERT_TRUE(job.ok()) << job.status();
  ASSERT_TRUE(Run(workers, *job, 10'000));
  EXPECT_EQ(Status(*job).state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_THAT(finished_, ::testing::ElementsAre("/out kept"));
  EXPECT_EQ(workers[0].maps_done().size() + workers[1].maps_done().size(), 20u);
}

TEST_F(MasterTest, ASubmissionSentTwiceIsOneJobAlsoAfterARestart) {
  Start();
  const auto first = Submit(Request(7, 2, "/out"));
  const auto second = Submit(Request(7, 2, "/out"));
  ASSERT_TRUE(first.ok() && second.ok());
  End();
  EXPECT_EQ(*first, *second);
  Start();
  const auto third = Submit(Request(7, 2, "/out"));
  ASSERT_TRUE(third.ok()) << third.status();
  EXPECT_EQ(*first, *third);
  EXPECT_EQ(master_->Jobs().jobs_size(), 1);
  EXPECT_EQ(made_, 1) << "what an attempt committed must not be removed by a restart";
}

TEST_F(MasterTest, ASubmissionSentAgainWhileItIsLookedAtIsOneJob) {
  Start();
  checks_wait_ = true;
  std::vector<absl::StatusOr<std::uint64_t>> replies;
  const auto submit = [&](std::uint64_t submission) {
    master_->Submit(Request(submission, 2, "/out"),
                    [&](const absl::StatusOr<v1::SubmitJobReply>& reply) {
                      replies.push_back(reply.ok() ? absl::StatusOr<std::uint64_t>(reply->job())
                                                   : reply.status());
                    });
    End();
  };
  submit(7);
  submit(7);
  EXPECT_TRUE(replies.empty());
  submit(8);
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_EQ(replies[0].status().code(), absl::StatusCode::kAlreadyExists) << "another's";
  ASSERT_EQ(checks_.size(), 1u);
  checks_[0](absl::OkStatus());
  End();
  ASSERT_EQ(replies.size(), 3u);
  ASSERT_TRUE(replies[1].ok() && replies[2].ok()) << replies[2].status();
  EXPECT_EQ(*replies[1], *replies[2]);
  EXPECT_EQ(master_->Jobs().jobs_size(), 1);
}

TEST_F(MasterTest, AnOutputThatCannotBeMadeFailsTheJob) {
  Start();
  std::vector<FakeWorker> workers{FakeWorker(1)};
  workers[0].Attach(*master_);
  make_status_ = absl::PermissionDeniedError("read-only");
  const auto job = Submit(Request(7, 2, "/out"));
  ASSERT_TRUE(job.ok() && Run(workers, *job, 100));
  EXPECT_EQ(Status(*job).state(), v1::JOB_STATE_FAILED);
  EXPECT_EQ(Status(*job).failure().message(), "read-only");
  EXPECT_TRUE(workers[0].maps_done().empty());
}

TEST_F(MasterTest, OneWriterForEachOutputDirectory) {
  Start();
  ASSERT_TRUE(Submit(Request(1, 2, "/out")).ok());
  EXPECT_EQ(Submit(Request(2, 2, "/out")).status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(Submit(Request(3, 2, "/other")).ok());
}

TEST_F(MasterTest, ADefinitionThatDoesNotFitItsSpecIsRefused) {
  Start();
  v1::SubmitJobRequest request = Request(1, 2, "/out");
  request.mutable_spec()->set_maps(3);
  EXPECT_EQ(Submit(request).status().code(), absl::StatusCode::kInvalidArgument);
  request = Request(1, 2, "/out");
  request.mutable_spec()->set_definition("\xff\xff garbage");
  EXPECT_EQ(Submit(request).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(master_->Jobs().jobs_size(), 0);
}

/// The coordinator dies after any number of steps, between journal and orders included, as often
/// as the seed says. What it told anybody it still knows.
TEST_F(MasterTest, ARestartAtAnyPointLosesAndRepeatsNothingThatWasFinished) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    std::filesystem::remove_all(directory_);
    Random random(seed);
    finished_.clear();
    Start();
    std::vector<FakeWorker> workers{FakeWorker(1), FakeWorker(2), FakeWorker(3)};
    for (FakeWorker& worker : workers) worker.Attach(*master_);
    const auto job = Submit(Request(seed, 12, "/out"));
    ASSERT_TRUE(job.ok()) << job.status();
    bool over = false;
    for (int life = 0; life < 200 && !over; ++life) {
      over = Run(workers, *job, static_cast<int>(1 + random.Below(6)));
      if (over) break;
      const std::uint32_t before = Status(*job).maps().succeeded();
      if (random.OneIn(4)) {
        ASSERT_TRUE(master_->Compact().ok());
      }
      for (FakeWorker& worker : workers) {
        if (random.OneIn(2)) worker.Work(*master_);  // received, and never written down
      }
      Start();
      EXPECT_GE(Status(*job).maps().succeeded(), before) << "seed " << seed;
      for (FakeWorker& worker : workers) worker.Attach(*master_);
      End();
    }
    ASSERT_TRUE(over || Run(workers, *job, 10'000)) << "seed " << seed;
    const v1::JobStatus status = Status(*job);
    EXPECT_EQ(status.state(), v1::JOB_STATE_SUCCEEDED) << "seed " << seed;
    std::multiset<std::string> maps;
    for (const FakeWorker& worker : workers) {
      maps.insert(worker.maps_done().begin(), worker.maps_done().end());
    }
    EXPECT_EQ(std::set<std::string>(maps.begin(), maps.end()).size(), 12u);
    for (const v1::Counter& counter : status.counters()) {
      if (counter.name() == "records") {
        EXPECT_EQ(counter.value(), 12 + 3) << "seed " << seed;
      }
    }
    EXPECT_THAT(finished_, ::testing::Each("/out kept"));
  }
}

TEST_F(MasterTest, AnEndedJobIsRememberedWithItsCounters) {
  Start();
  std::vector<FakeWorker> workers{FakeWorker(1)};
  workers[0].Attach(*master_);
  const auto job = Submit(Request(7, 5, "/out"));
  ASSERT_TRUE(job.ok() && Run(workers, *job, 10'000));
  v1::JobStatus before = Status(*job);
  finished_.clear();
  Start();
  End();
  EXPECT_EQ(Status(*job).SerializeAsString(), before.SerializeAsString());
  EXPECT_THAT(finished_, ::testing::IsEmpty()) << "what was done is not done again";
}

}  // namespace
}  // namespace trireme::mapreduce::cluster
