#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"

/// Golden transcripts: files with a scenario and everything that came of it. TRIREME_GOLDEN=write
/// rewrites them with what comes of it now (the test fails once more); review the difference.
namespace trireme::test {

/// The names of the transcripts in `folder`, without .txt, sorted.
inline std::vector<std::string> GoldenNames(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    names.push_back(file.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// `run` takes a transcript and returns what it should be.
inline void ExpectGolden(const std::filesystem::path& folder, const std::string& name,
                         const std::function<std::string(const std::string&)>& run) {
  const std::filesystem::path path = folder / (name + ".txt");
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  const std::string expected = text.str();
  ASSERT_FALSE(expected.empty()) << path;
  const std::string said = run(expected);
  const char* mode = std::getenv("TRIREME_GOLDEN");
  if (mode != nullptr && std::string(mode) == "write") std::ofstream(path) << said;
  EXPECT_EQ(said, expected) << "reviewed and right? then TRIREME_GOLDEN=write";
}

}  // namespace trireme::test
