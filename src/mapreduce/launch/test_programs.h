#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace trireme::mapreduce::launch {

/// Shell scripts in place of a scheduler's programs, first in $PATH, in a directory of the test's.
class TestPrograms : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "launch-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    path_ = std::getenv("PATH");
    ::setenv("PATH", (directory_ + ":" + path_).c_str(), 1);
  }
  void TearDown() override {
    ::setenv("PATH", path_.c_str(), 1);
    std::filesystem::remove_all(directory_);
  }

  std::string At(const std::string& name) const { return directory_ + "/" + name; }
  void Write(const std::string& name, const std::string& text) {
    std::ofstream(At(name), std::ios::trunc) << text;
  }
  void Program(const std::string& name, const std::string& script) {
    Write(name, "#!/bin/sh\ncd '" + directory_ + "'\n" + script);
    std::filesystem::permissions(At(name), std::filesystem::perms::owner_all);
  }
  std::string Read(const std::string& name) const {
    std::ifstream file(At(name));
    return {std::istreambuf_iterator<char>(file), {}};
  }

  /// Looks until `condition()` holds.
  template <class Condition>
  static bool Await(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return true;
  }

  std::vector<std::string> notices_;

 private:
  std::string directory_, path_;
};

}  // namespace trireme::mapreduce::launch
