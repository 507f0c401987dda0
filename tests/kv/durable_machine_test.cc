// The KV as a state machine that keeps its state by itself, over its stores in files. Not under
// ThreadSanitizer: Debian's RocksDB is not instrumented.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <trireme/raft/conformance.h>
#include "fmt/format.h"
#include "kv/server/kv_machine.h"
#include "kv/server/stores.h"

namespace trireme::kv {
namespace {

class Nobody final : public MachineObserver {
 public:
  bool wants_events() const override { return false; }
  void OnCommitted(std::shared_ptr<const CommittedBatch> batch) override { view_ = batch->view; }
  void OnAnswered() override {}
  void OnFailure(const absl::Status& status) override { ADD_FAILURE() << status; }

  std::shared_ptr<const ReadView> view_;
};

/// A machine with all it needs, that tells its state by the hash.
class Machine final : public raft::DurableStateMachine {
 public:
  explicit Machine(const std::string& directory) : stores_(*MakeStores(directory)) {
    auto machine = *KvMachine::Open({.origin = 1}, stores_.get(), &observer_);
    observer_.view_ = machine->view();
    machine_ = std::make_unique<DurableKvMachine>(std::move(machine));
  }

  absl::StatusOr<raft::LogPosition> DurablyApplied() override { return machine_->DurablyApplied(); }
  void Apply(std::span<const raft::Entry> entries, std::span<std::string> results) override {
    machine_->Apply(entries, results);
  }
  void Skip(raft::LogPosition at) override { machine_->Skip(at); }
  raft::FlushWork Flush() override { return machine_->Flush(); }
  raft::SnapshotWork Capture() override { return machine_->Capture(); }
  absl::Status Restore(raft::SnapshotSource& from) override { return machine_->Restore(from); }
  absl::StatusOr<std::string> Query(std::string_view) override {
    const auto hash = observer_.view_->Hash(0);
    if (!hash.ok()) return hash.status();
    return fmt::format("{} {:x}", hash->revision, hash->hash);
  }

 private:
  Nobody observer_;
  const std::unique_ptr<StoreProvider> stores_;
  std::unique_ptr<DurableKvMachine> machine_;
};

class DurableMachineTest : public testing::Test {
 protected:
  DurableMachineTest()
      : directory_(std::filesystem::temp_directory_path() /
                   fmt::format("trireme-durable-{}", ::getpid())) {
    Erase();
  }
  ~DurableMachineTest() override { Erase(); }
  void Erase() const { std::filesystem::remove_all(directory_); }

  static std::string Put(std::string_view key, std::string_view value) {
    return EncodeEntry({.body = PutRequest{.key = key, .value = value}}, {.origin = 1});
  }

  const std::string directory_;
};

TEST_F(DurableMachineTest, Conforms) {
  const auto open = [this] { return std::make_unique<Machine>(directory_); };
  const auto erase = [this] { Erase(); };
  std::vector<std::string> commands;
  for (int i = 0; i < 8; ++i) commands.push_back(Put(fmt::format("k{}", i % 5), std::to_string(i)));
  EXPECT_EQ(raft::conformance::CheckDurableStateMachine({open, erase}, commands,
                                                        std::vector<std::string>{""}),
            absl::OkStatus());
}

/// What it has flushed counts, and nothing that came later.
TEST_F(DurableMachineTest, AFlushIsOfWhatWasAppliedBefore) {
  const auto apply = [](Machine& machine, std::uint64_t index) {
    const raft::Entry entry{raft::Index{index}, raft::Term{3}, raft::EntryKind::kCommand,
                            SharedBytes::Own(Put("k", std::to_string(index)))};
    std::string result;
    machine.Apply(std::span(&entry, 1), std::span(&result, 1));
    EXPECT_FALSE(result.empty());
  };
  {
    Machine machine(directory_);
    apply(machine, 1);
    apply(machine, 2);
    machine.Skip({raft::Index{3}, raft::Term{4}});
    auto flush = machine.Flush();
    apply(machine, 4);
    ASSERT_EQ(flush(), absl::OkStatus());
  }
  Machine machine(directory_);
  EXPECT_EQ(*machine.DurablyApplied(), (raft::LogPosition{raft::Index{3}, raft::Term{4}}));
  EXPECT_TRUE(machine.Query("")->starts_with("3 "));
}

/// Keeps a snapshot's bytes.
class Bytes final : public raft::SnapshotSink, public raft::SnapshotSource {
 public:
  absl::Status Append(std::string_view bytes) override {
    bytes_.append(bytes);
    return absl::OkStatus();
  }
  absl::StatusOr<SharedBytes> Read(std::uint64_t bytes_max) override {
    if (std::exchange(breaks_off_, false)) {
      at_ = 0;
      return absl::ResourceExhaustedError("no room");
    }
    const std::string_view part = std::string_view(bytes_).substr(at_, bytes_max);
    at_ += part.size();
    breaks_off_ = std::exchange(breaks_off_next_, false);
    return SharedBytes::Copy(part);
  }
  raft::LogPosition last() const override { return {raft::Index{100}, raft::Term{7}}; }
  std::uint64_t size_bytes() const override { return bytes_.size(); }
  std::string_view bytes() const { return bytes_; }
  /// The second Read fails, once; then it begins again.
  void BreakOff() { breaks_off_next_ = true; }

 private:
  std::string bytes_;
  std::size_t at_ = 0;
  bool breaks_off_next_ = false, breaks_off_ = false;
};

/// Members with and without files read what either sends.
TEST_F(DurableMachineTest, EveryMemberReadsEverySnapshot) {
  const raft::Entry entry{raft::Index{1}, raft::Term{3}, raft::EntryKind::kCommand,
                          SharedBytes::Own(Put("k", "v"))};
  for (const bool from_files : {true, false}) {
    for (const bool to_files : {true, false}) {
      SCOPED_TRACE(fmt::format("{} to {}", from_files, to_files));
      Erase();
      Machine from(from_files ? directory_ + "/from" : ""), to(to_files ? directory_ + "/to" : "");
      std::string result;
      from.Apply(std::span(&entry, 1), std::span(&result, 1));
      Bytes bytes;
      ASSERT_EQ(from.Capture()(bytes), absl::OkStatus());
      EXPECT_EQ(bytes.bytes().starts_with("TRIKVFS1"), from_files);
      ASSERT_EQ(to.Restore(bytes), absl::OkStatus());
      EXPECT_EQ(*to.Query(""), *from.Query(""));
      EXPECT_EQ(*to.DurablyApplied(), bytes.last());
    }
  }
}

/// Nor keeps the disk full while it waits for room.
TEST_F(DurableMachineTest, ARestoreThatFailsLeavesNoFiles) {
  const raft::Entry entry{raft::Index{1}, raft::Term{3}, raft::EntryKind::kCommand,
                          SharedBytes::Own(Put("k", std::string(1 << 20, 'v')))};
  Machine from(directory_ + "/from"), to(directory_ + "/to");
  std::string result;
  from.Apply(std::span(&entry, 1), std::span(&result, 1));
  Bytes bytes;
  ASSERT_EQ(from.Capture()(bytes), absl::OkStatus());
  const std::string before = *to.Query("");
  bytes.BreakOff();
  EXPECT_TRUE(absl::IsResourceExhausted(to.Restore(bytes)));
  EXPECT_EQ(*to.Query(""), before);
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/to/kv/2"));
  ASSERT_EQ(to.Restore(bytes), absl::OkStatus());
  EXPECT_EQ(*to.Query(""), *from.Query(""));
}

}  // namespace
}  // namespace trireme::kv
