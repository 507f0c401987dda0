#include "cli/raft_commands.h"

#include "CLI/CLI.hpp"
#include "cli/command_table.h"
#include "cli/raft_inspection.h"
#include "cli/run_command.h"
#include "fmt/format.h"
#include "io/posix_disk.h"
#include "raft/log/inspect.h"
#include "raft/replica/unsafe_recover.h"

namespace trireme::cli {
namespace {

constexpr char kHelp[] =
    "trireme raft: the directory of a stopped Raft node\n"
    "\n"
    "  trireme raft inspect DIR [--json]\n"
    "      what the directory of a stopped node holds: segments, groups, terms, holes,\n"
    "      checksums, snapshots. Changes nothing. Status 0: sound; 1: damaged, in use or\n"
    "      not a node's directory; 2: wrong use.\n"
    "  trireme raft unsafe-recover DIR --node N --survivors N,... [--accept-data-loss]\n"
    "      for a cluster that has lost its majority for good: makes the survivors the voters\n"
    "      of all groups of this stopped node. Without --accept-data-loss it only says what\n"
    "      it would do.\n";

/// False: `*status` is what to exit with.
bool Parse(CLI::App& app, const std::vector<std::string>& arguments, int* status) {
  if (Describe(app)) return false;
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    return true;
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}", app.help());
    *status = kDone;
  } catch (const CLI::ParseError& error) {
    *status = WrongUse(absl::InvalidArgumentError(error.what()));
  }
  return false;
}

int Inspect(const std::vector<std::string>& arguments) {
  CLI::App app("What the directory of a stopped node holds. Changes nothing.",
               "trireme raft inspect");
  std::string directory;
  bool json = false;
  app.add_option("DIR", directory, "the node's directory")->required();
  app.add_flag("--json", json, "print one JSON object");
  int status = kDone;
  if (!Parse(app, arguments, &status)) return status;
  io::PosixDisk disk;
  const auto found = raft::Inspect(disk, directory);
  if (!found.ok()) {
    fmt::print(stderr, "trireme: {}\n", std::string(found.status().message()));
    return kFailed;
  }
  fmt::print("{}", json ? InspectionJson(*found) : InspectionText(*found));
  return IsSound(*found) ? kDone : kFailed;
}

constexpr char kWarning[] =
    "WARNING: this makes the log of one node the truth. Whatever had been acknowledged and stands\n"
    "only on lost nodes is lost. Do it on one survivor, the one with the longest log, while all\n"
    "nodes of the cluster are stopped; erase the other survivors' directories and let them join\n"
    "anew under new ids. Never start a lost node again.\n";

int UnsafeRecover(const std::vector<std::string>& arguments) {
  CLI::App app("Makes the survivors of a lost majority the voters of all groups.",
               "trireme raft unsafe-recover");
  std::string directory;
  std::uint64_t node = 0;
  std::vector<std::uint64_t> ids;
  bool accepted = false;
  app.add_option("DIR", directory, "the stopped node's directory")->required();
  app.add_option("--node", node, "its id")->required();
  app.add_option("--survivors", ids, "who votes from now on")->required()->delimiter(',');
  app.add_flag("--accept-data-loss", accepted, "do it");
  int status = kDone;
  if (!Parse(app, arguments, &status)) return status;
  std::vector<raft::NodeId> survivors;
  for (const std::uint64_t id : ids) survivors.push_back(raft::NodeId{id});
  io::PosixDisk disk;
  fmt::print(stderr, "{}", kWarning);
  const auto groups =
      raft::UnsafeRecover(disk, directory, raft::NodeId{node}, survivors, !accepted);
  if (!groups.ok()) {
    fmt::print(stderr, "trireme: {}\n", std::string(groups.status().message()));
    return kFailed;
  }
  for (const raft::RecoveredByForce& group : *groups) {
    fmt::print("group {}: {} the survivors' configuration at {} in term {}\n", group.group.value,
               accepted ? "wrote" : "would write", group.before.index.value + 1, group.term.value);
  }
  if (!accepted) fmt::print("nothing was changed; add --accept-data-loss to do it\n");
  return kDone;
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
  if (command == "inspect") return Inspect(arguments);
  if (command == "unsafe-recover") return UnsafeRecover(arguments);
  return WrongUse(absl::InvalidArgumentError(
      fmt::format("unknown command 'raft {}': see `trireme raft help`", command)));
}

}  // namespace trireme::cli
