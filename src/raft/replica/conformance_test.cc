#include <trireme/raft/conformance.h>

#include <gtest/gtest.h>

#include <trireme/raft/sessions.h>
#include "raft/replica/replica_testing.h"

/// Ours conform, and what does not is found out.
namespace trireme::raft {
namespace {

using conformance::CheckClock;
using conformance::CheckLogStore;
using conformance::CheckStateMachine;

const std::vector<std::string> kNumbers = {"1", "2", "3", "4", "5", "6", "7", "8", "9"};
const std::vector<std::string> kQueries = {""};

TEST(StateMachineConformance, Ours) {
  EXPECT_EQ(CheckStateMachine([] { return std::make_unique<Adder>(); }, kNumbers, kQueries),
            absl::OkStatus());
}

class SessionsOverAdder final : public StateMachine {
 public:
  void Apply(std::span<const Entry> commands, std::span<std::string> results) override {
    sessions_.Apply(commands, results);
  }
  SnapshotWork Capture() override { return sessions_.Capture(); }
  absl::Status Restore(SnapshotSource& from) override { return sessions_.Restore(from); }
  absl::StatusOr<std::string> Query(std::string_view query) override {
    return sessions_.Query(query);
  }

 private:
  Adder adder_;
  Sessions sessions_{&adder_};
};

TEST(StateMachineConformance, Sessions) {
  std::vector<std::string> commands = {std::string(Sessions::Open().view())};
  for (std::uint64_t i = 1; i <= 9; ++i) {
    commands.emplace_back(Sessions::Command(1, 1 + i / 2, "5").view());  // some said twice
  }
  EXPECT_EQ(
      CheckStateMachine([] { return std::make_unique<SessionsOverAdder>(); }, commands, kQueries),
      absl::OkStatus());
}

/// Wrong in one way.
class BrokenAdder final : public StateMachine {
 public:
  enum class Flaw : std::uint8_t { kBatches, kLateCapture, kKeepsOld, kQueryChanges };
  explicit BrokenAdder(Flaw flaw) : flaw_(flaw) {}

  void Apply(std::span<const Entry> commands, std::span<std::string> results) override {
    for (std::size_t i = 0; i < commands.size(); ++i) {
      sum_ += std::stoll(std::string(commands[i].data.view()));
      results[i] = std::to_string(sum_);
    }
    if (flaw_ == Flaw::kBatches) ++sum_;
  }
  SnapshotWork Capture() override {
    return [this, sum = sum_](SnapshotSink& to) {
      return to.Append(std::to_string(flaw_ == Flaw::kLateCapture ? sum_ : sum));
    };
  }
  absl::Status Restore(SnapshotSource& from) override {
    std::string all;
    for (auto part = from.Read(); part.ok() && !part->empty(); part = from.Read()) {
      all += part->view();
    }
    sum_ = std::stoll(all) + (flaw_ == Flaw::kKeepsOld ? sum_ : 0);
    return absl::OkStatus();
  }
  absl::StatusOr<std::string> Query(std::string_view) override {
    if (flaw_ == Flaw::kQueryChanges) ++sum_;
    return std::to_string(sum_);
  }

 private:
  const Flaw flaw_;
  std::int64_t sum_ = 0;
};

TEST(StateMachineConformance, FlawsAreFound) {
  for (const auto flaw : {BrokenAdder::Flaw::kBatches, BrokenAdder::Flaw::kLateCapture,
                          BrokenAdder::Flaw::kKeepsOld, BrokenAdder::Flaw::kQueryChanges}) {
    EXPECT_FALSE(CheckStateMachine([flaw] { return std::make_unique<BrokenAdder>(flaw); }, kNumbers,
                                   kQueries)
                     .ok())
        << static_cast<int>(flaw);
  }
}

class BrokenClock final : public Clock {
 public:
  explicit BrokenClock(int factor) : factor_(factor) {}
  std::chrono::nanoseconds Now() const override { return factor_ * SteadyClock().Now(); }

 private:
  int factor_;
};

TEST(ClockConformance, OursAndFlaws) {
  EXPECT_EQ(CheckClock(SteadyClock()), absl::OkStatus());
  EXPECT_FALSE(CheckClock(BrokenClock(0)).ok());
  EXPECT_FALSE(CheckClock(BrokenClock(-1)).ok());
  EXPECT_FALSE(CheckClock(BrokenClock(10)).ok());
}

TEST(LogStoreConformance, Memory) {
  EXPECT_EQ(CheckLogStore({std::make_unique<MemoryLog>(),
                           [](std::unique_ptr<LogStore>& store) {
                             return static_cast<MemoryLog&>(*store).Recover();
                           }}),
            absl::OkStatus());
}

/// Passes everything on but what it is told to get wrong.
class BrokenStore final : public LogStore {
 public:
  enum class Flaw : std::uint8_t { kNone, kNoTruncation, kWrongBatch, kReadsDropped };
  BrokenStore(std::unique_ptr<LogStore> inner, Flaw flaw) : inner_(std::move(inner)), flaw_(flaw) {}

  absl::StatusOr<BatchNumber> Write(std::span<const GroupWrite> groups) override {
    auto batch = inner_->Write(groups);
    if (batch.ok() && flaw_ == Flaw::kWrongBatch) return BatchNumber{1};
    return batch;
  }
  std::uint64_t batch_bytes_max() const override { return inner_->batch_bytes_max(); }
  absl::StatusOr<BatchNumber> Sync() override { return inner_->Sync(); }
  absl::StatusOr<std::vector<Entry>> Read(GroupId group, Index first, Index last,
                                          std::uint64_t bytes_max) const override {
    auto entries = inner_->Read(group, first, last, bytes_max);
    if (!entries.ok() && flaw_ == Flaw::kReadsDropped) {
      return std::vector<Entry>{{first, Term{1}, EntryKind::kCommand, {}}};
    }
    if (entries.ok() && flaw_ == Flaw::kNoTruncation) {
      for (Entry& entry : *entries) entry.term = Term{2};
    }
    return entries;
  }
  absl::StatusOr<std::unique_ptr<SnapshotWriter>> CreateSnapshot(GroupId group,
                                                                 LogPosition last) override {
    return inner_->CreateSnapshot(group, last);
  }
  absl::StatusOr<SharedBytes> ReadSnapshot(GroupId group, Index snapshot, std::uint64_t offset,
                                           std::uint64_t bytes_max) const override {
    return inner_->ReadSnapshot(group, snapshot, offset, bytes_max);
  }
  absl::Status Housekeep() override { return inner_->Housekeep(); }
  bool fatal() const override { return inner_->fatal(); }

 private:
  std::unique_ptr<LogStore> inner_;
  const Flaw flaw_;
};

TEST(LogStoreConformance, FlawsAreFound) {
  const auto check = [](BrokenStore::Flaw flaw) {
    return CheckLogStore(
        {std::make_unique<BrokenStore>(std::make_unique<MemoryLog>(), flaw), nullptr});
  };
  EXPECT_EQ(check(BrokenStore::Flaw::kNone), absl::OkStatus());
  EXPECT_FALSE(check(BrokenStore::Flaw::kNoTruncation).ok());
  EXPECT_FALSE(check(BrokenStore::Flaw::kWrongBatch).ok());
  EXPECT_FALSE(check(BrokenStore::Flaw::kReadsDropped).ok());
}

TEST(LogStoreConformance, Durable) {
  io::MemoryDisk disk;
  const auto open = [&disk](std::vector<RecoveredGroup>* groups) {
    LogOptions options{.directory = "log", .cluster_id = 1, .node = NodeId{1}};
    options.segment_bytes = 64u << 10;
    options.reserve_bytes = 4096;
    auto opened = Log::Open(options, &disk);
    TRIREME_CHECK(opened.ok());
    *groups = std::move(opened->groups);
    return std::move(opened->log);
  };
  std::vector<RecoveredGroup> none;
  auto first = open(&none);
  EXPECT_EQ(CheckLogStore({std::move(first),
                           [&](std::unique_ptr<LogStore>& store) {
                             store.reset();
                             std::vector<RecoveredGroup> groups;
                             store = open(&groups);
                             return groups;
                           }}),
            absl::OkStatus());
}

}  // namespace
}  // namespace trireme::raft
