#include "mapreduce/cluster/output_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "mapreduce/fs/local.h"

namespace trireme::mapreduce {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Fails from the n-th change on, as if its process had died there.
class DyingFiles final : public LocalFileSystem {
 public:
  int steps_left = 1 << 20;

  absl::StatusOr<std::unique_ptr<io::FileWriter>> Create(const std::string& path,
                                                         io::Durability durability) override {
    if (Dead()) return absl::AbortedError("dead");
    return LocalFileSystem::Create(path, durability);
  }
  absl::Status Rename(const std::string& from, const std::string& to) override {
    return Dead() ? absl::AbortedError("dead") : LocalFileSystem::Rename(from, to);
  }
  absl::Status RemoveTree(const std::string& path) override {
    return Dead() ? absl::AbortedError("dead") : LocalFileSystem::RemoveTree(path);
  }

 private:
  bool Dead() { return steps_left-- <= 0; }
};

class OutputDirectoryTest : public testing::Test {
 protected:
  OutputDirectoryTest() {
    char name[] = "/tmp/trireme-output-XXXXXX";
    base_ = ::mkdtemp(name);
    path_ = base_ + "/out";
  }
  ~OutputDirectoryTest() override { fs::remove_all(base_); }

  OutputDirectory Output() { return OutputDirectory(&files_, path_, io::Durability::kProcess); }
  static absl::Status Prepare(OutputDirectory& output) { return output.Prepare(true); }
  void PutPart(const OutputDirectory& output, std::uint32_t index, const std::string& text) {
    std::ofstream(output.PartPath(false, index, false)) << text;
  }
  std::set<std::string> Names() const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(path_)) names.insert(entry.path().filename());
    return names;
  }
  std::string Read(const std::string& name) const {
    std::ifstream in(path_ + "/" + name);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void MakeOldOutput() {
    fs::create_directories(path_);
    for (const char* name : {"part-r-00000", "part-r-00001", "part-r-00002", "_SUCCESS"})
      std::ofstream(path_ + "/" + name) << "old";
    std::ofstream(path_ + "/notes") << "not ours";
  }

  DyingFiles files_;
  std::string base_, path_;
};

TEST_F(OutputDirectoryTest, CheckRefusesWhatIsThereAndSaysWhatToDo) {
  EXPECT_TRUE(Output().Check(false).ok());
  EXPECT_FALSE(fs::exists(path_)) << "Check writes nothing";
  fs::create_directory(path_);
  const absl::Status there = Output().Check(false);
  EXPECT_TRUE(absl::IsAlreadyExists(there));
  EXPECT_THAT(std::string(there.message()), HasSubstr("--overwrite"));
  EXPECT_TRUE(Output().Check(true).ok());
  fs::remove(path_);
  std::ofstream{path_} << "a file";
  EXPECT_TRUE(absl::IsAlreadyExists(Output().Check(true)));
}

TEST_F(OutputDirectoryTest, PartsAppearOnlyWhenTheJobHasSucceeded) {
  OutputDirectory output = Output();
  ASSERT_TRUE(Prepare(output).ok());
  PutPart(output, 0, "zero");
  PutPart(output, 1, "one");
  EXPECT_THAT(Names(), ElementsAre("_temporary"));
  ASSERT_TRUE(output.Finish().ok());
  EXPECT_THAT(Names(), ElementsAre("_SUCCESS", "part-r-00000", "part-r-00001"));
  EXPECT_EQ(Read("part-r-00001"), "one");
}

TEST_F(OutputDirectoryTest, PartNames) {
  const OutputDirectory output = Output();
  EXPECT_THAT(output.PartPath(true, 3, false), HasSubstr("/part-m-00003"));
  EXPECT_THAT(output.PartPath(false, 123456, true), HasSubstr("/part-r-123456.zst"));
}

TEST_F(OutputDirectoryTest, AFailedJobLeavesNothing) {
  OutputDirectory output = Output();
  ASSERT_TRUE(Prepare(output).ok());
  PutPart(output, 0, "zero");
  output.Abandon();
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(OutputDirectoryTest, AFailedJobLeavesTheOlderOutputAlone) {
  MakeOldOutput();
  const std::set<std::string> before = Names();
  OutputDirectory output = Output();
  ASSERT_TRUE(Prepare(output).ok());
  PutPart(output, 0, "new");
  output.Abandon();
  EXPECT_EQ(Names(), before);
  EXPECT_EQ(Read("part-r-00000"), "old");
}

TEST_F(OutputDirectoryTest, ASuccessReplacesTheOlderOutputAndNothingElse) {
  MakeOldOutput();
  OutputDirectory output = Output();
  ASSERT_TRUE(Prepare(output).ok());
  PutPart(output, 0, "new");
  // What a killed attempt left half-written.
  std::ofstream(path_ + "/_temporary/" + std::string(io::kTemporaryPrefix) + "part") << "half";
  ASSERT_TRUE(output.Finish().ok());
  EXPECT_THAT(Names(), ElementsAre("_SUCCESS", "notes", "part-r-00000"));
  EXPECT_EQ(Read("part-r-00000"), "new");
}

/// Dies before its n-th step, for every n; whoever comes after finishes.
TEST_F(OutputDirectoryTest, FinishMayDieAnywhereAndBeDoneAgain) {
  bool died = true;
  for (int steps = 0; died; ++steps) {
    ASSERT_LT(steps, 100);
    fs::remove_all(path_);
    MakeOldOutput();
    OutputDirectory output = Output();
    ASSERT_TRUE(Prepare(output).ok());
    PutPart(output, 0, "new");
    PutPart(output, 1, "new");
    files_.steps_left = steps;
    died = !output.Finish().ok();
    // Never a _SUCCESS beside anything but one whole output.
    const std::set<std::string> names = Names();
    if (names.contains("_SUCCESS")) {
      const std::string text = Read("part-r-00000");
      EXPECT_EQ(Read("part-r-00001"), text) << steps;
      EXPECT_EQ(names.contains("part-r-00002"), text == "old") << steps;
    }
    files_.steps_left = 1 << 20;
    OutputDirectory successor = Output();
    ASSERT_TRUE(successor.Finish().ok()) << steps;
    EXPECT_THAT(Names(), ElementsAre("_SUCCESS", "notes", "part-r-00000", "part-r-00001")) << steps;
    EXPECT_EQ(Read("part-r-00001"), "new");
  }
}

// ---- Coordinators that take over from one another

class OwnedOutputTest : public OutputDirectoryTest {
 protected:
  OutputDirectory Of(std::int64_t fence, std::uint64_t job = 7) {
    return OutputDirectory(&files_, path_, io::Durability::kProcess,
                           OutputOwner(job, fence, [this] { return leads_; }));
  }
  bool leads_ = true;
};

TEST_F(OwnedOutputTest, TheNextLeaderGoesOnThoughTheOldOneHoldsTheLock) {
  OutputDirectory old = Of(1);
  ASSERT_TRUE(Prepare(old).ok());
  OutputDirectory next = Of(2);
  ASSERT_TRUE(Prepare(next).ok());
  PutPart(next, 0, "new");
  ASSERT_TRUE(next.Finish().ok());
  EXPECT_THAT(Names(), ElementsAre("_SUCCESS", "part-r-00000"));
  EXPECT_TRUE(absl::IsAlreadyExists(Prepare(*std::make_unique<OutputDirectory>(Of(3, 8)))))
      << "another job may not";
}

TEST_F(OwnedOutputTest, ADeposedLeaderRemovesAndFinishesNothing) {
  MakeOldOutput();
  OutputDirectory old = Of(1);
  ASSERT_TRUE(Prepare(old).ok());
  PutPart(old, 0, "new");
  const std::string temporary = path_ + "/_temporary";
  ASSERT_TRUE(OutputOwner(7, 2, [] { return true; }).Claim(files_, temporary).ok());
  EXPECT_TRUE(absl::IsCancelled(old.Finish()));
  EXPECT_EQ(Read("part-r-00000"), "old");
  old.Abandon();
  EXPECT_EQ(Read("_temporary/part-r-00000"), "new");
  EXPECT_TRUE(absl::IsCancelled(Prepare(*std::make_unique<OutputDirectory>(Of(1)))));
  OutputDirectory next = Of(2);
  ASSERT_TRUE(next.Finish().ok());
  EXPECT_EQ(Read("part-r-00000"), "new");
}

/// At every step: the next leader takes the directory in the middle of the old one's work.
TEST_F(OwnedOutputTest, ALeaderThatDiesAtAnyStepIsFollowed) {
  for (int steps = 0; steps < 20; ++steps) {
    fs::remove_all(path_);
    MakeOldOutput();
    {
      OutputDirectory old = Of(1);
      ASSERT_TRUE(Prepare(old).ok());
      PutPart(old, 0, "new");
      PutPart(old, 1, "new");
      files_.steps_left = steps;
      (void)old.Finish();
      files_.steps_left = 1 << 20;
    }
    OutputDirectory next = Of(2);
    ASSERT_TRUE(next.Finish().ok()) << steps;
    EXPECT_THAT(Names(), ElementsAre("_SUCCESS", "notes", "part-r-00000", "part-r-00001")) << steps;
    EXPECT_EQ(Read("part-r-00001"), "new") << steps;
  }
}

TEST_F(OwnedOutputTest, WhoDoesNotLeadTouchesNothing) {
  OutputDirectory output = Of(1);
  ASSERT_TRUE(Prepare(output).ok());
  PutPart(output, 0, "new");
  leads_ = false;
  EXPECT_TRUE(absl::IsCancelled(output.Finish()));
  output.Abandon();
  EXPECT_EQ(Read("_temporary/part-r-00000"), "new");
}

}  // namespace
}  // namespace trireme::mapreduce
