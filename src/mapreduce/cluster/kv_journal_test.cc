#include "mapreduce/cluster/kv_journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace trireme::mapreduce::cluster {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// As much of a KV as a transaction of the journal's needs.
class FakeKv {
 public:
  absl::StatusOr<kv::TxnResult> Run(const kv::Txn& txn) {
    kv::TxnResult result;
    result.succeeded = true;
    for (const kv::Compare& compare : txn.compares()) result.succeeded &= Holds(compare);
    if (result.succeeded) ++revision_;
    for (const kv::Step& step : result.succeeded ? txn.then_steps() : txn.else_steps()) {
      result.results.push_back(Do(step));
    }
    result.revision = {revision_};
    return result;
  }
  void Put(const std::string& key, const std::string& value) {
    ++revision_;
    Set({key, value, {}});
  }
  void Delete(const std::string& key) { ++revision_, keys_.erase(key); }
  const std::map<std::string, kv::KeyValue>& keys() const { return keys_; }

 private:
  bool Holds(const kv::Compare& compare) const {
    const auto found = keys_.find(compare.key);
    const kv::KeyValue none;
    const kv::KeyValue& has = found == keys_.end() ? none : found->second;
    return (compare.field == kv::Field::kCreated ? has.created : has.modified).value ==
           std::get<std::int64_t>(compare.operand);
  }
  kv::StepResult Do(const kv::Step& step) {
    if (const auto* put = std::get_if<kv::PutStep>(&step)) {
      Set(*put);
    } else if (const auto* gone = std::get_if<kv::DeleteStep>(&step)) {
      keys_.erase(keys_.lower_bound(gone->range.begin), keys_.lower_bound(gone->range.end));
    } else if (const auto* query = std::get_if<kv::RangeQuery>(&step)) {
      kv::RangeResult range;
      const auto found = keys_.find(query->range.begin);
      if (found != keys_.end()) range.keys.push_back(found->second);
      return {range};
    }
    return {kv::Written{}};
  }
  void Set(const kv::PutStep& put) {
    kv::KeyValue& at = keys_[put.key];
    at.key = put.key;
    at.value = put.value;
    if (at.created.value == 0) at.created = {revision_};
    at.modified = {revision_};
  }

  std::map<std::string, kv::KeyValue> keys_;
  std::int64_t revision_ = 1;
};

class KvJournalTest : public testing::Test {
 protected:
  KvJournalTest() {
    kv_.Put("p/leader/1", "me");
    KvJournal::Hands hands;
    hands.now_ms = [this] { return now_; };
    hands.post = [this](auto task) { posted_.push_back(std::move(task)); };
    hands.commit = [this](const kv::Txn& txn, kv::Client::TxnDone done) {
      sent_.emplace_back(txn, std::move(done));
    };
    limits_.batch_bytes_max = 1'000;
    limits_.journal_bytes_max = 2'000;
    journal_ = KvJournal::Create("p", {"p/leader/1", kv_.keys().at("p/leader/1").created.value}, {},
                                 limits_, std::move(hands));
  }

  JournalToken Append(const std::string& payload, Urgency urgency = Urgency::kNextWrite) {
    const auto token = journal_->Append(payload, urgency);
    EXPECT_TRUE(token.ok()) << token.status();
    return token.value_or(0);
  }
  /// Answers the transaction that waits, and lets the owner's thread hear of it.
  void Answer() {
    ASSERT_EQ(sent_.size(), 1u);
    auto [txn, done] = std::move(sent_.front());
    sent_.pop_front();
    done(kv_.Run(txn));
    Listen();
  }
  void Lose(bool took_effect) {
    ASSERT_EQ(sent_.size(), 1u);
    auto [txn, done] = std::move(sent_.front());
    sent_.pop_front();
    if (took_effect) {
      ASSERT_TRUE(kv_.Run(txn).ok());
    }
    done(absl::UnavailableError("connection lost"));
    Listen();
  }
  void Listen() {
    while (!posted_.empty()) {
      auto task = std::move(posted_.front());
      posted_.pop_front();
      task();
    }
  }

  std::int64_t now_ = 0;
  FakeKv kv_;
  ledger::Limits limits_;
  std::deque<absl::AnyInvocable<void()>> posted_;
  std::deque<std::pair<kv::Txn, kv::Client::TxnDone>> sent_;
  std::shared_ptr<KvJournal> journal_;
};

TEST_F(KvJournalTest, ABatchIsDurableWhenTheKvHasIt) {
  const JournalToken token = Append("one");
  EXPECT_LT(journal_->durable(), token);
  Answer();
  EXPECT_EQ(journal_->durable(), token);
  EXPECT_EQ(kv_.keys().count("p/journal/head"), 1u);
  EXPECT_EQ(kv_.keys().count("p/journal/0000000000000001/0000000000000000"), 1u);
}

TEST_F(KvJournalTest, TheSecondWaitsForTheIntervalAndSaysHowLong) {
  Append("one");
  Answer();
  Append("two");
  EXPECT_TRUE(sent_.empty());
  EXPECT_EQ(journal_->PatienceMs(), 100);
  now_ = 100;
  EXPECT_EQ(journal_->PatienceMs(), 0);
  EXPECT_TRUE(journal_->Advance().ok());
  Answer();
  EXPECT_EQ(journal_->durable(), 2u);
  EXPECT_EQ(journal_->writes(), 2u);
}

TEST_F(KvJournalTest, ALostAnswerIsAskedForAgain) {
  for (const bool took_effect : {false, true}) {
    const JournalToken token = Append("batch", Urgency::kAtOnce);
    Lose(took_effect);
    EXPECT_LT(journal_->durable(), token);
    now_ += 100;
    EXPECT_TRUE(journal_->Advance().ok());
    Answer();
    EXPECT_EQ(journal_->durable(), token) << took_effect;
    now_ += 100;
  }
}

TEST_F(KvJournalTest, ADeposedWriterIsAborted) {
  Append("one");
  Answer();
  kv_.Delete("p/leader/1");
  Append("two", Urgency::kAtOnce);
  Answer();
  EXPECT_TRUE(absl::IsAborted(journal_->Advance()));
  EXPECT_EQ(journal_->durable(), 1u);
  EXPECT_TRUE(absl::IsAborted(journal_->Append("three", Urgency::kAtOnce).status()));
}

TEST_F(KvJournalTest, AStrangerBelowThePrefixEndsIt) {
  Append("one");
  Answer();
  kv_.Put("p/journal/head", "mine");
  Append("two", Urgency::kAtOnce);
  Answer();
  const absl::Status status = journal_->Advance();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("p/journal/head"));
}

TEST_F(KvJournalTest, WhatDoesNotFitIsToldBefore) {
  EXPECT_TRUE(journal_->CheckRoom(900).ok());
  EXPECT_THAT(journal_->CheckRoom(1'001).message(), HasSubstr("--split-size"));
  Append(std::string(1'000, 'a'));
  Append(std::string(900, 'a'));
  EXPECT_THAT(journal_->CheckRoom(500).message(), HasSubstr("prefix 'p'"));
  EXPECT_TRUE(absl::IsResourceExhausted(
      journal_->Append(std::string(1'001, 'a'), Urgency::kAtOnce).status()));
}

TEST_F(KvJournalTest, AnAnswerThatComesAfterItsEndIsHarmless) {
  Append("one");
  auto [txn, done] = std::move(sent_.front());
  journal_.reset();
  done(kv_.Run(txn));
  Listen();
}

}  // namespace
}  // namespace trireme::mapreduce::cluster
