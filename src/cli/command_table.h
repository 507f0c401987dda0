#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

/// All commands of the program and all that they take, as those say who parse it: the manual pages
/// and the shells' completion are made from this, and so never of another version.
namespace trireme::cli {

struct FlagRow {
  std::string name;    ///< "--input"; of an argument that is no flag "JOB"
  std::string letter;  ///< "-i", or empty
  std::string value;   ///< "PATH...", or empty: it takes none
  std::string help;
  std::vector<std::string> choices;  ///< empty: anything
  bool required = false;
  bool optional_value = false;  ///< takes its value only after `=`
  bool minor = false;           ///< accepted, but without effect, or refused: not offered

  bool positional() const { return !name.starts_with("-"); }
};

enum class Completes { kNothing, kAnything, kChoices, kFiles, kDirectories };
/// What a shell offers as the flag's value. kNothing: it takes none.
Completes CompletesOf(const FlagRow& flag);

struct CommandRow {
  std::string path;  ///< "mr run"; "kv" for what all its commands take
  std::string summary;
  std::string usage;  ///< what follows the path
  std::vector<FlagRow> flags;
  bool inherits = false;  ///< it takes the flags of the command above it, too
};

const std::vector<CommandRow>& CommandTable();
const CommandRow* FindCommand(std::string_view path);
/// The flags of a command, inherited ones last.
std::vector<FlagRow> FlagsOf(const CommandRow& command);
/// Names of the commands right below: of "mr" run, submit, ...; of "" kv, mr, ...
std::vector<std::string> CommandsBelow(std::string_view path);
/// What has commands below it and is none itself: "mr", "kv lease", ...
std::vector<std::string> CommandGroups();

/// Every command that reads its arguments with CLI11 says what it takes right before it parses
/// them: `if (Describe(app)) return ...`. True: that was all that was wanted of it.
[[nodiscard]] bool Describe(const CLI::App& app);

/// What `run`, which calls Describe, takes.
CommandRow DescriptionOf(std::string path, const std::function<void()>& run);

}  // namespace trireme::cli
