#include "raft/core/core.h"

#include <algorithm>
#include <utility>

#include "gtest/gtest.h"
#include "raft/core/configuration.h"

namespace trireme::raft {
namespace {

constexpr NodeId kSelf{1};
constexpr NodeId kSecond{2};
constexpr NodeId kThird{3};

Config MakeConfig() {
  Config config;
  config.self = kSelf;
  config.seed = 1;
  config.pre_vote = false;
  return config;
}

Entry MakeEntry(std::uint64_t index, std::uint64_t term) {
  return {Index{index}, Term{term}, EntryKind::kCommand, SharedBytes::Copy("data")};
}

Restored MakeRestored(const std::vector<std::uint64_t>& terms, std::uint64_t servers = 3) {
  Restored restored;
  for (std::uint64_t i = 1; i <= servers; ++i) {
    restored.snapshot.configuration.voters.push_back(NodeId{i});
  }
  for (const std::uint64_t term : terms) {
    restored.entries.push_back(MakeEntry(restored.entries.size() + 1, term));
    restored.hard_state.term = Term{term};
  }
  return restored;
}

/// A core whose writes are durable at once and whose outputs are kept until they are looked at.
class Shell {
 public:
  explicit Shell(const Config& config = MakeConfig(), Restored restored = MakeRestored({}))
      : core(config, std::move(restored)) {}

  void Pump() {
    while (core.TakeOutput(&output_)) {
      core.Persisted(output_.persist.token);
      for (Outgoing& out : output_.messages) sent.push_back(std::move(out));
      for (const ReadState& read : output_.reads) reads.push_back(read);
      for (const Lost& one : output_.lost) lost.push_back(one);
      for (const LogReadRequest& request : output_.log_reads) log_reads.push_back(request);
      for (const SnapshotReadRequest& request : output_.snapshot_reads) {
        snapshot_reads.push_back(request);
      }
      if (output_.committed.last < output_.committed.first) continue;
      applied.emplace_back(output_.committed.first, output_.committed.last);
      core.Applied(output_.committed.last);
    }
  }
  Answer Try(NodeId from, Message message) {
    Answer answer = core.Step(from, std::move(message));
    Pump();
    return answer;
  }
  void Give(NodeId from, Message message) {
    const Answer answer = Try(from, std::move(message));
    EXPECT_TRUE(answer.ok()) << answer.why;
  }
  void Lead() {
    ASSERT_TRUE(core.Campaign().ok());
    Pump();
    Give(kSecond, VoteResponse{core.Status().term, true});
    ASSERT_EQ(core.Status().role, RoleName::kLeader);
  }
  /// Messages of one kind to one server, in order.
  template <typename M>
  std::vector<M> Sent(NodeId to) const {
    std::vector<M> found;
    for (const Outgoing& out : sent) {
      if (out.to == to && std::holds_alternative<M>(out.message)) {
        found.push_back(std::get<M>(out.message));
      }
    }
    return found;
  }

  Core core;
  std::vector<Outgoing> sent;
  std::vector<ReadState> reads;
  std::vector<Lost> lost;
  std::vector<LogReadRequest> log_reads;
  std::vector<SnapshotReadRequest> snapshot_reads;
  std::vector<std::pair<Index, Index>> applied;

 private:
  Output output_;
};

TEST(Core, ConfigurationsThatDoNotFitAreRefused) {
  EXPECT_TRUE(Validate(MakeConfig()).ok());
  const auto refused = [](auto change) {
    Config config = MakeConfig();
    change(config);
    return Validate(config).outcome == Outcome::kInvalid;
  };
  EXPECT_TRUE(refused([](Config& c) { c.self = kNobody; }));
  EXPECT_TRUE(refused([](Config& c) { c.heartbeat_ticks = 0; }));
  EXPECT_TRUE(refused([](Config& c) { c.election_ticks = c.heartbeat_ticks; }));
  EXPECT_TRUE(refused([](Config& c) { c.append_bytes_max = 0; }));
  EXPECT_TRUE(refused([](Config& c) { c.clock_drift_ppm_max = 1'000'000; }));
  EXPECT_TRUE(refused([](Config& c) { c.snapshot_streams_max = 0; }));
}

TEST(Core, StoresThatNoCoreLeftBehindAreRefused) {
  EXPECT_TRUE(Validate(MakeRestored({1, 1, 4})).ok());
  const auto refused = [](auto change) {
    Restored restored = MakeRestored({1, 1, 4});
    change(restored);
    return Validate(restored).outcome == Outcome::kInvalid;
  };
  EXPECT_TRUE(refused([](Restored& r) { r.entries[1].index = Index{7}; }));
  EXPECT_TRUE(refused([](Restored& r) { r.entries[0].term = Term{3}; }));
  EXPECT_TRUE(refused([](Restored& r) { r.hard_state.term = Term{3}; }));
  EXPECT_TRUE(refused([](Restored& r) { r.entries.erase(r.entries.begin()); }));
  EXPECT_TRUE(refused([](Restored& r) { r.entries[2].kind = EntryKind::kConfiguration; }));
  EXPECT_TRUE(refused([](Restored& r) { r.older_terms = {{Index{9}, Term{1}}}; }));
  EXPECT_TRUE(refused([](Restored& r) { r.snapshot.last.term = Term{9}; }));
}

TEST(Core, ImpossibleMessagesChangeNothing) {
  Shell shell(MakeConfig(), MakeRestored({1, 1, 4}));
  shell.Give(kSecond, AppendRequest{Term{5}, {Index{3}, Term{4}}, Index{2}, 1, {}});
  const std::vector<std::pair<const char*, Message>> messages{
      {"term 0", Heartbeat{Term{0}, Index{1}, 1}},
      {"a term near the end of numbers", Heartbeat{Term{~0ull}, Index{1}, 1}},
      {"commits what is not there", Heartbeat{Term{5}, Index{9}, 1}},
      {"contradicts a committed entry",
       AppendRequest{Term{6}, {Index{2}, Term{2}}, Index{}, 1, {}}},
      {"a gap", AppendRequest{Term{6}, {Index{3}, Term{4}}, Index{}, 1, {MakeEntry(5, 5)}}},
      {"terms go back", AppendRequest{Term{6}, {Index{3}, Term{4}}, Index{}, 1, {MakeEntry(4, 3)}}},
      {"entries of the future",
       AppendRequest{Term{6}, {Index{3}, Term{4}}, Index{}, 1, {MakeEntry(4, 7)}}},
      {"a vote request from the future", VoteRequest{Term{6}, {Index{9}, Term{8}}, false}},
      {"an empty snapshot", SnapshotChunk{Term{6}, 1, {}, 0, {}}},
  };
  const CoreStatus before = shell.core.Status();
  for (const auto& [what, message] : messages) {
    const Answer answer = shell.Try(kThird, message);
    EXPECT_EQ(answer.outcome, Outcome::kInvalid) << what;
    EXPECT_FALSE(answer.why.empty()) << what;
    EXPECT_EQ(shell.core.Status().term, before.term) << what;
    EXPECT_EQ(shell.core.Status().leader, before.leader) << what;
    EXPECT_EQ(shell.core.Status().last, before.last) << what;
  }
  EXPECT_EQ(shell.Try(kThird, Heartbeat{Term{5}, Index{1}, 1}).outcome, Outcome::kInvalid)
      << "a second leader of the term";
  EXPECT_EQ(shell.Try(kSelf, Heartbeat{Term{5}, Index{1}, 1}).outcome, Outcome::kInvalid);
  EXPECT_EQ(shell.Try(kNobody, Heartbeat{Term{5}, Index{1}, 1}).outcome, Outcome::kInvalid);
}

TEST(Core, SameCallsGiveTheSameOutputs) {
  const auto run = [] {
    Shell shell;
    for (int i = 0; i < 500; ++i) {
      shell.core.Tick();
      shell.Pump();
    }
    return std::make_pair(shell.core.Status().term, shell.sent.size());
  };
  EXPECT_EQ(run(), run());
  EXPECT_GT(run().second, 0u);
}

TEST(Core, RankWaitsLonger) {
  const auto ticks_to_campaign = [](std::uint32_t rank) {
    Config config = MakeConfig();
    config.rank = rank;
    Shell shell(config);
    int ticks = 0;
    for (; shell.core.Status().role == RoleName::kFollower; ++ticks) shell.core.Tick();
    return ticks;
  };
  EXPECT_EQ(ticks_to_campaign(4) - ticks_to_campaign(0),
            2 * static_cast<int>(MakeConfig().election_ticks));
}

TEST(Core, ProposalsHaveALimit) {
  Config config = MakeConfig();
  config.proposal_bytes_max = 10;
  Shell shell(config);
  EXPECT_EQ(shell.core.Propose({}, {}).answer.outcome, Outcome::kNotLeader);
  shell.Lead();
  const Proposed large = shell.core.Propose({}, SharedBytes::Copy("more than ten bytes"));
  EXPECT_EQ(large.answer.outcome, Outcome::kInvalid);
  EXPECT_NE(large.answer.why.find("proposal_bytes_max"), std::string::npos) << large.answer.why;
  EXPECT_EQ(shell.core.Propose({}, SharedBytes::Copy("ten bytes!")).position,
            (LogPosition{Index{2}, Term{1}}));
}

TEST(Core, BytesOfAProposalAreNeverCopied) {
  Shell shell;
  shell.Lead();
  shell.Give(kSecond, AppendAccepted{Term{1}, Index{1}, 1});
  const SharedBytes data = SharedBytes::Copy("the very same bytes");
  ASSERT_TRUE(shell.core.Propose({}, data).answer.ok());
  Output output;
  ASSERT_TRUE(shell.core.TakeOutput(&output));
  EXPECT_EQ(output.persist.entries.at(0).data.data(), data.data());
  for (const Outgoing& out : output.messages) {
    const auto* append = std::get_if<AppendRequest>(&out.message);
    if (append == nullptr) continue;
    EXPECT_EQ(append->entries.at(0).data.data(), data.data());
  }
}

/// A log of which only the end is in memory: what is older is asked of the shell, for the state
/// machine as for a follower.
TEST(Core, OlderEntriesAreAskedOfTheShell) {
  Restored restored = MakeRestored({1, 1, 2, 2, 3});
  restored.entries.erase(restored.entries.begin(), restored.entries.begin() + 4);
  restored.older_terms = {{Index{1}, Term{1}}, {Index{3}, Term{2}}};
  ASSERT_TRUE(Validate(restored).ok());
  Shell shell(MakeConfig(), restored);
  shell.Lead();
  shell.Give(kSecond, AppendAccepted{Term{4}, Index{6}, 1});
  EXPECT_EQ(shell.applied,
            (std::vector<std::pair<Index, Index>>{{Index{1}, Index{4}}, {Index{5}, Index{6}}}));
  shell.Give(kThird, AppendRejected{Term{4}, Index{5}, {Index{2}, Term{1}}, 1});
  ASSERT_EQ(shell.log_reads.size(), 1u);
  EXPECT_EQ(shell.log_reads[0].first, Index{3});
  EXPECT_EQ(shell.log_reads[0].last, Index{4});
  shell.core.LogRead(kThird, {MakeEntry(3, 2), MakeEntry(4, 2)});
  shell.Pump();
  const AppendRequest append = shell.Sent<AppendRequest>(kThird).back();
  EXPECT_EQ(append.prev, (LogPosition{Index{2}, Term{1}}));
  EXPECT_EQ(append.entries.size(), 2u);
}

TEST(Core, OneFollowerAtATimeGetsASnapshot) {
  Config config = MakeConfig();
  config.snapshot_streams_max = 1;
  config.check_quorum = false;
  Shell shell(config, MakeRestored({}, 5));
  ASSERT_TRUE(shell.core.Campaign().ok());
  shell.Pump();
  for (const NodeId voter : {kSecond, kThird}) shell.Give(voter, VoteResponse{Term{1}, true});
  for (const NodeId peer : {kSecond, kThird}) {
    shell.Give(peer, AppendAccepted{Term{1}, Index{1}, 1});
  }
  ASSERT_TRUE(shell.core.Compact(Index{1}, 100, Index{1}).ok());
  for (const NodeId peer : {NodeId{4}, NodeId{5}}) {
    shell.Give(peer, AppendRejected{Term{1}, Index{}, {}, 1});
    shell.Give(peer, HeartbeatResponse{Term{1}, 1});
  }
  for (std::uint32_t i = 0; i < 2 * config.heartbeat_ticks; ++i) {
    shell.core.Tick();
    shell.Pump();
    for (const NodeId peer : {NodeId{4}, NodeId{5}}) {
      shell.Give(peer, HeartbeatResponse{Term{1}, 2 + i / config.heartbeat_ticks});
    }
  }
  ASSERT_EQ(shell.snapshot_reads.size(), 1u);
  shell.core.SnapshotRead(NodeId{4}, Index{1}, 0, SharedBytes::Copy(std::string(100, 's')));
  shell.Pump();
  shell.Give(NodeId{4}, AppendAccepted{Term{1}, Index{1}, 2});
  ASSERT_EQ(shell.snapshot_reads.size(), 2u);
  EXPECT_EQ(shell.snapshot_reads[1].peer, NodeId{5});
}

/// Ticks that are kept back and told of together change nothing but that.
TEST(Core, QuietTicksMayBeToldOfTogether) {
  Shell shell;
  const std::uint64_t until_election = shell.core.QuietTicks();
  EXPECT_GE(until_election + 1, MakeConfig().election_ticks);
  shell.core.Tick(until_election);
  EXPECT_EQ(shell.core.Status().role, RoleName::kFollower);
  EXPECT_EQ(shell.core.QuietTicks(), 0u);
  shell.core.Tick();
  EXPECT_EQ(shell.core.Status().role, RoleName::kCandidate);
}

TEST(Core, ALeadersTicksAreQuietBetweenHeartbeats) {
  Shell shell;
  shell.Lead();
  shell.core.Tick(shell.core.QuietTicks() + 1);
  shell.Pump();
  shell.sent.clear();
  EXPECT_EQ(shell.core.QuietTicks() + 1, MakeConfig().heartbeat_ticks);
  shell.core.Tick(shell.core.QuietTicks());
  shell.Pump();
  EXPECT_TRUE(shell.sent.empty());
  shell.core.Tick();
  shell.Pump();
  EXPECT_EQ(shell.sent.size(), 2u);
}

/// Not even one tick of them is late.
TEST(Core, ALeaderWithoutQuorumGivesUpAtItsTickHoweverItIsTold) {
  Shell at_once;
  Shell one_by_one;
  for (Shell* shell : {&at_once, &one_by_one}) shell->Lead();
  std::uint64_t ticks = 0;
  for (; one_by_one.core.Status().role == RoleName::kLeader; ++ticks) one_by_one.core.Tick();
  at_once.core.Tick(ticks - 1);
  EXPECT_EQ(at_once.core.Status().role, RoleName::kLeader);
  EXPECT_EQ(at_once.core.QuietTicks(), 0u);
  at_once.core.Tick();
  EXPECT_EQ(at_once.core.Status().role, RoleName::kFollower);
}

TEST(Core, NewsOfTheCommitIndexAreNotAnswered) {
  Shell shell;
  shell.Give(kSecond, AppendRequest{Term{1}, {}, {}, 1, {MakeEntry(1, 1)}});
  shell.Give(kSecond, Heartbeat{Term{1}, Index{1}, kNoAnswer});
  EXPECT_EQ(shell.applied.size(), 1u);
  EXPECT_TRUE(shell.Sent<HeartbeatResponse>(kSecond).empty());
  shell.Give(kSecond, Heartbeat{Term{1}, Index{1}, 2});
  EXPECT_EQ(shell.Sent<HeartbeatResponse>(kSecond).size(), 1u);
}

TEST(Core, ALeaderTellsOfACommitWithoutAskingForAnAnswer) {
  Shell shell;
  shell.Lead();
  shell.Give(kSecond, AppendAccepted{Term{1}, Index{1}, 1});
  const auto heartbeats = shell.Sent<Heartbeat>(kSecond);
  ASSERT_EQ(heartbeats.size(), 1u);
  EXPECT_EQ(heartbeats[0], (Heartbeat{Term{1}, Index{1}, kNoAnswer}));
}

/// A leader of three whose third server lacks a log that is compacted away: it is sent a snapshot.
void SendSnapshotToThird(Shell* shell, std::uint64_t bytes) {
  shell->Lead();
  shell->Give(kSecond, AppendAccepted{Term{1}, Index{1}, 1});
  ASSERT_TRUE(shell->core.Compact(Index{1}, bytes, Index{1}).ok());
  for (std::uint32_t i = 0; i < MakeConfig().heartbeat_ticks; ++i) shell->core.Tick();
  shell->Pump();
  shell->Give(kThird, HeartbeatResponse{Term{1}, 2});
  ASSERT_EQ(shell->snapshot_reads.size(), 1u);
  EXPECT_EQ(shell->snapshot_reads[0].snapshot, Index{1});
}

/// A follower without room keeps its log and says so; the leader offers the snapshot again after
/// one election timeout, then after two.
TEST(Core, ARefusedSnapshotIsOfferedAgainLaterEachTime) {
  const Config config = MakeConfig();
  Shell shell(config);
  SendSnapshotToThird(&shell, 100);
  for (std::uint64_t refusals = 0; refusals < 3; ++refusals) {
    ASSERT_EQ(shell.snapshot_reads.size(), refusals + 1);
    shell.Give(kThird, SnapshotRefused{Term{1}, Index{1}, 2});
    const std::uint64_t wait = std::uint64_t{config.election_ticks} << refusals;
    for (std::uint64_t tick = 0; tick < wait; ++tick) {
      EXPECT_EQ(shell.snapshot_reads.size(), refusals + 1) << "after " << tick << " ticks";
      shell.core.Tick();
      shell.Pump();
      shell.Give(kSecond, HeartbeatResponse{Term{1}, 2 + tick / config.heartbeat_ticks});
    }
  }
  EXPECT_EQ(shell.snapshot_reads.size(), 4u);
}

TEST(Core, AFollowerInstallsASnapshotOnlyWhenItsLastPartIsStored) {
  Shell shell;
  const SnapshotMeta meta{{Index{9}, Term{1}}, MakeRestored({}).snapshot.configuration, 20};
  const auto chunk = [&](std::uint64_t offset) {
    return SnapshotChunk{Term{1}, 1, meta, offset, SharedBytes::Copy(std::string(10, 's'))};
  };
  Output output;
  for (const std::uint64_t offset : {0, 10}) {
    ASSERT_TRUE(shell.core.Step(kSecond, chunk(offset)).ok());
    ASSERT_TRUE(shell.core.TakeOutput(&output));
    EXPECT_FALSE(output.persist.snapshot);
    if (offset == 0) shell.core.Persisted(output.persist.token);
  }
  shell.core.SnapshotNotStored();
  shell.core.Persisted(output.persist.token);
  EXPECT_EQ(shell.core.Status().last, LogPosition{});
  shell.Pump();
  EXPECT_EQ(shell.Sent<SnapshotRefused>(kSecond).back().snapshot, Index{9});
  EXPECT_EQ(shell.core.Status().commit, Index{});

  shell.Give(kSecond, chunk(0));
  shell.Give(kSecond, chunk(10));
  EXPECT_EQ(shell.core.Status().last, meta.last);
  EXPECT_EQ(shell.Sent<AppendAccepted>(kSecond).back().match, Index{9});
}

TEST(Core, SnapshotsAreThrottledByTheTick) {
  Config config = MakeConfig();
  config.snapshot_chunk_bytes_max = 10;
  config.snapshot_chunks_per_tick_max = 2;
  Shell shell(config);
  SendSnapshotToThird(&shell, 100);
  std::uint64_t offset = 0;
  const auto answer_all = [&] {
    for (std::size_t seen = shell.snapshot_reads.size(); true; seen = shell.snapshot_reads.size()) {
      shell.core.SnapshotRead(kThird, Index{1}, offset, SharedBytes::Copy(std::string(10, 's')));
      shell.Pump();
      shell.Give(kThird, SnapshotProgress{Term{1}, Index{1}, offset += 10, 1});
      if (shell.snapshot_reads.size() == seen) return;
    }
  };
  answer_all();
  EXPECT_EQ(shell.snapshot_reads.size(), 2u);
  shell.core.Tick();
  shell.Pump();
  EXPECT_EQ(shell.snapshot_reads.size(), 3u);
  answer_all();
  EXPECT_EQ(shell.snapshot_reads.size(), 4u);
}

TEST(Core, ThePipelineIsBoundedByBytes) {
  Config config = MakeConfig();
  config.inflight_bytes_max = 100;
  config.append_bytes_max = 60;
  Shell shell(config);
  shell.Lead();
  shell.Give(kSecond, AppendAccepted{Term{1}, Index{1}, 1});
  for (int i = 0; i < 9; ++i) {
    ASSERT_TRUE(shell.core.Propose({}, SharedBytes::Copy(std::string(50, 'x'))).answer.ok());
    shell.Pump();
  }
  const std::size_t before = shell.Sent<AppendRequest>(kSecond).size();
  EXPECT_EQ(shell.Sent<AppendRequest>(kSecond).back().entries.back().index, Index{3});
  shell.Give(kSecond, AppendAccepted{Term{1}, Index{2}, 1});
  EXPECT_EQ(shell.Sent<AppendRequest>(kSecond).size(), before + 1);
  EXPECT_EQ(shell.Sent<AppendRequest>(kSecond).back().entries.back().index, Index{4});
}

/// While parts of a snapshot are on their way a newer one is taken: its bytes never follow those of
/// the older, whether the shell has heard of it before the core or after.
TEST(Core, ALostTailIsNoticedHoweverManyReadsThereAre) {
  Shell leader;
  leader.Lead();
  const Term term = leader.core.Status().term;
  leader.Give(kSecond, AppendAccepted{term, leader.core.Status().last.index, 0});
  ASSERT_TRUE(leader.core.Propose(Ticket{1}, SharedBytes::Copy("lost")).answer.ok());
  leader.Pump();
  leader.sent.clear();
  for (std::uint64_t i = 0; i < 3 * MakeConfig().heartbeat_ticks; ++i) {
    leader.core.Tick(1);
    ASSERT_TRUE(leader.core.Read(Ticket{2 + i}).ok());
    leader.Pump();
    leader.Give(kSecond, HeartbeatResponse{term, leader.Sent<Heartbeat>(kSecond).back().round});
  }
  EXPECT_GT(leader.reads.size(), 0u);
  EXPECT_FALSE(leader.Sent<AppendRequest>(kSecond).empty());
}

TEST(Core, PartsOfTwoSnapshotsDoNotMix) {
  Shell shell;
  SendSnapshotToThird(&shell, 100);
  shell.core.SnapshotRead(kThird, Index{1}, 0, SharedBytes::Copy(std::string(50, 'a')));
  shell.Pump();
  shell.Give(kThird, SnapshotProgress{Term{1}, Index{1}, 50, 1});
  ASSERT_EQ(shell.snapshot_reads.size(), 2u);
  ASSERT_TRUE(shell.core.Propose({}, SharedBytes::Copy("x")).answer.ok());
  shell.Pump();
  shell.Give(kSecond, AppendAccepted{Term{1}, Index{2}, 1});
  const SharedBytes newer = SharedBytes::Copy(std::string(60, 'b'));
  const auto chunks = [&shell] { return shell.Sent<SnapshotChunk>(kThird).size(); };

  shell.core.SnapshotRead(kThird, Index{2}, 50, newer);  // not known to the core yet
  shell.Pump();
  EXPECT_EQ(chunks(), 1u);
  EXPECT_EQ(shell.snapshot_reads.size(), 2u) << "asked for again at once";
  ASSERT_TRUE(shell.core.Compact(Index{2}, 200, Index{2}).ok());
  shell.core.SnapshotRead(kThird, Index{2}, 50, newer);
  shell.Pump();
  EXPECT_EQ(chunks(), 1u);
  ASSERT_EQ(shell.snapshot_reads.size(), 3u);
  EXPECT_EQ(shell.snapshot_reads[2].snapshot, Index{2});
  EXPECT_EQ(shell.snapshot_reads[2].offset, 0u);
  shell.core.SnapshotRead(kThird, Index{2}, 0, newer);
  shell.Pump();
  EXPECT_EQ(shell.Sent<SnapshotChunk>(kThird).back().meta.last.index, Index{2});
}

/// What the shell cannot give now it cannot give a moment later either.
TEST(Core, ReadsOfTheLogThatFailAreAskedForAgainAtAHeartbeat) {
  Config config = MakeConfig();
  config.log_cache_bytes_max = 1;
  config.check_quorum = false;
  Shell shell(config, MakeRestored({1, 1, 2}));
  shell.Lead();
  shell.Give(kSecond, AppendAccepted{Term{3}, Index{4}, 1});
  shell.Give(kThird, AppendRejected{Term{3}, Index{3}, {Index{1}, Term{1}}, 1});
  ASSERT_EQ(shell.log_reads.size(), 1u);
  const auto tick_until_asked = [&] {
    const std::size_t before = shell.log_reads.size();
    std::uint32_t ticks = 0;
    for (; shell.log_reads.size() == before && ticks < 100; ++ticks) {
      shell.core.Tick();
      shell.Pump();
    }
    return ticks;
  };
  shell.core.LogRead(kThird, {});
  shell.Pump();
  EXPECT_EQ(shell.log_reads.size(), 1u) << "asked for again at once";
  EXPECT_LE(tick_until_asked(), config.heartbeat_ticks);
  shell.core.LogRead(kThird, {MakeEntry(2, 9)});
  shell.Pump();
  EXPECT_EQ(shell.log_reads.size(), 2u) << "asked for again at once";
  EXPECT_LE(tick_until_asked(), config.heartbeat_ticks);
  shell.core.LogRead(kThird, {MakeEntry(2, 1), MakeEntry(3, 2)});
  shell.Pump();
  EXPECT_EQ(shell.Sent<AppendRequest>(kThird).back().entries.size(), 2u);
}

Message TwoEntriesForAWitness() {
  AppendRequest append{Term{1}, {}, Index{1}, 1, {MakeEntry(1, 1), MakeEntry(2, 1)}};
  for (Entry& entry : append.entries) entry = {entry.index, entry.term, EntryKind::kOmitted, {}};
  return append;
}

/// Its own configuration does not say so yet.
TEST(Core, AServerThatGetsNoDataIsAWitness) {
  Shell shell(MakeConfig(), Restored{});
  shell.Give(kSecond, Heartbeat{Term{1}, Index{}, 1});
  EXPECT_FALSE(shell.core.Status().witness);
  ASSERT_TRUE(shell.core.Read(Ticket{9}).ok());
  shell.Give(kSecond, TwoEntriesForAWitness());
  EXPECT_TRUE(shell.core.Status().witness);
  EXPECT_TRUE(shell.applied.empty());
  ASSERT_EQ(shell.reads.size(), 1u);
  EXPECT_FALSE(shell.reads[0].granted) << "there is no state to read here";
  EXPECT_EQ(shell.core.Read(Ticket{10}).outcome, Outcome::kInvalid);
  EXPECT_EQ(shell.core.Campaign().outcome, Outcome::kInvalid);
}

/// A voter by mistake, with the log of a witness, neither leads nor applies, not after a restart.
TEST(Core, TheLogOfAWitnessMakesOne) {
  Restored restored = MakeRestored({1, 1, 1});
  restored.entries[1] = {Index{2}, Term{1}, EntryKind::kOmitted, {}};
  Shell shell(MakeConfig(), restored);
  EXPECT_TRUE(shell.core.Status().witness);
  EXPECT_EQ(shell.core.Campaign().outcome, Outcome::kInvalid);
  shell.Give(kSecond, Heartbeat{Term{1}, Index{3}, 1});
  EXPECT_TRUE(shell.applied.empty());
  shell.Give(kSecond, AppendRequest{Term{2}, {Index{1}, Term{1}}, Index{}, 1, {MakeEntry(2, 2)}});
  EXPECT_TRUE(shell.core.Status().witness) << "it has said that entry 3 is committed";
}

TEST(Core, EntriesWithoutDataThatAreTakenBackLeaveNoTrace) {
  Shell shell(MakeConfig(), MakeRestored({1}));
  AppendRequest append{Term{1}, {Index{1}, Term{1}}, Index{}, 1, {}};
  append.entries.push_back({Index{2}, Term{1}, EntryKind::kOmitted, {}});
  shell.Give(kSecond, append);
  EXPECT_TRUE(shell.core.Status().witness);
  shell.Give(kThird, AppendRequest{Term{2}, {Index{1}, Term{1}}, Index{}, 1, {MakeEntry(2, 2)}});
  EXPECT_FALSE(shell.core.Status().witness);
}

TEST(Core, ARemovedServerStopsUntilALeaderCalls) {
  Config config = MakeConfig();
  Shell shell(config, MakeRestored({1, 1}));
  shell.Give(kSecond, Removed{Term{4}, Index{9}});
  EXPECT_TRUE(shell.core.Status().removed);
  EXPECT_EQ(shell.core.Status().term, Term{4});
  for (std::uint32_t i = 0; i < 10 * config.election_ticks; ++i) shell.core.Tick();
  shell.Pump();
  EXPECT_EQ(shell.core.Status().role, RoleName::kFollower);
  EXPECT_EQ(shell.core.Campaign().outcome, Outcome::kInvalid);
  const Answer read = shell.core.Read(Ticket{1});
  EXPECT_EQ(read.outcome, Outcome::kNotLeader);
  EXPECT_NE(read.why.find("removed"), std::string::npos) << read.why;
  shell.Give(kSecond, Heartbeat{Term{4}, Index{}, 1});
  EXPECT_FALSE(shell.core.Status().removed);
}

/// Of a configuration older than our own, or against the word of a leader.
TEST(Core, WordOfARemovalMayBeOutOfDate) {
  Restored restored = MakeRestored({1, 1});
  restored.entries[1].kind = EntryKind::kConfiguration;
  restored.entries[1].data = SharedBytes::Own(EncodeConfiguration(restored.snapshot.configuration));
  Shell shell(MakeConfig(), restored);
  shell.Give(kThird, Removed{Term{1}, Index{2}});
  EXPECT_FALSE(shell.core.Status().removed);
  shell.Give(kSecond, Heartbeat{Term{1}, Index{}, 1});
  shell.Give(kThird, Removed{Term{1}, Index{3}});
  EXPECT_FALSE(shell.core.Status().removed);
  EXPECT_EQ(shell.Try(kThird, Removed{Term{1}, Index{}}).outcome, Outcome::kInvalid);
}

/// A leader that was cut off is told that it is out: what it had proposed may yet commit.
TEST(Core, TicketsOfARemovedServerAreUnknown) {
  Config config = MakeConfig();
  config.check_quorum = true;
  Shell shell(config);
  shell.Lead();
  ASSERT_TRUE(shell.core.Propose(Ticket{5}, SharedBytes::Copy("x")).answer.ok());
  for (std::uint32_t i = 0; i <= config.election_ticks; ++i) shell.core.Tick();
  shell.Pump();
  EXPECT_TRUE(shell.lost.empty());
  shell.Give(kSecond, Removed{Term{2}, Index{9}});
  ASSERT_EQ(shell.lost.size(), 1u);
  EXPECT_EQ(shell.lost[0].ticket, Ticket{5});
  EXPECT_EQ(shell.lost[0].kind, LostKind::kUnknown);
}

TEST(Core, LeasesAreOffUnlessAskedFor) {
  EXPECT_EQ(Config().lease_ticks, 0u);
  Shell shell(MakeConfig(), MakeRestored({}, 1));
  ASSERT_TRUE(shell.core.Campaign().ok());
  shell.Pump();
  EXPECT_EQ(shell.core.Status().commit, Index{1});
  EXPECT_FALSE(shell.core.Status().lease_valid);
}

TEST(Core, ReadsHaveALimit) {
  Config config = MakeConfig();
  config.reads_max = 2;
  Shell shell(config);
  EXPECT_EQ(shell.core.Read(Ticket{1}).outcome, Outcome::kNotLeader);
  shell.Lead();
  EXPECT_TRUE(shell.core.Read(Ticket{1}).ok());
  EXPECT_TRUE(shell.core.Read(Ticket{2}).ok());
  EXPECT_EQ(shell.core.Read(Ticket{3}).outcome, Outcome::kBusy);
}

TEST(Core, CompactionNeedsWhatWasHandedOut) {
  Shell shell(MakeConfig(), MakeRestored({}, 1));
  ASSERT_TRUE(shell.core.Campaign().ok());
  shell.Pump();
  EXPECT_EQ(shell.core.Compact(Index{2}, 0, Index{2}).outcome, Outcome::kNotYet);
  EXPECT_TRUE(shell.core.Compact(Index{1}, 0, Index{1}).ok());
  EXPECT_EQ(shell.core.Compact(Index{1}, 0, Index{1}).outcome, Outcome::kStale);
  EXPECT_EQ(shell.core.MetaAt(Index{1})->last, (LogPosition{Index{1}, Term{1}}));
  EXPECT_EQ(shell.core.MetaAt(Index{5}), std::nullopt);
}

/// Two of three servers are gone for good. The third makes itself the cluster.
TEST(Core, ASurvivorCanBeMadeTheCluster) {
  Restored restored = Core::UnsafeRecover(MakeRestored({1, 1, 4}), kSelf, {kSelf});
  ASSERT_TRUE(Validate(restored).ok());
  Shell shell(MakeConfig(), std::move(restored));
  ASSERT_TRUE(shell.core.Campaign().ok());
  shell.Pump();
  EXPECT_EQ(shell.core.Status().role, RoleName::kLeader);
  EXPECT_EQ(shell.core.Status().commit, shell.core.Status().last.index);
  EXPECT_EQ(shell.core.Membership().voters, std::vector<NodeId>{kSelf});
  EXPECT_GT(shell.core.Status().term, Term{5});
}

/// What a crash left between storing a snapshot and dropping the log it replaces.
TEST(Core, ASnapshotTakesThePlaceOfAConflictingLog) {
  Restored restored = MakeRestored({1, 1, 1, 1});
  restored.hard_state.term = Term{3};
  restored.snapshot.last = {Index{2}, Term{2}};
  const Core core(MakeConfig(), restored);
  EXPECT_EQ(core.Status().last, (LogPosition{Index{2}, Term{2}}));
  restored.snapshot.last = {Index{2}, Term{1}};
  EXPECT_EQ(Core(MakeConfig(), restored).Status().last, (LogPosition{Index{4}, Term{1}}));
}

}  // namespace
}  // namespace trireme::raft
