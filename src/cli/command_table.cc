#include "cli/command_table.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <utility>

#include "cli/demo/demo.h"
#include "cli/kv/run.h"
#include "cli/kv_serve.h"
#include "cli/mr_commands.h"
#include "cli/raft_commands.h"
#include "cli/sim_commands.h"
#include "fmt/format.h"
#include "mapreduce/jobs/ready_jobs.h"

namespace trireme::cli {
namespace {

/// Of the command that is being described; null otherwise. Describing is the main thread's.
CommandRow* described = nullptr;

/// Of "KIND" nothing, of "process|thread" both.
std::vector<std::string> ChoicesIn(const std::string& value) {
  std::vector<std::string> choices;
  if (value.find('|') == std::string::npos) return choices;
  std::string_view rest = value;
  if (rest.starts_with("[=")) rest = rest.substr(2, rest.size() - 3);
  for (;;) {
    const std::size_t bar = rest.find('|');
    choices.emplace_back(rest.substr(0, bar));
    if (bar == std::string_view::npos) return choices;
    rest.remove_prefix(bar + 1);
  }
}

/// CLI11 adds what its checks say: "UINT:INT in [1 - 256]" is a UINT.
std::string ValueOf(const CLI::Option& option) {
  if (option.get_items_expected_max() == 0) return "";
  const std::string type = option.get_type_name();
  return type.substr(0, type.find_first_of(" :"));
}

FlagRow RowOf(const CLI::Option& option) {
  FlagRow row;
  row.value = ValueOf(option);
  row.help = option.get_description();
  row.required = option.get_required();
  row.choices = ChoicesIn(row.value);
  row.optional_value = row.value.starts_with("[=");
  row.minor = row.help.starts_with("no effect: ") || row.help.starts_with("refused: ");
  if (option.get_lnames().empty()) {
    row.name = option.get_name(/*positional=*/true);
    return row;
  }
  row.name = "--" + option.get_lnames().front();
  if (!option.get_snames().empty()) row.letter = "-" + option.get_snames().front();
  return row;
}

std::string UsageOf(const std::vector<FlagRow>& flags) {
  std::string usage, more;
  for (const FlagRow& flag : flags) {
    if (flag.positional()) {
      usage += flag.required ? flag.name + " " : "[" + flag.name + "] ";
    } else if (flag.required) {
      more += flag.name + " " + flag.value + " ";
    }
  }
  return usage + more + "[options]";
}

// ---- The commands

void AddParsed(std::vector<CommandRow>* table, const std::string& first,
               int (*run)(std::vector<std::string>), std::initializer_list<const char*> commands) {
  for (const char* command : commands) {
    table->push_back(DescriptionOf(first + " " + command, [&] { run({command}); }));
  }
}

/// The ready jobs, as commands below `mr run` and `mr submit`: each with its own flags only.
void AddReadyJobs(std::vector<CommandRow>* table, const std::string& command) {
  const std::size_t common = table->back().flags.size();
  for (const mapreduce::ReadyJob& job : mapreduce::ReadyJobs()) {
    const std::string name(job.name);
    CommandRow row = DescriptionOf("mr " + command + " " + name, [&] { RunMr({command, name}); });
    row.summary = job.description;
    row.usage = "[options]";
    row.flags.erase(row.flags.begin(), row.flags.begin() + static_cast<std::ptrdiff_t>(common));
    row.inherits = true;
    table->push_back(std::move(row));
  }
}

FlagRow RowOf(const kvcli::FlagText& flag) {
  FlagRow row;
  row.name = "--" + flag.name;
  if (flag.letter != 0) row.letter = std::string("-") + flag.letter;
  row.value = flag.is_bool ? "[=true|false]" : "VALUE";
  row.optional_value = flag.is_bool;
  row.help = flag.help;
  const std::string& otherwise = flag.otherwise;
  if (!flag.is_bool && otherwise != "\"\"" && otherwise != "[]" && otherwise != "0")
    row.help += fmt::format(" (default {})", otherwise);
  row.choices = flag.is_bool ? std::vector<std::string>{"true", "false"} : flag.choices;
  row.minor = flag.help.starts_with("not supported");
  return row;
}

void AddKv(std::vector<CommandRow>* table) {
  for (const kvcli::CommandText& command : kvcli::Commands()) {
    CommandRow row;
    row.path = command.path.empty() ? "kv" : "kv " + command.path;
    row.summary = command.summary;
    row.usage = command.usage;
    row.inherits = !command.path.empty();
    for (const kvcli::FlagText& flag : command.flags) row.flags.push_back(RowOf(flag));
    table->push_back(std::move(row));
  }
  table->push_back(DescriptionOf("kv serve", [] { RunKvServe({}); }));
}

void AddMr(std::vector<CommandRow>* table) {
  for (const char* command : {"run", "submit"}) {
    AddParsed(table, "mr", RunMr, {command});
    AddReadyJobs(table, command);
  }
  table->push_back({"mr jobs", "Lists the ready jobs and their options.", "", {}, false});
  AddParsed(table, "mr", RunMr,
            {"coordinator", "worker", "status", "list", "wait", "cancel", "counters"});
}

std::vector<CommandRow> MakeTable() {
  std::vector<CommandRow> table;
  AddKv(&table);
  AddMr(&table);
  AddParsed(&table, "raft", RunRaft, {"inspect", "unsafe-recover"});
  table.push_back(DescriptionOf("sim", [] { RunSim({}); }));
  table.push_back(DescriptionOf("demo", [] { demo::RunDemo({}); }));
  table.push_back({"completion",
                   "Prints what completes this program's commands in a shell.",
                   "bash|zsh|fish",
                   {},
                   false});
  for (const char* shell : {"bash", "zsh", "fish"})
    table.push_back({std::string("completion ") + shell, "", "", {}, false});
  table.push_back({"help", "Prints an overview.", "", {}, false});
  return table;
}

bool EndsWithAny(std::string_view text, std::initializer_list<std::string_view> ends) {
  return std::ranges::any_of(ends, [&](std::string_view end) { return text.ends_with(end); });
}

}  // namespace

Completes CompletesOf(const FlagRow& flag) {
  if (flag.value.empty()) return Completes::kNothing;
  if (!flag.choices.empty()) return Completes::kChoices;
  if (flag.value.starts_with("DIR") || EndsWithAny(flag.name, {"-dir", "--dir", "--state", "DIR"}))
    return Completes::kDirectories;
  if (flag.value.starts_with("FILE") || flag.value.starts_with("PATH") ||
      EndsWithAny(flag.name, {"-file", "cacert", "-cert", "-key"}))
    return Completes::kFiles;
  return Completes::kAnything;
}

const std::vector<CommandRow>& CommandTable() {
  static const auto* const table = new std::vector<CommandRow>(MakeTable());
  return *table;
}

const CommandRow* FindCommand(std::string_view path) {
  const auto found = std::ranges::find(CommandTable(), path, &CommandRow::path);
  return found == CommandTable().end() ? nullptr : &*found;
}

std::vector<FlagRow> FlagsOf(const CommandRow& command) {
  std::vector<FlagRow> flags = command.flags;
  std::string_view above = command.path;
  for (const CommandRow* row = &command; row != nullptr && row->inherits;) {
    above = above.substr(0, above.rfind(' '));
    row = FindCommand(above);  // "kv lease" is none itself
    if (row == nullptr) row = FindCommand(above = above.substr(0, above.rfind(' ')));
    if (row != nullptr) flags.insert(flags.end(), row->flags.begin(), row->flags.end());
  }
  return flags;
}

std::vector<std::string> CommandsBelow(std::string_view path) {
  std::vector<std::string> names;
  const std::string start = path.empty() ? "" : std::string(path) + " ";
  for (const CommandRow& row : CommandTable()) {
    if (!row.path.starts_with(start)) continue;
    const std::string rest = row.path.substr(start.size());
    const std::string name = rest.substr(0, rest.find(' '));
    if (!name.empty() && std::ranges::find(names, name) == names.end()) names.push_back(name);
  }
  return names;
}

std::vector<std::string> CommandGroups() {
  std::vector<std::string> groups;
  for (const CommandRow& row : CommandTable()) {
    for (std::size_t end = row.path.find(' '); end != std::string::npos;
         end = row.path.find(' ', end + 1)) {
      const std::string above = row.path.substr(0, end);
      if (FindCommand(above) == nullptr && std::ranges::find(groups, above) == groups.end())
        groups.push_back(above);
    }
  }
  return groups;
}

bool Describe(const CLI::App& app) {
  if (described == nullptr) return false;
  const std::string text = app.get_description();
  described->summary = text.substr(0, text.find('\n'));
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;  // known, and refused
    if (option != app.get_help_ptr()) described->flags.push_back(RowOf(*option));
  }
  described->usage = UsageOf(described->flags);
  return true;
}

CommandRow DescriptionOf(std::string path, const std::function<void()>& run) {
  CommandRow row;
  row.path = std::move(path);
  CommandRow* const before = std::exchange(described, &row);
  run();
  described = before;
  return row;
}

}  // namespace trireme::cli
