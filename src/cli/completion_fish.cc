#include "cli/command_table.h"
#include "cli/completion.h"
#include "fmt/format.h"

namespace trireme::cli {
namespace {

constexpr char kHead[] = R"(# fish completion for trireme, printed by `trireme completion fish`

# Whether the words so far name the command given: words that name none are flags and arguments.
function __trireme_at
    set -l command
    for word in (commandline -opc)[2..-1]
        set -l next (string trim -- "$command $word")
        contains -- $next $__trireme_commands; and set command $next
    end
    test "$command" = "$argv[1]"
end

complete -c trireme -f
complete -c trireme -n '__trireme_at ""' -l version -d 'show the version'
)";

std::string Quoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "'";
}

std::string At(const std::string& path) {
  return fmt::format("complete -c trireme -n {}", Quoted(fmt::format("__trireme_at \"{}\"", path)));
}

std::string Value(const FlagRow& flag) {
  switch (CompletesOf(flag)) {
    case Completes::kNothing:
      return "";
    case Completes::kChoices:
      return fmt::format("{} -a {}", flag.optional_value ? "" : " -x",
                         Quoted(fmt::format("{}", fmt::join(flag.choices, " "))));
    case Completes::kFiles:
      return " -r -F";
    case Completes::kDirectories:
      return " -x -a '(__fish_complete_directories)'";
    default:
      return " -x";
  }
}

std::string Line(const CommandRow& row, const FlagRow& flag) {
  std::string line = At(row.path) + " -l " + flag.name.substr(2);
  if (!flag.letter.empty()) line += " -s " + flag.letter.substr(1);
  return line + Value(flag) + " -d " + Quoted(flag.help) + "\n";
}

std::string Below(const std::string& path) {
  std::string text;
  for (const std::string& name : CommandsBelow(path)) {
    const CommandRow* row = FindCommand(path.empty() ? name : path + " " + name);
    text +=
        fmt::format("{} -a {} -d {}\n", At(path), name, Quoted(row == nullptr ? "" : row->summary));
  }
  return text;
}

std::string LinesOf(const CommandRow& row) {
  std::string text = Below(row.path);
  if (text.empty()) text = At(row.path) + " -F\n";  // its arguments may be files
  for (const FlagRow& flag : FlagsOf(row)) {
    if (!flag.positional() && !flag.minor) text += Line(row, flag);
  }
  return text + At(row.path) + " -l help -d 'show what it does and takes'\n";
}

}  // namespace

std::string FishCompletion() {
  std::string known = "set -g __trireme_commands", text;
  for (const CommandRow& row : CommandTable()) {
    known += " " + Quoted(row.path);
    text += LinesOf(row);
  }
  for (const std::string& group : CommandGroups()) {
    known += " " + Quoted(group);
    text += Below(group);
  }
  return known + "\n" + kHead + Below("") + text;
}

}  // namespace trireme::cli
