#include <gtest/gtest.h>

#include <trireme/raft/sessions.h>
#include "raft/replica/replica_testing.h"

namespace trireme::raft {
namespace {

/// Applies commands one by one, or several as one batch, at rising indexes.
class Machine {
 public:
  explicit Machine(std::uint64_t sessions_max = 10'000)
      : sessions_(&adder_, {.sessions_max = sessions_max}) {}

  std::vector<std::string> Apply(const std::vector<SharedBytes>& commands) {
    std::vector<Entry> entries;
    for (const SharedBytes& data : commands) {
      entries.push_back({++index_, Term{1}, EntryKind::kCommand, data});
    }
    std::vector<std::string> results(commands.size());
    sessions_.Apply(entries, results);
    return results;
  }
  std::string Apply(const SharedBytes& command) { return Apply(std::vector{command})[0]; }
  std::uint64_t Open() { return *Sessions::OpenResult(Apply(Sessions::Open())); }
  std::string Sum() { return *sessions_.Query(""); }
  Sessions& sessions() { return sessions_; }
  Index index() const { return index_; }

 private:
  Adder adder_;
  Sessions sessions_;
  Index index_;
};

TEST(Sessions, WhatIsRepeatedTakesEffectOnce) {
  Machine machine;
  const std::uint64_t id = machine.Open();
  const std::string first = machine.Apply(Sessions::Command(id, 1, "5"));
  EXPECT_EQ(*Sessions::CommandResult(first), "5");
  EXPECT_EQ(machine.Apply(Sessions::Command(id, 1, "5")), first);
  EXPECT_EQ(machine.Sum(), "5");
  EXPECT_EQ(*Sessions::CommandResult(machine.Apply(Sessions::Command(id, 2, "5"))), "10");
  EXPECT_TRUE(absl::IsAlreadyExists(
      Sessions::CommandResult(machine.Apply(Sessions::Command(id, 1, "5"))).status()));
  EXPECT_EQ(machine.Sum(), "10");
}

TEST(Sessions, AlsoWithinOneBatch) {
  Machine machine;
  const std::uint64_t id = machine.Open();
  const auto results = machine.Apply({Sessions::Command(id, 1, "5"), Sessions::Command(id, 1, "5"),
                                      Sessions::Command(id, 2, "1")});
  EXPECT_EQ(*Sessions::CommandResult(results[0]), "5");
  EXPECT_EQ(results[1], results[0]);
  EXPECT_EQ(*Sessions::CommandResult(results[2]), "6");
}

TEST(Sessions, TheOneSilentLongestIsClosed) {
  Machine machine(2);
  const std::uint64_t a = machine.Open();
  const std::uint64_t b = machine.Open();
  machine.Apply(Sessions::Command(a, 1, "1"));
  machine.Open();
  EXPECT_TRUE(absl::IsNotFound(
      Sessions::CommandResult(machine.Apply(Sessions::Command(b, 1, "1"))).status()));
  EXPECT_TRUE(Sessions::CommandResult(machine.Apply(Sessions::Command(a, 2, "1"))).ok());
  EXPECT_EQ(machine.sessions().size(), 2u);
  EXPECT_EQ(machine.Sum(), "2");
}

TEST(Sessions, OtherBytesAreNotExecuted) {
  Machine machine;
  machine.Open();
  for (const char* bytes : {"5", "", "c", "c\xff"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(
        Sessions::CommandResult(machine.Apply(SharedBytes::Copy(bytes))).status()));
  }
  EXPECT_EQ(machine.Sum(), "0");
}

class Bytes final : public SnapshotSink, public SnapshotSource {
 public:
  absl::Status Append(std::string_view part) override {
    bytes += part;
    return absl::OkStatus();
  }
  absl::StatusOr<SharedBytes> Read(std::uint64_t bytes_max) override {
    const SharedBytes part =
        SharedBytes::Copy(bytes.substr(at, std::min<std::uint64_t>(bytes_max, 3)));
    at += part.size();
    return part;
  }
  LogPosition last() const override { return {Index{100}, Term{1}}; }
  std::uint64_t size_bytes() const override { return bytes.size(); }
  std::string bytes;
  std::size_t at = 0;
};

TEST(Sessions, ASnapshotKeepsThem) {
  Machine machine;
  const std::uint64_t id = machine.Open();
  const std::string first = machine.Apply(Sessions::Command(id, 1, "5"));
  Bytes snapshot;
  ASSERT_TRUE(machine.sessions().Capture()(snapshot).ok());
  Adder adder;
  Sessions other(&adder);
  ASSERT_TRUE(other.Restore(snapshot).ok());
  EXPECT_EQ(*other.Query(""), "5");
  const std::vector<Entry> again = {
      {Index{101}, Term{1}, EntryKind::kCommand, Sessions::Command(id, 1, "5")}};
  std::vector<std::string> results(1);
  other.Apply(again, results);
  EXPECT_EQ(results[0], first);
  EXPECT_EQ(*other.Query(""), "5");
  for (std::size_t size = 0; size + 1 < snapshot.bytes.size(); ++size) {
    Bytes damaged;
    damaged.bytes = snapshot.bytes.substr(0, size);
    Adder inner;
    // Cut within the inner machine's part, it is that one's business.
    if (size >= snapshot.bytes.size() - 2) continue;
    EXPECT_FALSE(Sessions(&inner).Restore(damaged).ok()) << size;
  }
}

}  // namespace
}  // namespace trireme::raft
