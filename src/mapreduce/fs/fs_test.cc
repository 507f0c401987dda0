#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "mapreduce/fs/glob.h"
#include "mapreduce/fs/local.h"

namespace trireme::mapreduce {
namespace {

namespace stdfs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class LocalTest : public ::testing::Test {
 protected:
  LocalTest() {
    root_ = ::testing::TempDir() + "trireme_fs_test.XXXXXX";
    EXPECT_NE(::mkdtemp(root_.data()), nullptr);
  }
  ~LocalTest() override { stdfs::remove_all(root_); }

  void Write(const std::string& name, const std::string& contents = "x") {
    stdfs::create_directories(stdfs::path(Path(name)).parent_path());
    std::ofstream(Path(name)) << contents;
  }
  std::string Path(const std::string& name) const { return root_ + "/" + name; }
  std::string Contents(const std::string& name) const {
    std::stringstream contents;
    contents << std::ifstream(Path(name)).rdbuf();
    return contents.str();
  }

  /// The expansion without the root, and the error's message in its place.
  std::vector<std::string> Expand(std::vector<std::string> arguments) {
    for (std::string& argument : arguments) argument = Path(argument);
    const auto files = ExpandInputs(fs_, arguments);
    if (!files.ok()) return {std::string(files.status().message())};
    std::vector<std::string> names;
    for (const io::FileInfo& file : *files) names.push_back(file.path.substr(root_.size() + 1));
    return names;
  }

  LocalFileSystem fs_;
  std::string root_;
};

TEST_F(LocalTest, DirectoriesStandForTheirVisibleFiles) {
  for (const char* name : {"d/b", "d/a", "d/sub/c", "d/.hidden", "d/_tmp.x", "d/_logs/x", "e"})
    Write(name);
  EXPECT_THAT(Expand({"d"}), ElementsAre("d/a", "d/b", "d/sub/c"));
  EXPECT_THAT(Expand({"."}), ElementsAre("d/a", "d/b", "d/sub/c", "e"));
  EXPECT_THAT(Expand({"d/_logs", "d/.hidden"}), ElementsAre("d/.hidden", "d/_logs/x"));
}

TEST_F(LocalTest, Patterns) {
  for (const char* name : {"a.h", "b.c", "s/a.h", "s/t/a.h", "s/t/b.c", "s/_x/a.h", "s/.x/a.h"})
    Write(name);
  EXPECT_THAT(Expand({"*.h"}), ElementsAre("a.h"));
  EXPECT_THAT(Expand({"**/*.h"}), ElementsAre("a.h", "s/a.h", "s/t/a.h"));
  EXPECT_THAT(Expand({"**/t/*"}), ElementsAre("s/t/a.h", "s/t/b.c"));
  EXPECT_THAT(Expand({"s/**"}), ElementsAre("s/a.h", "s/t/a.h", "s/t/b.c"));
  EXPECT_THAT(Expand({"{a.h,s/t/*.{h,c}}"}), ElementsAre("a.h", "s/t/a.h", "s/t/b.c"));
  EXPECT_THAT(Expand({"[ab].?"}), ElementsAre("a.h", "b.c"));
  EXPECT_THAT(Expand({"s/_*/a.h"}), ElementsAre("s/_x/a.h"));
  EXPECT_THAT(Expand({"s/**/**/a.h", "s//./a.h"}), ElementsAre("s/a.h", "s/t/a.h"));
}

TEST_F(LocalTest, ANameWithWildcardsThatExistsIsTakenAsItIs) {
  Write("a[1]*.txt");
  Write("a1.txt");
  EXPECT_THAT(Expand({"a[1]*.txt"}), ElementsAre("a[1]*.txt"));
}

TEST_F(LocalTest, SizesAreReported) {
  Write("a", "12345");
  const auto files = ExpandInputs(fs_, {Path("a")});
  ASSERT_TRUE(files.ok());
  EXPECT_EQ((*files)[0].size_bytes, 5u);
}

TEST_F(LocalTest, WhatMatchesNothingIsNamed) {
  Write("a");
  EXPECT_THAT(Expand({"a", "b*"}),
              ElementsAre(AllOf(HasSubstr("no file matches"), HasSubstr("b*"))));
  EXPECT_THAT(Expand({"missing/x"}), ElementsAre(HasSubstr("missing/x")));
  EXPECT_FALSE(ExpandInputs(fs_, {""}).ok());
}

TEST_F(LocalTest, AnEmptyDirectoryIsNoError) {
  stdfs::create_directories(Path("d"));
  EXPECT_THAT(Expand({"d"}), IsEmpty());
}

TEST_F(LocalTest, WhatIsNoFileIsRefusedByName) {
  Write("d/a");
  ASSERT_EQ(::mkfifo(Path("d/pipe").c_str(), 0600), 0);
  for (const char* argument : {"d", "d/pipe", "d/p*", "**/*"})
    EXPECT_THAT(Expand({argument}), ElementsAre(AllOf(HasSubstr("d/pipe"), HasSubstr("a pipe"))));
  EXPECT_THAT(Expand({"d/[!p]*"}), ElementsAre("d/a"));
  ASSERT_EQ(::rename(Path("d/pipe").c_str(), Path("d/_pipe").c_str()), 0);
  EXPECT_THAT(Expand({"d"}), ElementsAre("d/a"));
}

TEST_F(LocalTest, LinksThatLeadBackEnd) {
  Write("d/e/a");
  stdfs::create_directory_symlink(Path("d"), Path("d/e/up"));
  stdfs::create_directory_symlink(Path("d/e"), Path("d/same"));
  EXPECT_THAT(Expand({"d"}), ElementsAre("d/e/a", "d/same/a"));
  EXPECT_THAT(Expand({"d/**/a"}), ElementsAre("d/e/a", "d/same/a"));
  stdfs::create_symlink(Path("nowhere"), Path("d/dangling"));
  for (const char* argument : {"d", "d/dangling", "d/*"})
    EXPECT_THAT(Expand({argument}),
                ElementsAre(AllOf(HasSubstr("d/dangling"), HasSubstr("leads nowhere"))));
}

TEST_F(LocalTest, DirectoriesTooDeepAreRefused) {
  std::string deep = "d";
  for (std::size_t i = 0; i < kDirectoryDepthMax + 1; ++i) deep += "/d";
  Write(deep + "/a");
  EXPECT_THAT(Expand({"d"}), ElementsAre(HasSubstr("deeper than")));
}

/// Opens nothing: what permissions do for everyone but the superuser.
class RefusingFileSystem : public LocalFileSystem {
 public:
  absl::StatusOr<std::unique_ptr<io::ReadableFile>> Open(const std::string& path) override {
    return absl::PermissionDeniedError("open " + path + ": Permission denied");
  }
};

TEST_F(LocalTest, AFileThatCannotBeOpenedIsNamed) {
  Write("d/secret");
  RefusingFileSystem refusing;
  EXPECT_THAT(std::string(ExpandInputs(refusing, {Path("d")}).status().message()),
              AllOf(HasSubstr("d/secret"), HasSubstr("denied")));
}

TEST_F(LocalTest, AWriterPublishesAtCommitOnly) {
  for (const io::Durability durability : {io::Durability::kPowerLoss, io::Durability::kProcess}) {
    auto writer = fs_.Create(Path("out"), durability);
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE((*writer)->Append("hello ").ok());
    ASSERT_TRUE((*writer)->Append("world").ok());
    EXPECT_FALSE(stdfs::exists(Path("out")));
    EXPECT_THAT(Expand({"."}), IsEmpty());  // the temporary name is no input
    ASSERT_TRUE((*writer)->Commit().ok());
    EXPECT_EQ(Contents("out"), "hello world");
    writer->reset();
    EXPECT_TRUE(stdfs::exists(Path("out")));
    ASSERT_TRUE(fs_.RemoveTree(Path("out")).ok());
  }
}

TEST_F(LocalTest, AnAbortedWriterLeavesNothing) {
  { ASSERT_TRUE((*fs_.Create(Path("out"), io::Durability::kProcess))->Append("x").ok()); }
  auto writer = fs_.Create(Path("out"), io::Durability::kProcess);
  (*writer)->Abort();
  EXPECT_TRUE(stdfs::is_empty(root_));
}

TEST_F(LocalTest, AFailedCommitLeavesNoTemporaryName) {
  stdfs::create_directories(Path("out/full"));
  auto writer = fs_.Create(Path("out"), io::Durability::kPowerLoss);
  ASSERT_TRUE(writer.ok());
  EXPECT_FALSE((*writer)->Commit().ok());  // a directory stands there
  writer->reset();
  EXPECT_THAT(fs_.List(root_)->size(), 1u);
}

TEST_F(LocalTest, ListIsSortedAndFollowsLinks) {
  Write("b/x");
  Write("a", "123");
  stdfs::create_directory_symlink(Path("b"), Path("c"));
  const auto entries = fs_.List(root_);
  ASSERT_TRUE(entries.ok());
  ASSERT_EQ(entries->size(), 3u);
  EXPECT_EQ((*entries)[0].name, "a");
  EXPECT_EQ((*entries)[0].stat.size_bytes, 3u);
  EXPECT_EQ((*entries)[2].stat.kind, io::FileStat::Kind::kDirectory);
  EXPECT_EQ((*entries)[1].stat.identity, (*entries)[2].stat.identity);
  EXPECT_FALSE(fs_.List(Path("a")).ok());
}

TEST_F(LocalTest, LinksThatLeadNowhereAreSeen) {
  stdfs::create_symlink(Path("none"), Path("broken"));
  stdfs::create_symlink(Path("itself"), Path("itself"));
  EXPECT_EQ(fs_.Stat(Path("broken"))->kind, io::FileStat::Kind::kBrokenLink);
  EXPECT_EQ(fs_.Stat(Path("itself"))->kind, io::FileStat::Kind::kBrokenLink);
  const auto entries = fs_.List(root_);
  ASSERT_TRUE(entries.ok());
  ASSERT_EQ(entries->size(), 2u);
  for (const auto& entry : *entries)
    EXPECT_EQ(entry.stat.kind, io::FileStat::Kind::kBrokenLink) << entry.name;
}

TEST_F(LocalTest, OnlyAnEmptyDirectoryIsRemovedAsOne) {
  Write("full/x");
  stdfs::create_directories(Path("empty"));
  EXPECT_FALSE(fs_.RemoveEmptyDirectory(Path("full")).ok());
  EXPECT_TRUE(stdfs::exists(Path("full/x")));
  EXPECT_TRUE(fs_.RemoveEmptyDirectory(Path("empty")).ok());
  EXPECT_FALSE(stdfs::exists(Path("empty")));
  EXPECT_TRUE(absl::IsNotFound(fs_.RemoveEmptyDirectory(Path("empty"))));
}

TEST_F(LocalTest, ADirectoryIsLockedByOne) {
  stdfs::create_directories(Path("d"));
  {
    const auto first = fs_.LockDirectory(Path("d"));
    ASSERT_TRUE(first.ok());
    ASSERT_NE(*first, nullptr);
    const auto second = fs_.LockDirectory(Path("d"));
    EXPECT_TRUE(absl::IsAlreadyExists(second.status()));
    EXPECT_EQ(std::string(second.status().message()), "process " + std::to_string(::getpid()));
  }
  EXPECT_TRUE(fs_.LockDirectory(Path("d")).ok());
  EXPECT_TRUE(absl::IsAborted(fs_.LockDirectory(Path("none")).status()));
}

TEST_F(LocalTest, RemoveTreeDoesNotFollowLinks) {
  Write("keep/x");
  Write("gone/sub/y");
  stdfs::create_directory_symlink(Path("keep"), Path("gone/link"));
  EXPECT_TRUE(fs_.RemoveTree(Path("gone")).ok());
  EXPECT_TRUE(fs_.RemoveTree(Path("gone")).ok());
  EXPECT_TRUE(stdfs::exists(Path("keep/x")));
  EXPECT_FALSE(stdfs::exists(Path("gone")));
}

/// As a coordinator removes a cancelled job's output while workers drop their temporary files.
TEST_F(LocalTest, RemoveTreeGoesOnWhereOthersRemoveToo) {
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 200; ++i) Write("gone/" + std::to_string(i));
    std::thread other([&] {
      for (int i = 0; i < 200; ++i) ::unlink(Path("gone/" + std::to_string(i)).c_str());
    });
    EXPECT_EQ(fs_.RemoveTree(Path("gone")), absl::OkStatus());
    other.join();
    ASSERT_FALSE(stdfs::exists(Path("gone")));
  }
}

TEST_F(LocalTest, MakeDirectoriesMakesParentsAndAcceptsWhatIsThere) {
  EXPECT_TRUE(fs_.MakeDirectories(Path("a/b/c")).ok());
  EXPECT_TRUE(fs_.MakeDirectories(Path("a/b/c")).ok());
  Write("file");
  EXPECT_THAT(std::string(fs_.MakeDirectories(Path("file/x")).message()), HasSubstr("file/x"));
}

TEST_F(LocalTest, ReadsArePositional) {
  Write("a", "0123456789");
  const auto file = fs_.Open(Path("a"));
  ASSERT_TRUE(file.ok());
  char bytes[8];
  EXPECT_EQ(*(*file)->ReadAt(7, bytes, 8), 3u);
  EXPECT_EQ(std::string(bytes, 3), "789");
  EXPECT_EQ(*(*file)->Size(), 10u);
  EXPECT_EQ(fs_.Open(Path("none")).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace trireme::mapreduce
