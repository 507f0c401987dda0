#include <string>
#include <vector>

#include "cli/mr_commands.h"
#include "cli/run_command.h"
#include "cli/sim_commands.h"
#include "fmt/format.h"
#include "mapreduce/cluster/slot_process.h"

namespace {

constexpr char kHelp[] = "trireme " TRIREME_VERSION
                         "\n"
                         "\n"
                         "  trireme mr ...        MapReduce: see `trireme mr help`\n"
                         "  trireme sim ...       simulated Raft clusters: see `trireme sim --help`\n"
                         "  trireme --version\n";

}  // namespace

int main(int argc, char** argv) {
  trireme::mapreduce::MaybeRunSlotProcess(argc, argv);
  std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.empty()) {
    fmt::print(stderr, "{}", kHelp);
    return trireme::cli::kWrongUse;
  }
  const std::string command = arguments[0];
  arguments.erase(arguments.begin());
  if (command == "mr") return trireme::cli::RunMr(std::move(arguments));
  if (command == "sim") return trireme::cli::RunSim(std::move(arguments));
  if (command == "--version") {
    fmt::print("trireme " TRIREME_VERSION "\n");
    return trireme::cli::kDone;
  }
  if (command == "help" || command == "--help" || command == "-h") {
    fmt::print("{}", kHelp);
    return trireme::cli::kDone;
  }
  return trireme::cli::WrongUse(
      absl::InvalidArgumentError(fmt::format("unknown command '{}': see `trireme help`", command)));
}
