#include "cli/raft_commands.h"

#include "CLI/CLI.hpp"
#include "cli/raft_inspection.h"
#include "cli/run_command.h"
#include "fmt/format.h"
#include "io/posix_disk.h"
#include "raft/log/inspect.h"

namespace trireme::cli {
namespace {

constexpr char kHelp[] =
    "trireme raft: the log of a Raft node\n"
    "\n"
    "  trireme raft inspect DIR [--json]\n"
    "      what the directory of a stopped node holds: segments, groups, terms, holes,\n"
    "      checksums, snapshots. Changes nothing. Status 0: sound; 1: damaged, in use or\n"
    "      not a node's directory; 2: wrong use.\n";

int Inspect(std::vector<std::string> arguments) {
  CLI::App app("What the directory of a stopped node holds. Changes nothing.",
               "trireme raft inspect");
  std::string directory;
  bool json = false;
  app.add_option("DIR", directory, "the node's directory")->required();
  app.add_flag("--json", json, "print one JSON object");
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    app.parse(std::move(reversed));
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}", app.help());
    return kDone;
  } catch (const CLI::ParseError& error) {
    return WrongUse(absl::InvalidArgumentError(error.what()));
  }
  io::PosixDisk disk;
  const auto found = raft::Inspect(disk, directory);
  if (!found.ok()) {
    fmt::print(stderr, "trireme: {}\n", std::string(found.status().message()));
    return kFailed;
  }
  fmt::print("{}", json ? InspectionJson(*found) : InspectionText(*found));
  return IsSound(*found) ? kDone : kFailed;
}

}  // namespace

int RunRaft(std::vector<std::string> arguments) {
  if (arguments.empty() || arguments[0] == "help" || arguments[0] == "--help" ||
      arguments[0] == "-h") {
    fmt::print("{}", kHelp);
    return arguments.empty() ? kWrongUse : kDone;
  }
  const std::string command = arguments[0];
  arguments.erase(arguments.begin());
  if (command == "inspect") return Inspect(std::move(arguments));
  return WrongUse(absl::InvalidArgumentError(
      fmt::format("unknown command 'raft {}': see `trireme raft help`", command)));
}

}  // namespace trireme::cli
