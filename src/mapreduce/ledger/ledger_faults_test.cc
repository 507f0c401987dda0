#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "fmt/format.h"
#include "mapreduce/ledger/fake_store.h"
#include "mapreduce/ledger/ledger.h"

/// Leaders that die at any point, are deposed without noticing, and lose answers: what was durable
/// is found by the next, in order, and nothing of a deposed one.
namespace trireme::mapreduce::ledger {
namespace {

constexpr char kPrefix[] = "p";

/// A state that counts: "N padding" is its Nth step, "C N part parts padding" a part of the
/// checkpoint after N steps. A step that was made before is none.
struct Counter {
  std::uint64_t steps = 0;

  static Counter Replay(const std::vector<std::string>& batches) {
    Counter counter;
    unsigned parts_seen = 0;
    for (const std::string& batch : batches) {
      unsigned long long step = 0;
      unsigned part = 0, parts = 0;
      if (std::sscanf(batch.c_str(), "C %llu %u %u", &step, &part, &parts) == 3) {
        EXPECT_EQ(part, parts_seen++) << "parts of a checkpoint are in order";
        if (parts_seen == parts) counter.steps = step;
        continue;
      }
      EXPECT_EQ(std::sscanf(batch.c_str(), "%llu", &step), 1);
      EXPECT_LE(step, counter.steps + 1) << "a step is missing";
      counter.steps = std::max<std::uint64_t>(counter.steps, step);
    }
    return counter;
  }
};

class World {
 public:
  explicit World(std::uint64_t seed) : random_(seed) {
    limits_.write_bytes_max = 64 + random_.Below(200);
    limits_.compact_bytes_min = random_.Below(1'000);
    limits_.compact_chunks_min = 2 + random_.Below(20);
    limits_.compact_growth = 1 + random_.Below(4);
    limits_.page_keys = static_cast<std::int64_t>(1 + random_.Below(5));
    Elect();
  }

  void Turn() {
    now_ += static_cast<TimeMs>(random_.Below(60));
    DeliverLate();
    for (auto& old : deposed_) Use(*old);
    if (random_.Below(60) == 0) return Elect();
    Use(*leader_);
    EXPECT_FALSE(leader_->ended) << "it still leads";
  }

  /// All is calm: what was appended becomes durable, and the next leader finds it.
  void Settle() {
    late_.clear();
    for (int i = 0; i < 200 && leader_->durable < leader_->appended; ++i) {
      now_ += 100;
      leader_->ledger.Tick(now_);
      Carry(*leader_, /*faults=*/false);
    }
    EXPECT_EQ(leader_->durable, leader_->appended);
    Elect();
    EXPECT_EQ(steps_, promised_);
  }

  std::uint64_t compactions() const { return compactions_; }
  std::uint64_t deposed() const { return found_deposed_; }

 private:
  struct Leader {
    Ledger ledger;
    std::uint64_t first_step = 0;  ///< Steps before its own.
    std::uint64_t appended = 0, durable = 0;
    bool ended = false;
  };

  void Elect() {
    if (leader_ && random_.Below(2) == 0) deposed_.push_back(std::move(leader_));
    const std::string key = fmt::format("p/leader/{}", ++leaders_);
    if (leaders_ > 1) store_.DeleteKey(fmt::format("p/leader/{}", leaders_ - 1));
    const std::int64_t created = store_.PutKey(key, "");
    Loader loader(kPrefix, limits_);
    while (const auto read = loader.Next()) {
      const absl::Status status = loader.Step(store_.Run(*read));
      ASSERT_TRUE(status.ok()) << status;
      DeliverLate();  // of deposed ones, in the middle of it
    }
    const Loaded loaded = loader.Take();
    steps_ = Counter::Replay(loaded.batches).steps;
    EXPECT_GE(steps_, promised_) << "what was durable is there";
    promised_ = steps_;
    leader_.emplace(Leader{Ledger(kPrefix, {key, created}, loaded.position, limits_), steps_});
    Append(*leader_, 1);
  }

  void Append(Leader& to, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t padding = random_.Below(10) == 0 ? random_.Below(900) : random_.Below(20);
      std::string payload =
          fmt::format("{} {}", to.first_step + ++to.appended, std::string(padding, '.'));
      static constexpr Urgency kUrgencies[] = {Urgency::kCanWait, Urgency::kCanWait,
                                               Urgency::kNextWrite, Urgency::kAtOnce};
      to.ledger.Append(now_, std::move(payload), kUrgencies[random_.Below(4)]);
    }
  }

  void Use(Leader& leader) {
    if (random_.Below(3) == 0) Append(leader, random_.Below(4));
    if (leader.ledger.WantsCompaction() && random_.Below(4) == 0) Compact(leader);
    leader.ledger.Tick(now_);
    Carry(leader, /*faults=*/true);
  }

  void Compact(Leader& leader) {
    const std::size_t parts = 1 + random_.Below(5);
    std::vector<std::string> checkpoint;
    for (std::size_t i = 0; i < parts; ++i) {
      checkpoint.push_back(fmt::format("C {} {} {} {}", leader.first_step + leader.appended, i,
                                       parts, std::string(random_.Below(300), '.')));
    }
    leader.ledger.Compact(now_, std::move(checkpoint));
  }

  void Carry(Leader& leader, bool faults) {
    Output output = leader.ledger.TakeOutput();
    for (; output.write; output = leader.ledger.TakeOutput()) {
      leader.ledger.Step(now_, Fate(*output.write, faults));
      Note(leader, output);
    }
    Note(leader, output);
  }

  void Note(Leader& leader, const Output& output) {
    leader.durable = static_cast<std::uint64_t>(output.durable);
    leader.ended = leader.ended || output.end.has_value();
    found_deposed_ += output.end && output.end->kind == EndKind::kDeposed;
    if (output.end) {
      EXPECT_EQ(output.end->kind, EndKind::kDeposed) << output.end->message;
    }
    if (leader_ && &leader == &*leader_) {
      promised_ = std::max(promised_, leader.first_step + leader.durable);
      compactions_ += leader.ledger.stats().compactions > 0;
    }
  }

  Answer Fate(const Write& write, bool faults) {
    const std::uint64_t luck = faults ? random_.Below(12) : 11;
    if (luck == 0) return {write.id, Unknown{}};  // never arrives
    if (luck == 1) {
      late_.push_back(write);
      return {write.id, Unknown{}};
    }
    const Answer answer = store_.Run(write);
    if (luck == 2) return {write.id, Unknown{}};
    if (luck == 3) late_.push_back(write);  // and once more
    return answer;
  }

  void DeliverLate() {
    while (!late_.empty() && random_.Below(3) == 0) {
      std::swap(late_.front(), late_[random_.Below(late_.size())]);
      store_.Run(late_.front());
      late_.pop_front();
    }
  }

  Random random_;
  Limits limits_;
  FakeStore store_;
  TimeMs now_ = 0;
  int leaders_ = 0;
  std::optional<Leader> leader_;
  std::vector<std::optional<Leader>> deposed_;
  std::deque<Write> late_;
  std::uint64_t steps_ = 0, promised_ = 0, compactions_ = 0, found_deposed_ = 0;
};

TEST(LedgerFaults, WhatWasDurableIsFoundByTheNextLeader) {
  std::uint64_t compactions = 0, deposed = 0;
  for (std::uint64_t seed = 1; seed <= 300 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    World world(seed);
    for (int i = 0; i < 300; ++i) world.Turn();
    world.Settle();
    compactions += world.compactions();
    deposed += world.deposed();
  }
  EXPECT_GT(compactions, 100u) << "the faults reach compactions";
  EXPECT_GT(deposed, 100u) << "and deposed leaders try to write";
}

}  // namespace
}  // namespace trireme::mapreduce::ledger
