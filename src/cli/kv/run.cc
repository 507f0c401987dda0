#include "cli/kv/run.h"

#include <cstdio>
#include <set>

#include "base/status_macros.h"
#include "cli/kv/command.h"
#include "cli/kv/failure.h"
#include "fmt/format.h"
#include "fmt/ranges.h"

namespace trireme::kvcli {
namespace {

const CommandList& AllCommands() {
  static const auto* const list = [] {
    auto* made = new CommandList;
    AddKvCommands(made);
    AddTxnCommand(made);
    AddWatchCommand(made);
    AddLeaseCommands(made);
    AddLockCommands(made);
    AddMemberCommands(made);
    AddEndpointCommands(made);
    AddMaintenanceCommands(made);
    AddSnapshotCommands(made);
    AddImportCommand(made);
    return made;
  }();
  return *list;
}

void PrintOn(std::FILE* file, const std::string& text) {
  (void)!std::fwrite(text.data(), 1, text.size(), file);
}

/// All commands, or those of a group ("lease").
std::string Overview(std::string_view group) {
  std::string text = fmt::format("trireme kv {}{}COMMAND: etcd's client\n\nCOMMANDS:\n", group,
                                 group.empty() ? "" : " ");
  for (const CommandEntry& entry : AllCommands()) {
    if (!group.empty() && !entry.path.starts_with(std::string(group) + " ")) continue;
    text += fmt::format("  {:<20} {}\n", entry.path, entry.summary);
  }
  if (group.empty())
    text += fmt::format("  {:<20} {}\n", "serve", "Runs a server (see `trireme kv serve --help`)");
  GlobalOptions options;
  FlagSet flags;
  AddGlobalFlags(flags, &options);
  return text + "\nOPTIONS of all, each also as ETCDCTL_ITS_NAME:\n" + flags.HelpText();
}

std::string HelpOf(const CommandEntry& entry) {
  FlagSet flags;
  entry.make()->AddFlags(flags);
  return fmt::format("{}\n\nUSAGE:\n  trireme kv {} {}\n{}{}\nOptions of all: `trireme kv help`.\n",
                     entry.summary, entry.path, entry.usage,
                     flags.flags().empty() ? "" : "\nOPTIONS:\n", flags.HelpText());
}

/// Which words of the command line name the command: the first that are no flags.
struct Found {
  const CommandEntry* entry = nullptr;
  std::vector<std::string> words;
  std::vector<std::string> rest;
};

const CommandEntry* EntryOf(const std::string& path) {
  for (const CommandEntry& entry : AllCommands()) {
    if (entry.path == path) return &entry;
  }
  return nullptr;
}

Found FindCommand(const std::vector<std::string>& arguments) {
  GlobalOptions unused;
  FlagSet global;
  AddGlobalFlags(global, &unused);
  Found found;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    const bool flag = argument.size() > 1 && argument[0] == '-';
    if (flag || found.entry != nullptr || found.words.size() == 2) {
      if (argument == "--" || found.entry != nullptr) {
        found.rest.insert(found.rest.end(), arguments.begin() + static_cast<std::ptrdiff_t>(i),
                          arguments.end());
        break;
      }
      found.rest.push_back(argument);
      if (flag && global.TakesNext(argument) && i + 1 < arguments.size())
        found.rest.push_back(arguments[++i]);
      continue;
    }
    found.words.push_back(argument);
    found.entry = EntryOf(fmt::format("{}", fmt::join(found.words, " ")));
  }
  return found;
}

bool IsGroup(const std::string& word) {
  for (const CommandEntry& entry : AllCommands()) {
    if (entry.path.starts_with(word + " ")) return true;
  }
  return false;
}

absl::Status NoSuchCommand(const std::vector<std::string>& words) {
  static const std::set<std::string> kAuth = {"auth", "user", "role"};
  if (kAuth.contains(words[0])) {
    return Fail(kError, fmt::format("{}: authentication comes later; there are no users and roles "
                                    "yet",
                                    words[0]));
  }
  if (IsGroup(words[0]) && words.size() > 1)
    return Fail(kError, fmt::format("unknown command \"{}\" for \"trireme kv {}\": see `trireme kv "
                                    "{} --help`",
                                    words[1], words[0], words[0]));
  return Fail(
      kError,
      fmt::format("unknown command \"{}\" for \"trireme kv\": see `trireme kv help`", words[0]));
}

void PrintOptions(FlagSet& flags) {
  std::string text;
  for (const Flag& flag : flags.flags())
    text += fmt::format("--{}{}\n", flag.name, flag.given ? " (given)" : "=" + flag.otherwise);
  PrintOn(stderr, text);
}

absl::Status RunEntry(const CommandEntry& entry, const std::vector<std::string>& rest) {
  const std::unique_ptr<Command> command = entry.make();
  GlobalOptions options;
  FlagSet flags;
  AddGlobalFlags(flags, &options);
  command->AddFlags(flags);
  TRIREME_ASSIGN_OR_RETURN(std::vector<std::string> words, flags.Parse(rest));
  if (flags.help_asked()) {
    PrintOn(stdout, HelpOf(entry));
    return absl::OkStatus();
  }
  TRIREME_RETURN_IF_ERROR(ApplyEnvironment(flags));
  if (options.debug) PrintOptions(flags);
  TRIREME_RETURN_IF_ERROR(Check(flags, options));
  TRIREME_ASSIGN_OR_RETURN(std::unique_ptr<Printer> printer,
                           MakePrinter(options.write_out, options.hex));
  Session session(std::move(options), std::move(printer));
  return command->Run(session, {std::move(words), flags.before_dashes()});
}

absl::Status Dispatch(const std::vector<std::string>& arguments) {
  Found found = FindCommand(arguments);
  std::vector<std::string> words = found.words;
  const bool help = !words.empty() && words[0] == "help";
  if (help) words.erase(words.begin());
  if (found.entry != nullptr) return RunEntry(*found.entry, found.rest);
  if (help && !words.empty()) {
    const CommandEntry* entry = EntryOf(fmt::format("{}", fmt::join(words, " ")));
    if (entry != nullptr) return RunEntry(*entry, {"--help"});
  }
  if (words.empty() || (words.size() == 1 && IsGroup(words[0]))) {
    GlobalOptions unused;
    FlagSet flags;
    AddGlobalFlags(flags, &unused);
    TRIREME_RETURN_IF_ERROR(flags.Parse(found.rest).status());
    PrintOn(stdout, Overview(words.empty() ? "" : words[0]));
    return absl::OkStatus();
  }
  return NoSuchCommand(words);
}

}  // namespace

absl::StatusOr<Connection*> Session::connection() {
  if (connection_ == nullptr) {
    TRIREME_ASSIGN_OR_RETURN(connection_, Connection::Create(options_.endpoints, options_));
  }
  return connection_.get();
}

absl::Status Session::Print(const Printer::Text& text) {
  if (!text.ok()) return text.status();
  if (std::fwrite(text->data(), 1, text->size(), stdout) != text->size() ||
      std::fflush(stdout) != 0) {
    return Fail(kIo, "cannot write to standard output");
  }
  return absl::OkStatus();
}

namespace {

std::vector<FlagText> TextsOf(FlagSet& set) {
  std::vector<FlagText> texts;
  for (const Flag& flag : set.flags())
    texts.push_back(
        {flag.name, flag.letter, flag.otherwise, flag.help, flag.is_bool, flag.choices});
  return texts;
}

}  // namespace

std::vector<CommandText> Commands() {
  GlobalOptions options;
  FlagSet global;
  AddGlobalFlags(global, &options);
  std::vector<CommandText> texts = {
      {"", "COMMAND", "A client of any store that speaks etcd's v3 API", TextsOf(global)}};
  for (const CommandEntry& entry : AllCommands()) {
    const std::unique_ptr<Command> command = entry.make();
    FlagSet flags;
    command->AddFlags(flags);
    texts.push_back({std::string(entry.path), std::string(entry.usage), std::string(entry.summary),
                     TextsOf(flags)});
  }
  return texts;
}

int Run(const std::vector<std::string>& arguments) {
  const absl::Status status = Dispatch(arguments);
  if (status.ok()) return std::fflush(stdout) == 0 ? kSuccess : kIo;
  const std::string what = Describe(status);
  if (!what.empty()) PrintOn(stderr, fmt::format("Error: {}\n", what));
  return ExitCodeOf(status);
}

}  // namespace trireme::kvcli
