#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

/// Flags as etcdctl reads them, so that its scripts, and the lines of its transactions, mean the
/// same here: `--name value`, `--name=value`, `-n value`, `-nvalue`, `-n=value`; a bool flag takes
/// a value only after `=`; they may stand among the arguments; `--` ends them. Pure.
namespace trireme::kvcli {

struct Flag {
  std::string name;
  char letter = 0;  ///< 0: none.
  std::string otherwise;
  std::string help;
  bool is_bool = false;
  std::vector<std::string> choices;  ///< for completion; what else is taken is the flag's own
  std::function<absl::Status(std::string_view)> store;
  bool given = false;
};

class FlagSet {
 public:
  void Bool(std::string name, bool* value, std::string help, char letter = 0);
  void Text(std::string name, std::string* value, std::string help, char letter = 0);
  void Number(std::string name, std::int64_t* value, std::string help);
  void Duration(std::string name, absl::Duration* value, std::string help);
  /// What the flag added last takes, for who shows it.
  void Choices(std::vector<std::string> choices) { flags_.back().choices = std::move(choices); }
  /// Comma-separated; given again it adds.
  void List(std::string name, std::vector<std::string>* value, std::string help);

  /// The arguments that are not flags.
  absl::StatusOr<std::vector<std::string>> Parse(const std::vector<std::string>& arguments);
  /// Of Parse's result, how many came before `--`; npos without one.
  std::size_t before_dashes() const { return before_dashes_; }
  bool Given(std::string_view name) const;
  bool help_asked() const { return help_; }

  std::vector<Flag>& flags() { return flags_; }
  /// Whether the argument `text`, a flag, takes the one after it as its value.
  bool TakesNext(std::string_view text) const;
  /// Two columns, one line for each flag.
  std::string HelpText() const;

 private:
  Flag* Find(std::string_view name);
  Flag* Find(char letter);
  void Add(Flag flag);
  absl::Status Store(Flag& flag, std::string_view shown, std::string_view value);
  absl::Status TakeLong(const std::vector<std::string>& arguments, std::size_t* at);
  absl::Status TakeShort(const std::vector<std::string>& arguments, std::size_t* at);

  std::vector<Flag> flags_;
  std::size_t before_dashes_ = std::string::npos;
  bool help_ = false;
};

}  // namespace trireme::kvcli
