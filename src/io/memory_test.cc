#include "io/memory.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace trireme::io {
namespace {

class Memory : public ::testing::Test {
 protected:
  Memory() : root_(testing::TempDir() + "/memory-" + std::to_string(::getpid())) {
    machine_ = UsableMemoryBytes(root_);  // without any group
  }
  ~Memory() override { std::filesystem::remove_all(root_); }

  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path whole(root_ + path);
    std::filesystem::create_directories(whole.parent_path());
    std::ofstream(whole) << text;
  }

  const std::string root_;
  std::uint64_t machine_ = 0;
};

TEST_F(Memory, IsTheMachinesWithoutALimit) {
  EXPECT_GT(machine_, 1u << 26);
  Write("/proc/self/cgroup", "0::/user.slice\n");
  Write("/sys/fs/cgroup/user.slice/memory.max", "max\n");
  EXPECT_EQ(UsableMemoryBytes(root_), machine_);
}

TEST_F(Memory, IsTheLeastLimitOfTheGroupsAbove) {
  Write("/proc/self/cgroup", "0::/a/b\n");
  Write("/sys/fs/cgroup/a/b/memory.max", "50000000\n");
  EXPECT_EQ(UsableMemoryBytes(root_), 50'000'000u);
  Write("/sys/fs/cgroup/a/memory.max", "40000000\n");
  EXPECT_EQ(UsableMemoryBytes(root_), 40'000'000u);
}

TEST_F(Memory, OfAContainerIsAtTheRoot) {
  Write("/proc/self/cgroup", "0::/\n");
  Write("/sys/fs/cgroup/memory.max", "30000000\n");
  EXPECT_EQ(UsableMemoryBytes(root_), 30'000'000u);
}

TEST_F(Memory, LooksAtVersionOne) {
  Write("/proc/self/cgroup", "5:cpu,cpuacct:/x\n3:hugetlb,memory:/docker/0123\n");
  Write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "20000000\n");  // the host's path is hidden
  EXPECT_EQ(UsableMemoryBytes(root_), 20'000'000u);
  Write("/sys/fs/cgroup/memory/docker/0123/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(UsableMemoryBytes(root_), 20'000'000u);
}

TEST_F(Memory, IgnoresNonsense) {
  Write("/proc/self/cgroup", "nonsense\n0::/a\n:\n");
  Write("/sys/fs/cgroup/a/memory.max", "monkeys\n");
  Write("/sys/fs/cgroup/memory.max", "-5\n");
  EXPECT_EQ(UsableMemoryBytes(root_), machine_);
}

}  // namespace
}  // namespace trireme::io
