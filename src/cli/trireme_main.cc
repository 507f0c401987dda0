#include <string>
#include <vector>

#include "cli/completion.h"
#include "cli/demo/demo.h"
#include "cli/kv/run.h"
#include "cli/kv_backup_format.h"
#include "cli/kv_serve.h"
#include "cli/man_page.h"
#include "cli/mr_commands.h"
#include "cli/raft_commands.h"
#include "cli/run_command.h"
#include "cli/say.h"
#include "cli/sim_commands.h"
#include "fmt/format.h"
#include "io/process.h"
#include "mapreduce/cluster/slot_process.h"

namespace {

constexpr char kHelp[] =
    "trireme " TRIREME_VERSION
    "\n"
    "\n"
    "  trireme demo          a cluster of all of it, and what kills do to it\n"
    "  trireme kv ...        etcd's client: see `trireme kv help`\n"
    "  trireme mr ...        MapReduce: see `trireme mr help`\n"
    "  trireme kv serve ...  a member of a store that speaks etcd's v3 API\n"
    "  trireme raft ...      Raft's log: see `trireme raft help`\n"
    "  trireme sim ...       simulated Raft clusters: see `trireme sim --help`\n"
    "  trireme completion bash|zsh|fish\n"
    "                        what completes all this in a shell\n"
    "  trireme --version\n";

}  // namespace

int main(int argc, char** argv) {
  trireme::io::OpenStandardStreams();
  trireme::mapreduce::MaybeRunSlotProcess(argc, argv);
  std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.empty()) {
    trireme::cli::Say(stderr, "{}", kHelp);
    return trireme::cli::kWrongUse;
  }
  const std::string command = arguments[0];
  arguments.erase(arguments.begin());
  if (command == "kv" && !arguments.empty() && arguments[0] == "serve") {
    arguments.erase(arguments.begin());
    return trireme::cli::RunKvServe(std::move(arguments));
  }
  if (command == "demo") return trireme::demo::RunDemo(std::move(arguments));
  if (command == "mr") return trireme::cli::RunMr(std::move(arguments));
  if (command == "kv") {
    trireme::cli::AddBackupFormat();
    return trireme::kvcli::Run(arguments);
  }
  if (command == "raft") return trireme::cli::RunRaft(std::move(arguments));
  if (command == "sim") return trireme::cli::RunSim(std::move(arguments));
  if (command == "completion") return trireme::cli::RunCompletion(arguments);
  if (command == "help" && arguments.size() == 2 && arguments[0] == "--man")
    return trireme::cli::RunManPage(arguments[1]);
  if (command == "--version") {
    trireme::cli::Say(stdout, "trireme " TRIREME_VERSION "\n");
    return trireme::cli::FlushOutput(trireme::cli::kDone);
  }
  if (command == "help" || command == "--help" || command == "-h") {
    trireme::cli::Say(stdout, "{}", kHelp);
    return trireme::cli::FlushOutput(trireme::cli::kDone);
  }
  return trireme::cli::WrongUse(
      absl::InvalidArgumentError(fmt::format("unknown command '{}': see `trireme help`", command)));
}
