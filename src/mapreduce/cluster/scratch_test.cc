#include "mapreduce/cluster/scratch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

namespace trireme::mapreduce {
namespace {

namespace fs = std::filesystem;

class ScratchTest : public testing::Test {
 protected:
  ScratchTest() {
    char name[] = "/tmp/trireme-scratch-XXXXXX";
    base_ = ::mkdtemp(name);
  }
  ~ScratchTest() override { fs::remove_all(base_); }

  ScratchDirectory Make() {
    auto made = ScratchDirectory::Make(base_);
    EXPECT_TRUE(made.ok()) << made.status();
    return *std::move(made);
  }

  std::string base_;
};

TEST_F(ScratchTest, IsThereForItsOwnerAloneAndGoneWithIt) {
  std::string path;
  {
    const ScratchDirectory one = Make();
    path = one.path();
    struct stat status;
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0700u);
    fs::create_directory(path + "/sub");
    std::ofstream(path + "/sub/file") << "x";
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(ScratchTest, TwoOfOneProcessAreApartAndOneMoveHasOneOwner) {
  std::optional<ScratchDirectory> first = Make();
  ScratchDirectory second = Make();
  EXPECT_NE(first->path(), second.path());
  const std::string path = first->path();
  {
    const ScratchDirectory moved = *std::move(first);
    first.reset();
    EXPECT_TRUE(fs::exists(path));
  }
  EXPECT_FALSE(fs::exists(path));
  second.Remove();
  EXPECT_FALSE(fs::exists(second.path() + "/lock"));
  second.Remove();  // once more is nothing
}

TEST_F(ScratchTest, WhatADeadProcessLeftIsRemovedAndALivingOnesStays) {
  const ScratchDirectory living = Make();
  std::ofstream(living.path() + "/file") << "x";
  const pid_t child = ::fork();
  if (child == 0) {
    const auto left = ScratchDirectory::Make(base_);
    ::_exit(left.ok() ? 0 : 1);  // without its end, as when it is killed
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  const std::string left = base_ + "/run-" + std::to_string(child) + "-0";
  ASSERT_TRUE(fs::exists(left));
  const ScratchDirectory next = Make();
  EXPECT_FALSE(fs::exists(left));
  EXPECT_TRUE(fs::exists(living.path() + "/file"));
}

TEST_F(ScratchTest, SomebodyElsesNamesAreNotTouched) {
  fs::create_directory(base_ + "/run-other");  // no lock within
  fs::create_directory(base_ + "/precious");
  std::ofstream(base_ + "/precious/lock") << "mine";
  const ScratchDirectory one = Make();
  EXPECT_TRUE(fs::exists(base_ + "/run-other"));
  EXPECT_TRUE(fs::exists(base_ + "/precious/lock"));
}

TEST_F(ScratchTest, ABaseThatIsMissingIsMadeAndOneThatIsAFileIsNamed) {
  EXPECT_TRUE(ScratchDirectory::Make(base_ + "/a/b").ok());
  std::ofstream(base_ + "/file") << "x";
  const auto made = ScratchDirectory::Make(base_ + "/file/c");
  ASSERT_FALSE(made.ok());
  EXPECT_THAT(std::string(made.status().message()), testing::HasSubstr(base_ + "/file/c"));
}

TEST_F(ScratchTest, TheDefaultIsInTmpdirAndMustBeADirectoryOfOurs) {
  ::setenv("TMPDIR", base_.c_str(), 1);
  const std::string base = base_ + "/trireme-" + std::to_string(::geteuid());
  EXPECT_TRUE(ScratchDirectory::Make("")->path().starts_with(base + "/"));
  fs::remove_all(base);
  fs::create_symlink(base_, base);  // of somebody who was there first
  const auto made = ScratchDirectory::Make("");
  EXPECT_TRUE(absl::IsPermissionDenied(made.status())) << made.status();
  ::unsetenv("TMPDIR");
}

}  // namespace
}  // namespace trireme::mapreduce
