#include "mapreduce/ledger/ledger.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "mapreduce/ledger/fake_store.h"

namespace trireme::mapreduce::ledger {
namespace {

constexpr char kPrefix[] = "p";
constexpr char kLeader[] = "p/leader/1";

absl::StatusOr<Loaded> Load(const FakeStore& store, const Limits& limits = {}) {
  Loader loader(kPrefix, limits);
  while (const auto read = loader.Next()) {
    if (absl::Status status = loader.Step(store.Run(*read)); !status.ok()) return status;
  }
  return loader.Take();
}

class LedgerTest : public testing::Test {
 protected:
  LedgerTest() { Elect(); }

  /// A new leader, which has read the journal.
  void Elect() {
    store_.DeleteKey(kLeader);
    const std::int64_t created = store_.PutKey(kLeader, "");
    loaded_ = *Load(store_, limits_);
    ledger_.emplace(kPrefix, Fence{kLeader, created}, loaded_.position, limits_);
  }

  Token Append(std::string payload, Urgency urgency = Urgency::kNextWrite) {
    return ledger_->Append(now_, std::move(payload), urgency);
  }

  /// Sends what is due and answers it.
  Output Run() {
    Output output = ledger_->TakeOutput();
    while (output.write) {
      ++writes_;
      ledger_->Step(now_, store_.Run(*output.write));
      output = ledger_->TakeOutput();
    }
    return output;
  }

  Output At(TimeMs now) {
    now_ = now;
    ledger_->Tick(now);
    return Run();
  }

  std::size_t ChunkCount() const {
    return store_.Run(Read{Layout(kPrefix).Chunks(), 1'000'000, 0}).keys.size();
  }

  FakeStore store_;
  Limits limits_;
  Loaded loaded_;
  std::optional<Ledger> ledger_;
  TimeMs now_ = 0;
  int writes_ = 0;
};

TEST_F(LedgerTest, AnEmptyStoreIsAnEmptyJournal) {
  EXPECT_TRUE(loaded_.batches.empty());
  EXPECT_EQ(loaded_.position.head_modified, 0);
}

TEST_F(LedgerTest, TheFirstWriteGoesAtOnceAndTheNextIsHeld) {
  Append("a");
  EXPECT_EQ(Run().durable, Token{1});
  Append("b");
  Append("c");
  EXPECT_EQ(Run().durable, Token{1});
  EXPECT_EQ(ledger_->NextMs(), 100);
  EXPECT_EQ(At(99).durable, Token{1});
  EXPECT_EQ(At(100).durable, Token{3});
  EXPECT_EQ(writes_, 2);
  EXPECT_EQ(ledger_->NextMs(), std::nullopt);
  EXPECT_EQ(Load(store_)->batches, (std::vector<std::string>{"a", "b", "c"}));
}

TEST_F(LedgerTest, AfterAQuietIntervalAWriteGoesAtOnce) {
  Append("a");
  Run();
  now_ = 100;
  Append("b");
  EXPECT_EQ(Run().durable, Token{2});
}

TEST_F(LedgerTest, WhatNobodyWaitsForWaitsLonger) {
  Append("a");
  Run();
  now_ = 90;
  Append("b", Urgency::kCanWait);
  now_ = 300;
  Append("c", Urgency::kCanWait);
  EXPECT_EQ(Run().durable, Token{1});
  EXPECT_EQ(ledger_->NextMs(), 590);
  EXPECT_EQ(At(589).durable, Token{1});
  EXPECT_EQ(At(590).durable, Token{3});
  EXPECT_EQ(writes_, 2);
}

TEST_F(LedgerTest, WhoWaitsTakesAlongWhatNobodyWaitsFor) {
  Append("a");
  Run();
  now_ = 50;
  Append("b", Urgency::kCanWait);
  Append("c", Urgency::kNextWrite);
  EXPECT_EQ(Run().durable, Token{1});
  EXPECT_EQ(ledger_->NextMs(), 100);
  EXPECT_EQ(At(100).durable, Token{3});
  EXPECT_EQ(writes_, 2);
}

TEST_F(LedgerTest, AFullWriteDoesNotWaitLonger) {
  limits_.write_bytes_max = 100;
  Elect();
  Append("a");
  Run();
  Append(std::string(150, 'x'), Urgency::kCanWait);
  EXPECT_EQ(ledger_->NextMs(), 100);
}

TEST_F(LedgerTest, AnUrgentBatchTakesAlongWhatWaits) {
  Append("a");
  Run();
  Append("b");
  Append("c", Urgency::kAtOnce);
  EXPECT_EQ(Run().durable, Token{3});
  EXPECT_EQ(writes_, 2);
}

TEST_F(LedgerTest, OneWriteIsUnderWayAtATime) {
  Append("a", Urgency::kAtOnce);
  const Output first = ledger_->TakeOutput();
  ASSERT_TRUE(first.write);
  Append("b", Urgency::kAtOnce);
  EXPECT_FALSE(ledger_->TakeOutput().write);
  ledger_->Step(now_, store_.Run(*first.write));
  EXPECT_EQ(Run().durable, Token{2});
}

TEST_F(LedgerTest, ALargeBatchTakesSeveralWritesAndCountsWhenWhole) {
  limits_.write_bytes_max = 100;
  Elect();
  const std::string large(450, 'x');
  Append(large, Urgency::kAtOnce);
  for (int i = 0; i < 4; ++i) {
    const Output output = ledger_->TakeOutput();
    ASSERT_TRUE(output.write);
    EXPECT_EQ(output.durable, Token{});
    ledger_->Step(now_, store_.Run(*output.write));
  }
  EXPECT_EQ(Run().durable, Token{1});
  EXPECT_EQ(Load(store_)->batches, std::vector<std::string>{large});
}

TEST_F(LedgerTest, AHalfWrittenBatchOfADeadLeaderIsDropped) {
  limits_.write_bytes_max = 100;
  Elect();
  Append(std::string(450, 'x'), Urgency::kAtOnce);
  ledger_->Step(now_, store_.Run(*ledger_->TakeOutput().write));
  Elect();
  EXPECT_TRUE(loaded_.batches.empty());
  EXPECT_EQ(loaded_.dropped, 1u);
  Append("next");
  Run();
  EXPECT_EQ(Load(store_)->batches, std::vector<std::string>{"next"});
}

TEST_F(LedgerTest, ALostAnswerIsResolvedByTheSameWriteAgain) {
  Append("a");
  const Write lost = *ledger_->TakeOutput().write;
  store_.Run(lost);  // it took effect
  ledger_->Step(now_, {lost.id, Unknown{}});
  Append("b", Urgency::kAtOnce);
  EXPECT_FALSE(ledger_->TakeOutput().write) << "nothing goes on before it is resolved";
  EXPECT_EQ(ledger_->NextMs(), 100);
  EXPECT_EQ(At(100).durable, Token{2});
  EXPECT_EQ(ledger_->stats().retries, 1u);
  EXPECT_EQ(Load(store_)->batches, (std::vector<std::string>{"a", "b"}));
}

TEST_F(LedgerTest, AWriteThatArrivesLateChangesNothing) {
  Append("a");
  const Write late = *ledger_->TakeOutput().write;
  ledger_->Step(now_, {late.id, Unknown{}});
  EXPECT_EQ(At(100).durable, Token{1});
  ledger_->Compact(now_, {"A"});
  At(200);
  At(300);
  const auto before = store_.keys().size();
  EXPECT_TRUE(std::holds_alternative<Refused>(store_.Run(late).fate));
  EXPECT_EQ(store_.keys().size(), before);
  EXPECT_EQ(Load(store_)->batches, std::vector<std::string>{"A"});
}

TEST_F(LedgerTest, ADeposedLeaderWritesNothing) {
  Append("a");
  Run();
  Ledger old = *ledger_;
  Elect();
  old.Append(now_, "old", Urgency::kAtOnce);
  old.Step(now_, store_.Run(*old.TakeOutput().write));
  const Output output = old.TakeOutput();
  ASSERT_TRUE(output.end);
  EXPECT_EQ(output.end->kind, EndKind::kDeposed);
  EXPECT_EQ(output.durable, Token{1});
  old.Append(now_, "more", Urgency::kAtOnce);
  EXPECT_FALSE(old.TakeOutput().write);
  EXPECT_FALSE(old.TakeOutput().end) << "said once";
  EXPECT_EQ(Load(store_)->batches, std::vector<std::string>{"a"});
}

TEST_F(LedgerTest, AnotherWriterBelowThePrefixIsNoticed) {
  Append("a");
  Run();
  store_.PutKey(Layout(kPrefix).Head(), EncodeHead({7, 7}));
  Append("b", Urgency::kAtOnce);
  const Output output = Run();
  ASSERT_TRUE(output.end);
  EXPECT_EQ(output.end->kind, EndKind::kDisturbed);
  EXPECT_NE(output.end->message.find("p/journal/head"), std::string::npos);
}

TEST_F(LedgerTest, AStrangersChunkIsNotWrittenOver) {
  Append("a");
  Run();
  const std::string key = Layout(kPrefix).Chunk(1, 1);
  store_.PutKey(key, "a stranger's");
  Append("b", Urgency::kAtOnce);
  const Output output = Run();
  ASSERT_TRUE(output.end);
  EXPECT_EQ(output.end->kind, EndKind::kDisturbed);
  EXPECT_EQ(store_.keys()[key].value, "a stranger's");
}

TEST_F(LedgerTest, WhatIsAppendedDuringTheFlipComesAfterIt) {
  Append("a");
  Run();
  now_ = 100;
  ledger_->Compact(now_, {"A"});
  const Output flip = ledger_->TakeOutput();
  ASSERT_TRUE(flip.write);
  Append("b", Urgency::kAtOnce);
  ledger_->Step(now_, store_.Run(*flip.write));
  EXPECT_EQ(Run().durable, Token{2});
  EXPECT_EQ(Load(store_)->batches, (std::vector<std::string>{"A", "b"}));
}

TEST_F(LedgerTest, CompactionGoesOnBesideWritesAndFlipsAtTheEnd) {
  limits_.write_bytes_max = 4'096;
  Elect();
  Append("a");
  Run();
  ledger_->Compact(now_, {std::string(6'000, 'A'), std::string(3'000, 'B')});
  EXPECT_TRUE(ledger_->compacting());
  At(100);
  EXPECT_EQ(Load(store_)->batches, std::vector<std::string>{"a"}) << "the old one counts";
  Append("b");
  EXPECT_EQ(At(200).durable, Token{2}) << "what is appended does not wait for the end";
  EXPECT_EQ(Load(store_)->batches, (std::vector<std::string>{"a", "b"}));
  for (TimeMs now = 300; ledger_->compacting() && now < 2'000; now += 100) At(now);
  Append("c");
  At(2'000);
  const std::vector<std::string> after{std::string(6'000, 'A'), std::string(3'000, 'B'), "b", "c"};
  EXPECT_EQ(Load(store_)->batches, after);
  EXPECT_EQ(store_.Run(Read{Layout(kPrefix).Generation(1), 100, 0}).keys.size(), 0u);
  EXPECT_EQ(ledger_->stats().compactions, 1u);
}

TEST_F(LedgerTest, ALeaderSweepsWhatACrashedCompactionLeft) {
  limits_.write_bytes_max = 4'096;
  Elect();
  Append("a");
  Run();
  ledger_->Compact(now_, {std::string(9'000, 'A')});
  At(100);
  EXPECT_EQ(ChunkCount(), 2u);
  Elect();
  EXPECT_EQ(loaded_.batches, std::vector<std::string>{"a"});
  Append("epoch");
  Run();
  EXPECT_EQ(ChunkCount(), 2u);
  EXPECT_EQ(Load(store_)->batches, (std::vector<std::string>{"a", "epoch"}));
}

TEST_F(LedgerTest, CompactionIsWantedBySizeAndByChunks) {
  limits_.compact_bytes_min = 1'000;
  limits_.compact_chunks_min = 10;
  Elect();
  for (int i = 0; i < 10; ++i) Append("a", Urgency::kAtOnce), Run();
  EXPECT_FALSE(ledger_->WantsCompaction());
  Append("a", Urgency::kAtOnce);
  Run();
  EXPECT_TRUE(ledger_->WantsCompaction());
  ledger_->Compact(now_, {std::string(400, 'A')});
  EXPECT_FALSE(ledger_->WantsCompaction());
  At(100);
  EXPECT_FALSE(ledger_->compacting());
  Append(std::string(1'000, 'b'));
  At(200);
  EXPECT_FALSE(ledger_->WantsCompaction()) << "it has not grown fourfold";
  Append(std::string(1'000, 'b'));
  At(300);
  EXPECT_TRUE(ledger_->WantsCompaction());
}

TEST_F(LedgerTest, RoomIsBounded) {
  limits_.journal_bytes_max = 1'000;
  limits_.batch_bytes_max = 800;
  Elect();
  EXPECT_TRUE(ledger_->HasRoomFor(800));
  EXPECT_FALSE(ledger_->HasRoomFor(801));
  Append(std::string(300, 'a'));
  EXPECT_FALSE(ledger_->HasRoomFor(700));
}

// ---- Damage

class Damage : public LedgerTest {
 protected:
  Damage() {
    limits_.write_bytes_max = 100;
    Elect();
    Append("a");
    Run();
    Append(std::string(250, 'x'), Urgency::kAtOnce);
    Run();
    Append("z", Urgency::kAtOnce);
    Run();
  }

  std::string& Value(std::uint64_t sequence) {
    return store_.keys()[Layout(kPrefix).Chunk(1, sequence)].value;
  }
  void ExpectRefused(const std::string& words) {
    const absl::Status status = Load(store_, limits_).status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    EXPECT_NE(status.message().find(words), std::string::npos) << status;
    EXPECT_EQ(status.message().find('\n'), std::string::npos);
  }
};

TEST_F(Damage, EveryFlippedByteIsFound) {
  for (std::uint64_t sequence = 0; sequence < 4; ++sequence) {
    for (char& byte : Value(sequence)) {
      byte ^= 0x10;
      ExpectRefused("p/journal/0000000000000001/");
      byte ^= 0x10;
    }
  }
  for (char& byte : store_.keys()["p/journal/head"].value) {
    byte ^= 0x10;
    ExpectRefused("p/journal/head");
    byte ^= 0x10;
  }
  EXPECT_TRUE(Load(store_, limits_).ok());
}

TEST_F(Damage, EveryShortValueIsFound) {
  const std::string whole = Value(2);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    Value(2) = whole.substr(0, size);
    ExpectRefused("/0000000000000002");
  }
}

TEST_F(Damage, AMissingChunkIsFound) {
  store_.DeleteKey(Layout(kPrefix).Chunk(1, 2));
  ExpectRefused("/0000000000000002: is not there, and");
}

TEST_F(Damage, AMissingHeadIsFound) {
  store_.DeleteKey("p/journal/head");
  ExpectRefused("p/journal/head: is not there, and");
}

TEST_F(Damage, ExchangedChunksAreFound) {
  std::swap(Value(1), Value(2));
  ExpectRefused("/0000000000000001");
}

TEST_F(Damage, ABatchOverTheLimitIsRefused) {
  limits_.batch_bytes_max = 200;
  ExpectRefused("over the limit of 200 bytes");
}

/// Chunks with right checksums and impossible contents.
TEST_F(Damage, ImpossibleChunksAreFound) {
  const auto write = [&](std::uint64_t sequence, ChunkHeader header, std::string_view content) {
    std::uint32_t before = 0, checksum = 0;
    if (sequence > 0) {
      const std::string& value = Value(sequence - 1);
      before = LoadLittle<std::uint32_t>(value.data() + value.size() - 4);
    }
    Value(sequence) = EncodeChunk(header, content, before, &checksum);
  };
  write(3, {true, false, 1, 3, 9}, std::string("\1z", 2));
  ExpectRefused("no beginning");
  write(3, {false, false, 1, 5, 9}, std::string("\1z", 2));
  ExpectRefused("another key");
  write(3, {true, true, 1, 3, 9}, "");
  ExpectRefused("no part of it");
  write(3, {false, false, 1, 3, 9}, std::string("\7z", 2));
  ExpectRefused("longer than the value");
  write(2, {false, false, 1, 2, store_.keys()[kLeader].created}, "");
  ExpectRefused("no end");
}

}  // namespace
}  // namespace trireme::mapreduce::ledger
