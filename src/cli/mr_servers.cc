#include "cli/mr_servers.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <functional>
#include <thread>
#include <utility>

#include "CLI/CLI.hpp"
#include "cli/interrupts.h"
#include "cli/run_command.h"
#include "cli/sizes.h"
#include "fmt/format.h"
#include "io/log.h"
#include "io/process.h"
#include "mapreduce/cluster/coordinator.h"
#include "mapreduce/cluster/worker.h"
#include "mapreduce/fs/local.h"

namespace trireme::cli {
namespace {

using mapreduce::cluster::Coordinator;
using mapreduce::cluster::CoordinatorOptions;
using mapreduce::cluster::Worker;
using mapreduce::cluster::WorkerOptions;

/// Parses by `parse`, a function of base's or rpc's, within CLI11.
template <class Parse, class Store>
std::function<void(const std::string&)> By(Parse parse, Store store) {
  return [parse, store](const std::string& text) {
    auto value = parse(text);
    if (!value.ok()) throw CLI::ValidationError(std::string(value.status().message()));
    store(*std::move(value));
  };
}

/// Calls `on_interrupt` for each interrupt, until it is destroyed.
class InterruptWatch {
 public:
  explicit InterruptWatch(std::function<void()> on_interrupt)
      : thread_([this, on_interrupt = std::move(on_interrupt), count = CatchInterrupts()] {
          int seen = 0;
          while (!over_) {
            for (; seen < *count; ++seen) on_interrupt();
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
          }
        }) {}
  ~InterruptWatch() {
    over_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> over_{false};
  std::thread thread_;
};

void AddLogLevel(CLI::App& app) {
  app.add_option_function<std::string>(
         "--log-level",
         [](const std::string& level) {
           if (const absl::Status status = io::SetLogLevel(level); !status.ok())
             throw CLI::ValidationError(std::string(status.message()));
         },
         "debug, info, warn (default) or error")
      ->type_name("LEVEL");
}

int Serve(CoordinatorOptions options) {
  mapreduce::LocalFileSystem files;
  options.files = &files;
  auto started = Coordinator::Start(std::move(options));
  if (!started.ok()) return WrongUse(started.status());
  Coordinator& coordinator = **started;
  for (const std::string& warning : coordinator.warnings()) {
    fmt::print(stderr, "trireme: {}\n", warning);
  }
  for (const rpc::Address& address : coordinator.addresses()) {
    fmt::print("listening on {}\n", address.ToString());
  }
  if (coordinator.http_address()) {
    fmt::print("pages on http://{}/\n", coordinator.http_address()->ToString());
  }
  std::fflush(stdout);
  const InterruptWatch watch([&coordinator] { coordinator.Stop(); });
  const absl::Status status = coordinator.Wait();
  if (status.ok()) return kDone;
  fmt::print(stderr, "trireme: the coordinator stops: {}\n", std::string(status.message()));
  return kFailed;
}

}  // namespace

std::optional<int> ParseArguments(CLI::App& app, std::vector<std::string> arguments) {
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}", app.help());
    return kDone;
  } catch (const CLI::ParseError& error) {
    return WrongUse(absl::InvalidArgumentError(fmt::format("{} (see --help)", error.what())));
  }
  return std::nullopt;
}

int RunCoordinator(std::vector<std::string> arguments) {
  CoordinatorOptions options;
  CLI::App app("Runs the coordinator of a cluster.", "trireme mr coordinator");
  app.set_help_flag("-h,--help", "show this and exit");
  app.add_option_function<std::vector<std::string>>(
         "--listen",
         [&](const std::vector<std::string>& all) {
           for (const std::string& one : all) {
             By(rpc::ParseAddress, [&](rpc::Address a) { options.listen.push_back(a); })(one);
           }
         },
         "unix:/path or host:port (port 0: any free one), once or several times")
      ->required();
  app.add_option("--state", options.state_directory,
                 "where jobs are remembered over restarts (default: they are not)");
  app.add_option_function<std::string>(
      "--http", By(rpc::ParseAddress, [&](rpc::Address a) { options.http = a; }),
      "status pages, /metrics and /healthz");
  app.add_option_function<std::string>(
      "--worker-lease",
      By(ParseDuration, [&](std::int64_t ms) { options.limits.worker_lease_ms = ms; }),
      "a worker not heard of for so long is lost (default 3s)");
  AddLogLevel(app);
  if (const auto status = ParseArguments(app, std::move(arguments))) return *status;
  if (options.limits.worker_lease_ms < 100) {
    return WrongUse(absl::InvalidArgumentError("--worker-lease must be at least 100ms"));
  }
  options.limits.attempt_unlisted_ms = options.limits.worker_lease_ms / 2;
  io::RaiseFileLimit();
  return Serve(std::move(options));
}

int RunWorker(std::vector<std::string> arguments) {
  WorkerOptions options;
  CLI::App app("Runs a worker of a cluster.", "trireme mr worker");
  app.set_help_flag("-h,--help", "show this and exit");
  app.add_option_function<std::string>(
         "--coordinator", By(rpc::ParseAddress, [&](rpc::Address a) { options.coordinator = a; }),
         "unix:/path or host:port")
      ->required();
  app.add_option_function<std::string>(
      "--listen", By(rpc::ParseAddress, [&](rpc::Address a) { options.listen = a; }),
      "where other workers fetch map outputs (default: this machine only)");
  app.add_option("--slots", options.slots, "attempts at once (default: as many as cores)");
  app.add_option("--dir", options.directory, "for map outputs and temporary files");
  app.add_option_function<std::string>(
      "--memory", By(ParseSize, [&](std::uint64_t bytes) { options.memory_bytes = bytes; }),
      "of all slots together (default: half of the machine's)");
  app.add_option_function<std::string>(
      "--isolation",
      [&](const std::string& kind) {
        if (kind != "process" && kind != "thread") {
          throw CLI::ValidationError("--isolation is process or thread, not '" + kind + "'");
        }
        options.isolation =
            kind == "process" ? mapreduce::Isolation::kProcess : mapreduce::Isolation::kThread;
      },
      "of all attempts: process or thread (default: as each job asks)");
  app.add_option_function<std::string>(
      "--drain", By(ParseDuration, [&](std::int64_t ms) { options.drain_patience_ms = ms; }),
      "on SIGTERM: how long to finish attempts and serve map outputs (default 30s)");
  app.add_flag("--always-fetch", options.always_fetch,
               "fetch over the network even what lies on this machine");
  AddLogLevel(app);
  if (const auto status = ParseArguments(app, std::move(arguments))) return *status;
  if (options.slots > 4096) {
    return WrongUse(absl::InvalidArgumentError("--slots must be at most 4096"));
  }
  io::RaiseFileLimit();
  auto started = Worker::Start(std::move(options));
  if (!started.ok()) return WrongUse(started.status());
  fmt::print("serving map outputs on {}\n", (*started)->shuffle_address().ToString());
  std::fflush(stdout);
  const InterruptWatch watch([&worker = **started] { worker.Drain(); });
  bool hung = false;
  const absl::Status status = (*started)->Wait(&hung);
  if (!status.ok()) fmt::print(stderr, "trireme: {}\n", std::string(status.message()));
  const int exit_status = status.ok() ? kDone : kFailed;
  if (hung) ::_exit(exit_status);  // a thread of user code never ends
  return exit_status;
}

}  // namespace trireme::cli
