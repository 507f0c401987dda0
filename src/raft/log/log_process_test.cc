// On the system's disk: kill -9 in the middle of writing, the syscalls of a batch, several threads,
// inspection.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <thread>

#include "io/posix_disk.h"
#include "raft/log/inspect.h"
#include "raft/log/log_testing.h"

namespace trireme::raft {
namespace {

constexpr GroupId kOne{1};
constexpr GroupId kTwo{2};

class LogProcessTest : public ::testing::Test {
 protected:
  LogProcessTest() {
    char name[] = "/tmp/trireme-raft-log-XXXXXX";
    directory_ = ::mkdtemp(name);
    options_ = SmallLog(directory_ + "/node");
    options_.segment_bytes = 256u << 10;
  }
  ~LogProcessTest() override { std::filesystem::remove_all(directory_); }

  std::string directory_;
  LogOptions options_;
  io::PosixDisk disk_;
};

/// Writes and compacts until it is killed; after each sync it says up to where.
[[noreturn]] void WriteUntilKilled(const LogOptions& options, int acknowledge) {
  io::PosixDisk disk;
  auto opened = Log::Open(options, &disk);
  if (!opened.ok()) ::_exit(1);
  Log& log = *opened->log;
  std::uint64_t last = opened->groups.empty() ? 0 : opened->groups[0].last.index.value;
  for (;;) {
    if (!AppendAndSync(log, kOne, MakeEntries(last + 1, 3, 1, 400)).ok()) ::_exit(2);
    last += 3;
    if (::write(acknowledge, &last, sizeof last) != sizeof last) ::_exit(3);
    if (last % 150 != 0) continue;
    auto writer = log.CreateSnapshot(kOne, {Index{last}, Term{1}});
    if (!writer.ok() || !(*writer)->Append("state").ok() || !(*writer)->Finish().ok()) ::_exit(4);
    const LogSnapshot snapshot{{Index{last}, Term{1}}, 5, {}};
    if (!WriteOne(log, {.group = kOne, .snapshot = snapshot, .drop_to = Index{last - 9}}).ok() ||
        !log.Housekeep().ok())
      ::_exit(5);
  }
}

/// Lets the child acknowledge `batches` batches, kills it, and returns the last acknowledged entry.
std::uint64_t RunAndKill(const LogOptions& options, int batches) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    WriteUntilKilled(options, ends[1]);
  }
  ::close(ends[1]);
  std::uint64_t last = 0, next = 0;
  for (int i = 0; i < batches && ::read(ends[0], &next, sizeof next) == sizeof next; ++i)
    last = next;
  ::kill(child, SIGKILL);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);
  while (::read(ends[0], &next, sizeof next) == sizeof next) last = next;
  ::close(ends[0]);
  return last;
}

TEST_F(LogProcessTest, KillNineLosesNothingAcknowledged) {
  std::uint64_t acknowledged = 0;
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(3);
  for (int round = 0; round < 3 || std::chrono::steady_clock::now() < until; ++round) {
    acknowledged = std::max(acknowledged, RunAndKill(options_, 20 + 37 * (round % 5)));
    const auto opened = OpenLog(disk_, options_);
    ASSERT_EQ(opened.groups.size(), 1u);
    const RecoveredGroup& group = opened.groups[0];
    ASSERT_GE(group.last.index.value, acknowledged);
    ASSERT_LE(group.last.index.value, acknowledged + 3);
    const std::uint64_t first = group.dropped_to.index.value + 1;
    EXPECT_EQ(ReadAll(*opened.log, kOne, Index{first}, group.last.index),
              MakeEntries(first, group.last.index.value - first + 1, 1, 400));
  }
  EXPECT_GT(acknowledged, 300u);
}

TEST_F(LogProcessTest, ReadersWritersAndHousekeepingTogether) {
  options_.segment_bytes = kSegmentBytesMin;
  const auto opened = OpenLog(disk_, options_);
  Log& log = *opened.log;
  ASSERT_TRUE(AppendAndSync(log, kTwo, MakeEntries(1, 30, 1, 100)).ok());
  std::atomic<bool> over{false};
  std::thread reader([&] {
    while (!over) EXPECT_EQ(ReadAll(log, kTwo, Index{1}, Index{30}), MakeEntries(1, 30, 1, 100));
  });
  std::thread housekeeper([&] {
    while (!over) EXPECT_TRUE(log.Housekeep().ok());
  });
  for (std::uint64_t i = 1; i <= 400; ++i) {
    EXPECT_TRUE(AppendAndSync(log, kOne, MakeEntries(i, 1, 1, 2000)).ok());
    if (i % 20 != 0) continue;
    const LogSnapshot snapshot = MakeSnapshot(log, kOne, {Index{i}, Term{1}}, "s");
    EXPECT_TRUE(WriteOne(log, {.group = kOne, .snapshot = snapshot, .drop_to = Index{i}}).ok());
  }
  over = true;
  reader.join();
  housekeeper.join();
  EXPECT_TRUE(log.Housekeep().ok());
  EXPECT_LE(log.Stats().segments, options_.pinned_segments_max + 3);
}

TEST_F(LogProcessTest, GoesPastTheCacheWhereTheSystemDoes) {
  const auto opened = OpenLog(disk_, options_);
  ASSERT_TRUE(AppendAndSync(*opened.log, kOne, MakeEntries(1, 3, 1, 100)).ok());
  const int descriptor = ::open((options_.directory + "/wal-0000000000000001").c_str(),
                                O_WRONLY | O_DIRECT | O_CLOEXEC);
  EXPECT_EQ(opened.log->bypasses_cache(), descriptor >= 0);
  if (descriptor >= 0) ::close(descriptor);
}

TEST_F(LogProcessTest, InspectionTellsWhatThereIs) {
  {
    const auto opened = OpenLog(disk_, options_);
    Log& log = *opened.log;
    EXPECT_EQ(Inspect(disk_, options_.directory).status().code(),
              absl::StatusCode::kFailedPrecondition);
    ASSERT_TRUE(AppendAndSync(log, kOne, MakeEntries(1, 5, 1)).ok());
    ASSERT_TRUE(AppendAndSync(log, kOne, MakeEntries(6, 2, 4)).ok());
    const LogSnapshot snapshot = MakeSnapshot(log, kOne, {Index{3}, Term{1}}, "state");
    ASSERT_TRUE(WriteOne(log, {.group = kOne,
                               .hard_state = HardState{Term{4}, NodeId{2}},
                               .snapshot = snapshot,
                               .drop_to = Index{2}})
                    .ok());
  }
  const auto found = Inspect(disk_, options_.directory);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->refusal, "");
  EXPECT_EQ(found->identity, (LogIdentity{77, NodeId{3}}));
  ASSERT_EQ(found->segments.size(), 1u);
  EXPECT_TRUE(found->segments[0].sound) << found->segments[0].damage;
  EXPECT_EQ(found->segments[0].entries, 7u);
  ASSERT_EQ(found->groups.size(), 1u);
  EXPECT_EQ(found->groups[0].hard_state, (HardState{Term{4}, NodeId{2}}));
  EXPECT_THAT(found->groups[0].terms,
              ::testing::ElementsAre(TermRun{Index{3}, Term{1}}, TermRun{Index{6}, Term{4}}));
  EXPECT_THAT(found->groups[0].holes, ::testing::IsEmpty());
  ASSERT_EQ(found->snapshots.size(), 1u);
  EXPECT_TRUE(found->snapshots[0].named && found->snapshots[0].sound);
}

TEST_F(LogProcessTest, InspectionGoesOnWhereAStartIsRefused) {
  {
    const auto opened = OpenLog(disk_, options_);
    for (std::uint64_t i = 1; i <= 900; ++i)
      ASSERT_TRUE(
          WriteOne(*opened.log, {.group = kOne, .entries = MakeEntries(i, 1, 1, 1000)}).ok());
  }
  std::filesystem::rename(options_.directory + "/wal-0000000000000002", directory_ + "/hidden");
  const auto found = Inspect(disk_, options_.directory);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_THAT(found->refusal, ::testing::HasSubstr("wal-0000000000000001: damaged at offset 0"));
  ASSERT_EQ(found->groups.size(), 1u);
  ASSERT_EQ(found->groups[0].holes.size(), 1u);
  EXPECT_FALSE(found->segments[1].sound);
  EXPECT_EQ(Inspect(disk_, directory_).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace trireme::raft
