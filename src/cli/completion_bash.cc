#include "cli/command_table.h"
#include "cli/completion.h"
#include "fmt/format.h"

namespace trireme::cli {
namespace {

// A word of the command line is a command, a flag, a flag's value, or an argument. bash cuts a
// word at `=`, which is why the sign is looked for among the words.
constexpr char kEngine[] = R"(
_trireme() {
  local current=${COMP_WORDS[COMP_CWORD]} command= flag= value= words= flags= word i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if [[ $word == = ]]; then
      flag=${COMP_WORDS[i - 1]}
    elif [[ -n $flag ]]; then
      flag=
    elif [[ $word == -* ]]; then
      _trireme_value "$command" "$word"
      [[ -n $value && $value != "= "* ]] && flag=$word
    else
      _trireme_command "${command:+$command }$word" && command=${command:+$command }$word
    fi
  done
  if [[ $current == = ]]; then
    flag=${COMP_WORDS[COMP_CWORD - 1]} current=
  fi
  if [[ -n $flag ]]; then
    _trireme_value "$command" "$flag"
    value=${value#= }
  else
    _trireme_command "$command"
    if [[ $current == -* ]]; then
      value="$flags"
    else
      value=${words:-@files}
    fi
  fi
  case $value in
    @files) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    @directories) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
    @anything | '') ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$value" -- "$current") ;;
  esac
}
complete -F _trireme trireme
)";

std::string Joined(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, " "));
}

std::string FlagWords(const CommandRow& row) {
  std::vector<std::string> words;
  for (const FlagRow& flag : FlagsOf(row)) {
    if (flag.positional() || flag.minor) continue;
    words.push_back(flag.name);
    if (!flag.letter.empty()) words.push_back(flag.letter);
  }
  words.push_back("--help");
  return Joined(words);
}

/// What may follow each command; fails for what is none.
std::string CommandFunction() {
  std::string text = "_trireme_command() {\n  case $1 in\n    '') words=" +
                     ShellQuoted(Joined(CommandsBelow(""))) + " flags='--help --version' ;;\n";
  for (const CommandRow& row : CommandTable()) {
    text += fmt::format("    {}) words={} flags={} ;;\n", ShellQuoted(row.path),
                        ShellQuoted(Joined(CommandsBelow(row.path))), ShellQuoted(FlagWords(row)));
  }
  for (const std::string& group : CommandGroups()) {
    text += fmt::format("    {}) words={} flags='--help' ;;\n", ShellQuoted(group),
                        ShellQuoted(Joined(CommandsBelow(group))));
  }
  return text + "    *) return 1 ;;\n  esac\n}\n";
}

std::string ValueWords(const FlagRow& flag) {
  switch (CompletesOf(flag)) {
    case Completes::kChoices:
      return (flag.optional_value ? "= " : "") + Joined(flag.choices);
    case Completes::kFiles:
      return "@files";
    case Completes::kDirectories:
      return "@directories";
    default:
      return "@anything";
  }
}

/// The value that a flag of a command takes, of the command above it if it has none such itself.
std::string ValueFunction() {
  std::string text = "_trireme_value() {\n  local at=$1\n  while :; do\n    case \"$at $2\" in\n";
  for (const CommandRow& row : CommandTable()) {
    for (const FlagRow& flag : row.flags) {
      if (flag.value.empty() || flag.positional()) continue;
      std::string names = ShellQuoted(row.path + " " + flag.name);
      if (!flag.letter.empty()) names += " | " + ShellQuoted(row.path + " " + flag.letter);
      text += fmt::format("      {}) value={}; return ;;\n", names, ShellQuoted(ValueWords(flag)));
    }
  }
  return text + "    esac\n    [[ $at == *\\ * ]] || break\n    at=${at% *}\n  done\n  value=\n}\n";
}

}  // namespace

std::string BashCompletion() {
  return "# bash completion for trireme, printed by `trireme completion bash`\n" +
         CommandFunction() + ValueFunction() + std::string(kEngine + 1);
}

}  // namespace trireme::cli
