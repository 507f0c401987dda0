#include "cli/command_table.h"
#include "cli/completion.h"
#include "fmt/format.h"

namespace trireme::cli {
namespace {

constexpr char kHead[] = R"(#compdef trireme
# zsh completion for trireme, printed by `trireme completion zsh`

_trireme() {
  local command= i
  local -a below specs
  for ((i = 2; i < CURRENT; i++)); do
    [[ ${words[i]} == -* ]] && continue
    _trireme_command "${command:+$command }${words[i]}" || continue
    command="${command:+$command }${words[i]}"
    # From here on this is the command line: what it takes is all there is.
    words=("$command" "${(@)words[i+1,-1]}")
    (( CURRENT -= i - 1, i = 1 ))
  done
  below=() specs=()
  _trireme_command "$command"
  if (( $#below )) && [[ ${words[CURRENT]} != -* ]] && (( CURRENT == 2 )); then
    _describe -t commands command below && return
  fi
  _arguments -S $specs
}
)";

/// `text` within the brackets of a specification of _arguments.
std::string Escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

std::string Action(const FlagRow& flag) {
  const std::string value = Escaped(flag.value);
  switch (CompletesOf(flag)) {
    case Completes::kNothing:
      return "";
    case Completes::kChoices:
      return fmt::format(":{}:({})", flag.name.substr(2), fmt::join(flag.choices, " "));
    case Completes::kFiles:
      return ":" + value + ":_files";
    case Completes::kDirectories:
      return ":" + value + ":_files -/";
    default:
      return ":" + value + ":";
  }
}

/// For --x=VALUE and --x VALUE; an optional value stands only behind the sign.
std::string Spec(const FlagRow& flag) {
  const std::string sign = flag.value.empty() ? "" : flag.optional_value ? "=-" : "=";
  const std::string rest =
      fmt::format("[{}]{}{}", Escaped(flag.help), flag.optional_value ? ":" : "", Action(flag));
  std::string specs = " " + ShellQuoted("*" + flag.name + sign + rest);
  if (!flag.letter.empty())
    specs += " " + ShellQuoted("*" + flag.letter + (flag.value.empty() ? "" : "+") + rest);
  return specs;
}

std::string Below(const std::string& path) {
  std::string text;
  for (const std::string& name : CommandsBelow(path)) {
    const CommandRow* row = FindCommand(path.empty() ? name : path + " " + name);
    text += " " + ShellQuoted(name + ":" + (row == nullptr ? "" : Escaped(row->summary)));
  }
  return text;
}

std::string Specs(const CommandRow& row) {
  std::string text = " '(- *)--help[show what it does and takes]'";
  for (const FlagRow& flag : FlagsOf(row)) {
    if (!flag.positional() && !flag.minor) text += Spec(flag);
  }
  return text + " '*:argument:_files'";
}

}  // namespace

std::string ZshCompletion() {
  std::string text = std::string(kHead) + "\n_trireme_command() {\n  case $1 in\n";
  text += fmt::format("    '') below=({} ) specs=('--help' '--version') ;;\n", Below(""));
  for (const CommandRow& row : CommandTable()) {
    text += fmt::format("    {}) below=({} ) specs=({} ) ;;\n", ShellQuoted(row.path),
                        Below(row.path), Specs(row));
  }
  for (const std::string& group : CommandGroups())
    text +=
        fmt::format("    {}) below=({} ) specs=('--help') ;;\n", ShellQuoted(group), Below(group));
  return text + "    *) return 1 ;;\n  esac\n}\n\n_trireme \"$@\"\n";
}

}  // namespace trireme::cli
