#include "raft/replica/forwards.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/random.h"

namespace trireme::raft {
namespace {

constexpr NodeId kLeader{1};
constexpr std::uint64_t kTimeout = 10;

Index At(std::uint64_t index) {
  return Index{index};
}

/// Forwards whose ends are written down: c committed in its place, n not executed, u unknown.
class Ledger {
 public:
  explicit Ledger(Index committed = {}) { forwards_.BeginAt(committed); }

  std::uint64_t Send(int count, NodeId to = kLeader) {
    std::vector<ProposalCallback> done;
    for (int i = 0; i < count; ++i) {
      done.push_back([this, at = ends_.size()](const ProposalResult& result) {
        EXPECT_EQ(ends_[at], '.');
        ends_[at] = result.state == ProposalState::kCommitted     ? 'c'
                    : result.state == ProposalState::kNotExecuted ? 'n'
                                                                  : 'u';
      });
      ends_ += '.';
    }
    return forwards_.Sent(to, std::move(done), kTimeout);
  }
  bool Answer(std::uint64_t number, Term term, std::vector<ForwardAnswer::Run> runs,
              NodeId from = kLeader) {
    const bool taken = forwards_.Answered(from, {7, number, term, std::move(runs)}, term_at_);
    Settle();
    return taken;
  }
  /// The terms of the entries that commit, from `first` on.
  void Commit(std::uint64_t first, const std::vector<std::uint64_t>& terms) {
    std::vector<Forwards::Placed> placed;
    forwards_.Committed({At(first + terms.size() - 1), Term{terms.back()}}, &placed);
    Index before;
    for (Forwards::Placed& one : placed) {
      EXPECT_GE(one.position.index, before);
      before = one.position.index;
      ProposalResult result;
      result.state = Term{terms.at(one.position.index.value - first)} == one.position.term
                         ? ProposalState::kCommitted
                         : ProposalState::kNotExecuted;
      one.done(result);
    }
    Settle();
  }
  template <typename Call>
  void Do(const Call& call) {
    call(forwards_);
    Settle();
  }
  void KnowTerm(std::optional<Term> term) {
    term_at_ = [term](Index) { return term; };
  }
  const std::string& ends() const { return ends_; }
  Forwards& forwards() { return forwards_; }

 private:
  void Settle() {
    for (Forwards::Ended& ended : forwards_.TakeEnded()) ended.done(std::move(ended.result));
  }
  Forwards forwards_{7};
  Forwards::TermAt term_at_ = [](Index) { return std::nullopt; };
  std::string ends_;
};

TEST(Forwards, CommitInTheirPlaces) {
  Ledger ledger;
  const std::uint64_t number = ledger.Send(3);
  EXPECT_TRUE(ledger.Answer(number, Term{2}, {{3, At(5), {}}}));
  ledger.Commit(4, {2, 2});
  EXPECT_EQ(ledger.ends(), "c..");
  ledger.Commit(6, {2, 2, 2});
  EXPECT_EQ(ledger.ends(), "ccc");
  EXPECT_TRUE(ledger.forwards().empty());
}

TEST(Forwards, WhatTheLeaderRefusesIsNotExecuted) {
  Ledger ledger;
  const absl::Status busy = absl::ResourceExhaustedError("busy");
  EXPECT_TRUE(ledger.Answer(ledger.Send(3), Term{2}, {{1, At(5), {}}, {2, {}, busy}}));
  EXPECT_EQ(ledger.ends(), ".nn");
  ledger.Commit(5, {2});
  EXPECT_EQ(ledger.ends(), "cnn");
}

TEST(Forwards, AnotherEntryInThePlaceSaysNotExecuted) {
  Ledger ledger;
  EXPECT_TRUE(ledger.Answer(ledger.Send(2), Term{2}, {{2, At(5), {}}}));
  ledger.Commit(5, {3, 3});
  EXPECT_EQ(ledger.ends(), "nn");
}

TEST(Forwards, ALaterTermBeforeThePlaceSaysNotExecuted) {
  Ledger ledger;
  EXPECT_TRUE(ledger.Answer(ledger.Send(2), Term{2}, {{2, At(5), {}}}));
  ledger.Commit(4, {2});
  EXPECT_EQ(ledger.ends(), "..");
  ledger.Commit(5, {3});
  EXPECT_EQ(ledger.ends(), "nn");
}

TEST(Forwards, PlacesOfTwoLeadersOverlap) {
  Ledger ledger;
  EXPECT_TRUE(ledger.Answer(ledger.Send(3), Term{2}, {{3, At(5), {}}}));
  const std::uint64_t number = ledger.Send(2, NodeId{2});
  EXPECT_TRUE(ledger.Answer(number, Term{3}, {{2, At(6), {}}}, NodeId{2}));
  ledger.Commit(5, {2, 3, 3});
  EXPECT_EQ(ledger.ends(), "cnncc");
}

TEST(Forwards, SilenceIsUnknown) {
  Ledger ledger;
  ledger.Send(1);
  EXPECT_TRUE(ledger.Answer(ledger.Send(1), Term{2}, {{1, At(5), {}}}));
  ledger.Do([](Forwards& f) { f.Tick(kTimeout - 1); });
  EXPECT_EQ(ledger.ends(), "..");
  ledger.Do([](Forwards& f) { f.Tick(1); });
  EXPECT_EQ(ledger.ends(), "uu");
}

TEST(Forwards, AnotherLeaderShortensTheWaitForAnAnswer) {
  Ledger ledger;
  ledger.Send(1);
  EXPECT_TRUE(ledger.Answer(ledger.Send(1), Term{2}, {{1, At(5), {}}}));
  ledger.Do([](Forwards& f) { f.LeaderIs(NodeId{2}, 3); });
  ledger.Do([](Forwards& f) { f.Tick(3); });
  EXPECT_EQ(ledger.ends(), "u.");
}

TEST(Forwards, ALostConnectionLeavesThoseWithAPlace) {
  Ledger ledger;
  ledger.Send(1);
  EXPECT_TRUE(ledger.Answer(ledger.Send(1), Term{2}, {{1, At(5), {}}}));
  ledger.Send(1, NodeId{2});
  ledger.Do([](Forwards& f) { f.Unreachable(kLeader); });
  EXPECT_EQ(ledger.ends(), "u..");
  ledger.Commit(5, {2});
  EXPECT_EQ(ledger.ends(), "uc.");
}

TEST(Forwards, ASnapshotHidesPlaces) {
  Ledger ledger;
  EXPECT_TRUE(ledger.Answer(ledger.Send(3), Term{2}, {{3, At(5), {}}}));
  ledger.Do([](Forwards& f) { f.Restored({At(6), Term{2}}); });
  EXPECT_EQ(ledger.ends(), "uu.");
  ledger.Do([](Forwards& f) { f.Restored({At(6), Term{3}}); });
  EXPECT_EQ(ledger.ends(), "uun");
}

TEST(Forwards, AnAnswerBehindItsEntry) {
  for (const auto term : {std::optional<Term>(), std::optional(Term{2}), std::optional(Term{3})}) {
    Ledger ledger(At(9));
    ledger.KnowTerm(term);
    EXPECT_TRUE(ledger.Answer(ledger.Send(1), Term{2}, {{1, At(5), {}}}));
    EXPECT_EQ(ledger.ends(), term == Term{3} ? "n" : "u");
  }
}

TEST(Forwards, AnswersThatFitNothingChangeNothing) {
  Ledger ledger;
  const std::uint64_t number = ledger.Send(2);
  EXPECT_FALSE(ledger.Answer(number + 1, Term{2}, {{2, At(5), {}}}));
  EXPECT_FALSE(ledger.Answer(number, Term{2}, {{1, At(5), {}}}));
  EXPECT_FALSE(ledger.Answer(number, Term{2}, {{3, At(5), {}}}));
  EXPECT_FALSE(ledger.Answer(number, Term{2}, {{2, At(5), {}}}, NodeId{2}));
  EXPECT_FALSE(
      ledger.forwards().Answered(kLeader, {8, number, Term{2}, {{2, At(5), {}}}}, nullptr));
  EXPECT_EQ(ledger.ends(), "..");
  EXPECT_TRUE(ledger.Answer(number, Term{2}, {{2, At(5), {}}}));
  EXPECT_FALSE(ledger.Answer(number, Term{2}, {{2, At(5), {}}}));  // twice
}

TEST(Forwards, PlacesThatGoBackAreUnknown) {
  Ledger ledger;
  EXPECT_TRUE(ledger.Answer(ledger.Send(1), Term{2}, {{1, At(5), {}}}));
  EXPECT_TRUE(ledger.Answer(ledger.Send(1), Term{2}, {{1, At(5), {}}}));
  EXPECT_TRUE(ledger.Answer(ledger.Send(1), Term{1}, {{1, At(9), {}}}));
  EXPECT_EQ(ledger.ends(), ".uu");
}

TEST(Forwards, WhatHasNotLeftIsTakenBack) {
  Ledger ledger;
  ledger.Send(1);
  ledger.Send(2);
  EXPECT_EQ(ledger.forwards().TakeBack().size(), 2u);
  EXPECT_EQ(ledger.forwards().size(), 1u);
}

TEST(TakenForwards, EachOnce) {
  TakenForwards taken;
  EXPECT_TRUE(taken.Take(NodeId{2}, 5, 1));
  EXPECT_FALSE(taken.Take(NodeId{2}, 5, 1));
  EXPECT_TRUE(taken.Take(NodeId{2}, 5, 3));
  EXPECT_FALSE(taken.Take(NodeId{2}, 5, 2));
  EXPECT_TRUE(taken.Take(NodeId{3}, 5, 2));
  EXPECT_TRUE(taken.Take(NodeId{2}, 6, 1));  // has been started anew
}

TEST(ForwardFrame, RoundTrips) {
  Random random(1);
  for (int i = 0; i < 200; ++i) {
    Forward forward{random.Next(), random.Next(), {}};
    std::string bytes;
    for (std::uint64_t n = random.Below(5); n > 0; --n) {
      forward.proposals.push_back(SharedBytes::Own(std::string(random.Below(300), 'p')));
    }
    bytes = EncodeForwardHead(forward);
    for (const SharedBytes& data : forward.proposals) bytes += data.view();
    const auto read = DecodeForward(SharedBytes::Copy(bytes));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->session, forward.session);
    EXPECT_EQ(read->number, forward.number);
    EXPECT_EQ(read->proposals, forward.proposals);
    EXPECT_FALSE(DecodeForward(SharedBytes::Copy(bytes + "x")));
    EXPECT_FALSE(DecodeForward(SharedBytes::Copy(bytes.substr(0, bytes.size() - 1))));
  }
}

TEST(ForwardFrame, AnswersRoundTrip) {
  ForwardAnswer answer{4, 9, Term{3}, {}};
  for (std::uint64_t index : {7, 8, 9, 20}) answer.Add(At(index));
  for (int i = 0; i < 3; ++i) answer.Add(absl::ResourceExhaustedError(std::string(1000, 'w')));
  answer.Add(At(21));
  const std::string bytes = EncodeForwardAnswer(answer);
  const auto read = DecodeForwardAnswer(SharedBytes::Copy(bytes));
  ASSERT_TRUE(read);
  ASSERT_EQ(read->runs.size(), 4u);
  EXPECT_EQ(read->term, Term{3});
  EXPECT_EQ(read->runs[0].count, 3u);
  EXPECT_EQ(read->runs[0].first, At(7));
  EXPECT_EQ(read->runs[2].refusal, absl::ResourceExhaustedError(std::string(256, 'w')));
  EXPECT_EQ(read->runs[3].first, At(21));
  EXPECT_FALSE(DecodeForwardAnswer(SharedBytes::Copy(bytes.substr(0, bytes.size() - 1))));
}

TEST(ForwardFrame, TooManyAtOnceAreRefused) {
  std::string bytes(1, kForwardSection);
  for (const std::uint64_t field : {std::uint64_t{1}, std::uint64_t{1}, kForwardProposalsMax + 1}) {
    AppendVarint(bytes, field);
  }
  EXPECT_FALSE(DecodeForward(SharedBytes::Copy(bytes + std::string(kForwardProposalsMax + 1, 0))));
}

}  // namespace
}  // namespace trireme::raft
