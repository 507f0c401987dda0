#pragma once

#include <string>
#include <vector>

namespace trireme::kvcli {

/// A flag in words.
struct FlagText {
  std::string name;
  char letter = 0;        ///< 0: none
  std::string otherwise;  ///< its default
  std::string help;
  bool is_bool = false;
  std::vector<std::string> choices;
};
struct CommandText {
  std::string path;  ///< "lease grant"; the first is "", whose flags all take
  std::string usage, summary;
  std::vector<FlagText> flags;
};
/// All commands but `serve`.
std::vector<CommandText> Commands();

/// `trireme kv ARGUMENTS...` but for `serve`: etcdctl's commands. Returns the exit status.
int Run(const std::vector<std::string>& arguments);

}  // namespace trireme::kvcli
