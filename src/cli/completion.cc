#include "cli/completion.h"

#include "absl/status/status.h"
#include "cli/run_command.h"
#include "cli/say.h"
#include "fmt/format.h"

namespace trireme::cli {

std::string ShellQuoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

int RunCompletion(const std::vector<std::string>& arguments) {
  const std::string shell = arguments.size() == 1 ? arguments[0] : "";
  if (shell == "bash") {
    Say(stdout, "{}", BashCompletion());
  } else if (shell == "zsh") {
    Say(stdout, "{}", ZshCompletion());
  } else if (shell == "fish") {
    Say(stdout, "{}", FishCompletion());
  } else {
    return WrongUse(absl::InvalidArgumentError(
        fmt::format("completion '{}': give bash, zsh or fish", fmt::join(arguments, " "))));
  }
  return FlushOutput(kDone);
}

}  // namespace trireme::cli
