#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mapreduce/cluster/master.h"

/// A master over a journal that takes its time: what waits for it, what does not, and what becomes
/// of both when another leads.
namespace trireme::mapreduce::cluster {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Durable when the test says so.
class SlowJournal final : public Journal {
 public:
  explicit SlowJournal(std::vector<std::string>* batches) : batches_(*batches) {}

  absl::StatusOr<JournalToken> Append(std::string payload, Urgency urgency) override {
    waiting_.push_back(std::move(payload));
    urgency_ = std::max(urgency_, urgency);
    return durable_ + waiting_.size();
  }
  JournalToken durable() const override { return durable_; }
  absl::Status Advance() override { return end_; }
  bool WantsCompaction() const override { return false; }
  absl::Status Compact(std::vector<std::string>) override { return absl::OkStatus(); }
  absl::Status CheckRoom(std::size_t bytes) const override {
    return bytes < 4'000 ? absl::OkStatus() : absl::ResourceExhaustedError("full");
  }
  std::uint64_t bytes() const override { return 0; }
  const std::string& path() const override { return path_; }

  void Flush() {
    durable_ += waiting_.size();
    for (std::string& payload : std::exchange(waiting_, {})) batches_.push_back(std::move(payload));
    urgency_ = Urgency::kCanWait;
  }
  Urgency urgency() const { return urgency_; }
  void End(absl::Status status) { end_ = std::move(status); }

 private:
  std::vector<std::string>& batches_;
  std::vector<std::string> waiting_;
  JournalToken durable_ = 0;
  Urgency urgency_ = Urgency::kCanWait;
  absl::Status end_;
  const std::string path_ = "slow";
};

struct Ends {
  std::vector<v1::WorkerOrder> orders;
  std::optional<absl::Status> closed;
};

class RecordingLink final : public WorkerLink {
 public:
  explicit RecordingLink(Ends* ends) : ends_(*ends) {}
  void Send(const v1::WorkerOrder& order) override { ends_.orders.push_back(order); }
  void Close(absl::Status why) override { ends_.closed = std::move(why); }

 private:
  Ends& ends_;
};

class MasterPromisesTest : public testing::Test {
 protected:
  void Start(plan::TimeMs gather_ms = 0) {
    Master::Hands hands;
    hands.now = [this] { return now_; };
    hands.check_output = [](std::string, bool, auto done) { done(absl::OkStatus()); };
    hands.make_output = [this](const JobOutput& output, auto done) {
      made_.push_back(output.directory);
      done(absl::OkStatus());
    };
    hands.finish_output = [this](const JobOutput& output, bool, auto done) {
      finished_.push_back(output.directory);
      done(absl::OkStatus());
    };
    journal_ = std::make_shared<SlowJournal>(&batches_);
    auto master = Master::Create({}, std::move(hands), {journal_, batches_, gather_ms});
    ASSERT_TRUE(master.ok()) << master.status();
    master_ = *std::move(master);
    End();
  }

  void End() { ASSERT_TRUE(master_->EndTurn().ok()); }
  void Flush() {
    journal_->Flush();
    End();
  }

  std::shared_ptr<Master::Session> Attach(std::uint64_t worker, Ends* ends, std::uint32_t slots = 1,
                                          const std::vector<v1::AttemptRef>& running = {}) {
    auto session = std::make_shared<Master::Session>(std::make_unique<RecordingLink>(ends));
    v1::WorkerMessage message;
    v1::Register* body = message.mutable_register_();
    body->mutable_place()->mutable_worker()->set_id(worker);
    body->mutable_place()->mutable_worker()->set_incarnation(1);
    body->set_slots(slots);
    for (const auto& attempt : running) *body->add_running()->mutable_attempt() = attempt;
    Say(session, std::move(message));
    return session;
  }
  void Say(const std::shared_ptr<Master::Session>& session, v1::WorkerMessage message) {
    message.set_sequence(++sequence_);
    master_->Receive(session, std::move(message));
    End();
  }
  void Beat(const std::shared_ptr<Master::Session>& session, std::uint32_t slots,
            const std::vector<v1::AttemptRef>& running) {
    v1::WorkerMessage message;
    message.mutable_heartbeat()->set_slots(slots);
    for (const auto& attempt : running) {
      *message.mutable_heartbeat()->add_running()->mutable_attempt() = attempt;
    }
    Say(session, std::move(message));
  }
  void Succeed(const std::shared_ptr<Master::Session>& session, const v1::AttemptRef& attempt) {
    v1::WorkerMessage message;
    *message.mutable_succeeded()->mutable_attempt() = attempt;
    Say(session, std::move(message));
  }

  void Submit(int maps, int reduces = 1, std::size_t padding = 0) {
    v1::JobDefinition definition;
    definition.set_submission(7);
    definition.set_setup(std::string(padding + 1, 's'));
    definition.set_output_directory("/out");
    for (int i = 0; i < maps; ++i) definition.add_splits()->add_ranges()->set_path("f");
    v1::SubmitJobRequest request;
    request.mutable_spec()->set_maps(static_cast<std::uint32_t>(maps));
    request.mutable_spec()->set_reduces(static_cast<std::uint32_t>(reduces));
    request.mutable_spec()->set_max_attempts(4);
    request.mutable_spec()->set_definition(definition.SerializeAsString());
    master_->Submit(std::move(request), [this](const absl::StatusOr<v1::SubmitJobReply>& reply) {
      submitted_ = reply.status();
    });
    End();
  }

  static std::vector<v1::AttemptRef> Assigned(const Ends& ends) {
    std::vector<v1::AttemptRef> attempts;
    for (const v1::WorkerOrder& order : ends.orders) {
      if (order.has_assign()) attempts.push_back(order.assign().attempt());
    }
    return attempts;
  }
  /// Outcomes of the answers, in order.
  static std::vector<v1::Outcome> Answers(const Ends& ends) {
    std::vector<v1::Outcome> outcomes;
    for (const v1::WorkerOrder& order : ends.orders) {
      if (order.has_answer()) outcomes.push_back(order.answer().outcome());
    }
    return outcomes;
  }
  /// A job of so many maps, on record, whose first attempts are given out.
  void StartJob(int maps, int reduces = 1) {
    Submit(maps, reduces);
    for (int i = 0; i < 3; ++i) Flush();
  }

  plan::TimeMs now_ = 1'000;
  std::uint64_t sequence_ = 0;
  std::vector<std::string> batches_;
  std::shared_ptr<SlowJournal> journal_;
  std::shared_ptr<Master> master_;
  std::vector<std::string> made_, finished_;
  std::optional<absl::Status> submitted_;
};

TEST_F(MasterPromisesTest, NothingGoesOutBeforeTheEpochIsOnRecord) {
  Start();
  EXPECT_EQ(journal_->urgency(), Urgency::kAtOnce);
  Ends ends;
  Attach(1, &ends);
  EXPECT_THAT(ends.orders, IsEmpty());
  Flush();
  EXPECT_THAT(Answers(ends), ElementsAre(v1::OUTCOME_OK));
}

TEST_F(MasterPromisesTest, ASubmissionIsAcceptedWhenItIsOnRecordAndMadeOnlyThen) {
  Start();
  Flush();
  Submit(2);
  EXPECT_EQ(journal_->urgency(), Urgency::kAtOnce);
  EXPECT_FALSE(submitted_.has_value());
  EXPECT_THAT(made_, IsEmpty());
  Flush();
  ASSERT_TRUE(submitted_.has_value());
  EXPECT_TRUE(submitted_->ok());
  EXPECT_THAT(made_, ElementsAre("/out"));
}

TEST_F(MasterPromisesTest, ASubmissionThatDoesNotFitIsRefused) {
  Start();
  Flush();
  Submit(2, 1, 5'000);
  ASSERT_TRUE(submitted_.has_value());
  EXPECT_TRUE(absl::IsResourceExhausted(*submitted_)) << *submitted_;
}

TEST_F(MasterPromisesTest, AnAttemptStartsOnlyWhenItsOutputIsOnRecord) {
  Start();
  Ends ends;
  Attach(1, &ends);
  Flush();
  Submit(1);
  Flush();  // admitted
  EXPECT_THAT(Assigned(ends), IsEmpty());
  End();  // the output was made
  EXPECT_EQ(journal_->urgency(), Urgency::kAtOnce);
  EXPECT_THAT(Assigned(ends), IsEmpty());
  Flush();
  EXPECT_EQ(Assigned(ends).size(), 1u);
}

TEST_F(MasterPromisesTest, ASuccessIsConfirmedLaterAndTheNextAttemptGoesAtOnce) {
  Start();
  Ends ends;
  const auto session = Attach(1, &ends);
  StartJob(2);
  ASSERT_EQ(Assigned(ends).size(), 1u);
  const std::size_t answers = Answers(ends).size();
  Succeed(session, Assigned(ends)[0]);
  EXPECT_EQ(journal_->urgency(), Urgency::kCanWait) << "nobody waits for one success";
  EXPECT_EQ(Assigned(ends).size(), 2u) << "the slot is not idle";
  EXPECT_EQ(Answers(ends).size(), answers) << "and nothing is promised";
  Beat(session, 1, {Assigned(ends)[0], Assigned(ends)[1]});
  EXPECT_EQ(Answers(ends).size(), answers + 1) << "heartbeats do not wait";
  Flush();
  EXPECT_EQ(Answers(ends).size(), answers + 2);
}

TEST_F(MasterPromisesTest, AFailureIsConfirmedWhenItIsOnRecord) {
  Start();
  Ends ends;
  const auto session = Attach(1, &ends);
  StartJob(2);
  const std::size_t answers = Answers(ends).size();
  v1::WorkerMessage message;
  *message.mutable_failed()->mutable_attempt() = Assigned(ends)[0];
  Say(session, message);
  EXPECT_EQ(Assigned(ends).size(), 2u) << "the slot is not idle";
  EXPECT_EQ(Answers(ends).size(), answers) << "who reported it repeats it to the next leader";
  Flush();
  EXPECT_EQ(Answers(ends).size(), answers + 1);
}

TEST_F(MasterPromisesTest, AReduceStartsWhenTheMapsBeforeItAreOnRecord) {
  Start();
  Ends ends;
  const auto session = Attach(1, &ends);
  StartJob(1, 2);
  Succeed(session, Assigned(ends)[0]);
  EXPECT_EQ(journal_->urgency(), Urgency::kAtOnce) << "a phase ends";
  EXPECT_EQ(Assigned(ends).size(), 1u) << "to the next leader it would mean nothing";
  Flush();
  ASSERT_EQ(Assigned(ends).size(), 2u);
  EXPECT_TRUE(Assigned(ends)[1].task().reduce());
}

TEST_F(MasterPromisesTest, APermissionToCommitWaits) {
  Start();
  Ends ends;
  const auto session = Attach(1, &ends);
  StartJob(0);
  ASSERT_EQ(Assigned(ends).size(), 1u);
  v1::WorkerMessage message;
  *message.mutable_commit()->mutable_attempt() = Assigned(ends)[0];
  Say(session, message);
  EXPECT_THAT(Answers(ends), ElementsAre(v1::OUTCOME_OK));
  EXPECT_EQ(journal_->urgency(), Urgency::kNextWrite) << "a slot waits";
  Flush();
  EXPECT_THAT(Answers(ends), ElementsAre(v1::OUTCOME_OK, v1::OUTCOME_COMMIT_GRANTED));
}

TEST_F(MasterPromisesTest, AJobEndsForOthersWhenThatIsOnRecord) {
  Start();
  Ends ends;
  const auto session = Attach(1, &ends);
  StartJob(0);
  v1::WorkerMessage message;
  *message.mutable_commit()->mutable_attempt() = Assigned(ends)[0];
  Say(session, message);
  Flush();
  Succeed(session, Assigned(ends)[0]);
  EXPECT_EQ(journal_->urgency(), Urgency::kAtOnce);
  EXPECT_THAT(finished_, IsEmpty()) << "nothing is moved before the end is on record";
  Flush();
  EXPECT_THAT(finished_, ElementsAre("/out"));
  End();  // it is finished
  EXPECT_EQ(master_->Status(plan::JobId{1})->state(), v1::JOB_STATE_REDUCING);
  Flush();
  EXPECT_EQ(master_->Status(plan::JobId{1})->state(), v1::JOB_STATE_SUCCEEDED);
}

TEST_F(MasterPromisesTest, ADeposedMasterBreaksItsPromisesAndSendsAllAway) {
  Start();
  Ends ends;
  const auto session = Attach(1, &ends);
  Flush();
  Submit(1);
  journal_->End(absl::AbortedError("another leads"));
  EXPECT_TRUE(absl::IsAborted(master_->EndTurn()));
  EXPECT_FALSE(submitted_.has_value());
  master_->Close(absl::UnavailableError("it does not lead"));
  ASSERT_TRUE(submitted_.has_value());
  EXPECT_THAT(submitted_->message(), HasSubstr("does not lead"));
  ASSERT_TRUE(ends.closed.has_value());
  EXPECT_TRUE(absl::IsUnavailable(*ends.closed));
  EXPECT_FALSE(session->registered) << "a master that follows does not take it for its own";
}

// ---- Taking over

class GatherTest : public MasterPromisesTest {
 protected:
  /// Two workers with a slot each, of whom the first runs an attempt and the second has finished
  /// one that was not confirmed; their leader is gone.
  void LoseLeader(bool on_record = false) {
    Start(500);
    Flush();
    Ends one, two;
    const auto first = Attach(1, &one);
    const auto second = Attach(2, &two);
    StartJob(3);
    attempts_ = {Assigned(one).at(0), Assigned(two).at(0)};
    Succeed(second, attempts_[1]);
    next_ = Assigned(two).at(1);
    if (on_record) journal_->Flush();
    Start(500);  // what was not flushed is lost
    Flush();
  }

  std::vector<v1::AttemptRef> attempts_;
  v1::AttemptRef next_;
};

TEST_F(GatherTest, NothingIsGivenOutBeforeAllHaveComeAndNothingTwice) {
  LoseLeader();
  Ends one, two;
  const auto second = Attach(2, &two, 1, {attempts_[1], next_});
  EXPECT_THAT(two.orders, IsEmpty()) << "the first has not come";
  const auto first = Attach(1, &one, 1, {attempts_[0]});
  EXPECT_THAT(Answers(one), ElementsAre(v1::OUTCOME_OK));
  EXPECT_THAT(Answers(two), ElementsAre(v1::OUTCOME_OK));
  Succeed(second, attempts_[1]);
  Beat(second, 1, {attempts_[1], next_});
  Beat(first, 1, {attempts_[0]});
  Flush();
  EXPECT_THAT(Assigned(one), IsEmpty());
  EXPECT_THAT(Assigned(two), IsEmpty());
  EXPECT_EQ(master_->Status(plan::JobId{1})->maps().succeeded(), 1u);
  EXPECT_EQ(master_->Status(plan::JobId{1})->maps().running(), 2u);
  for (const v1::WorkerOrder& order : two.orders) EXPECT_FALSE(order.has_cancel());
}

/// The leader dies when the success is on record and its worker has not heard that it is.
TEST_F(GatherTest, ASuccessThatWasCountedAndNotConfirmedLeavesNoSlotFree) {
  LoseLeader(/*on_record=*/true);
  Ends one, two;
  const auto second = Attach(2, &two, 1, {attempts_[1], next_});
  const auto first = Attach(1, &one, 1, {attempts_[0]});
  Succeed(second, attempts_[1]);
  Flush();
  EXPECT_EQ(Answers(two).back(), v1::OUTCOME_DUPLICATE);
  Beat(second, 1, {attempts_[1], next_});
  Beat(first, 1, {attempts_[0]});
  EXPECT_EQ(master_->Status(plan::JobId{1})->maps().running(), 2u);
  for (const Ends* ends : {&one, &two}) {
    EXPECT_THAT(Assigned(*ends), IsEmpty());
    for (const v1::WorkerOrder& order : ends->orders) EXPECT_FALSE(order.has_cancel());
  }
}

TEST_F(GatherTest, AWorkerThatDoesNotComeIsWaitedForOnlySoLong) {
  LoseLeader();
  Ends two;
  const auto second = Attach(2, &two, 1, {attempts_[1], next_});
  now_ += 499;
  master_->Tick();
  End();
  EXPECT_THAT(two.orders, IsEmpty());
  now_ += 1;
  master_->Tick();
  End();
  Flush();
  EXPECT_THAT(Answers(two), ElementsAre(v1::OUTCOME_OK));
  // The next leader does not wait for it any more.
  Start(500);
  Flush();
  Ends again;
  Attach(2, &again, 1, {attempts_[1], next_});
  EXPECT_THAT(Answers(again), ElementsAre(v1::OUTCOME_OK));
}

TEST_F(GatherTest, WithoutJobsNobodyWaits) {
  Start(500);
  Flush();
  Ends ends;
  Attach(1, &ends);
  Flush();
  Start(500);
  Flush();
  Ends other;
  Attach(2, &other);
  Flush();  // it is on record
  End();
  EXPECT_THAT(Answers(other), ElementsAre(v1::OUTCOME_OK));
}

TEST_F(GatherTest, AWorkerWhoseStreamEndsMeanwhileIsAwaitedAgain) {
  LoseLeader();
  Ends lost, one, two;
  master_->Detach(Attach(2, &lost, 1, {attempts_[1], next_}));
  Attach(1, &one, 1, {attempts_[0]});
  EXPECT_THAT(one.orders, IsEmpty());
  Attach(2, &two, 1, {attempts_[1], next_});
  EXPECT_THAT(lost.orders, IsEmpty());
  EXPECT_THAT(Answers(one), ElementsAre(v1::OUTCOME_OK));
  EXPECT_THAT(Answers(two), ElementsAre(v1::OUTCOME_OK));
}

TEST_F(GatherTest, AWorkerWhoseOldStreamEndsAfterTheNewOneBeganHasCome) {
  LoseLeader();
  Ends lost, one, two;
  const auto old = Attach(2, &lost, 1, {attempts_[1], next_});
  Attach(2, &two, 1, {attempts_[1], next_});
  master_->Detach(old);
  Attach(1, &one, 1, {attempts_[0]});
  EXPECT_THAT(Answers(two), ElementsAre(v1::OUTCOME_OK));
}

TEST_F(GatherTest, AWorkerIsGivenNothingBeforeTheNextLeaderWouldAwaitIt) {
  Start(500);
  StartJob(2);
  Ends gone, ends, again;
  const auto session = Attach(1, &gone);
  Attach(2, &ends);
  Attach(2, &again);
  master_->Detach(session);
  EXPECT_THAT(again.orders, IsEmpty());
  Flush();
  End();
  EXPECT_THAT(gone.orders, IsEmpty());
  EXPECT_THAT(Answers(again), ElementsAre(v1::OUTCOME_OK));
  EXPECT_EQ(Assigned(again).size(), 1u);
  Ends waiting;
  Attach(3, &waiting);
  master_->Close(absl::UnavailableError("it does not lead"));
  EXPECT_TRUE(waiting.closed.has_value());
}

}  // namespace
}  // namespace trireme::mapreduce::cluster
