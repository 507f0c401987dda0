#include "cli/mr_servers.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <thread>
#include <utility>

#include "CLI/CLI.hpp"
#include "cli/cluster_flags.h"
#include "cli/flags.h"
#include "cli/interrupts.h"
#include "cli/run_command.h"
#include "cli/say.h"
#include "cli/whereabouts_of.h"
#include "fmt/format.h"
#include "io/process.h"
#include "mapreduce/cluster/coordinator.h"
#include "mapreduce/cluster/slot_pool.h"
#include "mapreduce/cluster/worker.h"
#include "mapreduce/fs/local.h"

namespace trireme::cli {
namespace {

using mapreduce::cluster::Coordinator;
using mapreduce::cluster::CoordinatorOptions;
using mapreduce::cluster::Worker;
using mapreduce::cluster::WorkerOptions;

rpc::Address AddressOf(const char* flag, const std::string& text) {
  const auto address = rpc::ParseAddress(text);
  if (!address.ok())
    throw CLI::ValidationError(
        fmt::format("{}: {}", flag, std::string(address.status().message())));
  return *address;
}

/// A lease shorter than a few heartbeats and scheduling hiccups loses workers that are well.
constexpr std::int64_t kWorkerLeaseMinMs = 100;
/// Leases of a KV are whole seconds.
constexpr std::int64_t kLeaderTtlMinMs = 1'000;

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

int Serve(CoordinatorOptions options) {
  mapreduce::LocalFileSystem files;
  options.files = &files;
  auto started = Coordinator::Start(std::move(options));
  if (!started.ok()) return WrongUse(started.status());
  Coordinator& coordinator = **started;
  for (const std::string& warning : coordinator.warnings()) {
    Say(stderr, "trireme: {}\n", warning);
  }
  for (const rpc::Address& address : coordinator.addresses()) {
    Say(stdout, "listening on {}\n", address.ToString());
  }
  if (coordinator.http_address()) {
    Say(stdout, "pages on http://{}/\n", coordinator.http_address()->ToString());
  }
  std::fflush(stdout);
  const InterruptWatch watch([&coordinator] { coordinator.Stop(); });
  const absl::Status status = coordinator.Wait();
  if (status.ok()) return kDone;
  Say(stderr, "trireme: the coordinator stops: {}\n", std::string(status.message()));
  return kFailed;
}

}  // namespace

std::optional<int> ParseArguments(CLI::App& app, std::vector<std::string> arguments) {
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::CallForHelp&) {
    Say(stdout, "{}", app.help());
    return kDone;
  } catch (const CLI::ParseError& error) {
    return WrongUse(absl::InvalidArgumentError(Explain(error)));
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
           for (const std::string& one : all) options.listen.push_back(AddressOf("--listen", one));
         },
         "unix:/path or host:port (port 0: any free one), once or several times")
      ->required();
  app.add_option("--state", options.state_directory,
                 "where jobs are remembered over restarts (default: they are not)");
  app.add_option_function<std::string>(
      "--http", [&](const std::string& text) { options.http = AddressOf("--http", text); },
      "status pages, /metrics and /healthz");
  KvFlags kv;
  AddKvFlags(app, &kv,
             "remember jobs in this KV, with other coordinators standing by: host:port,...");
  std::int64_t ttl_ms = mapreduce::cluster::kLeaderTtlMs;
  AddTime(app, "--kv-ttl",
          "another takes over when this one has not been heard of so long (default 2s)",
          kLeaderTtlMinMs, [&](std::int64_t ms) { ttl_ms = ms; });
  std::int64_t interval_ms = mapreduce::cluster::kKvWriteIntervalMs;
  AddTime(app, "--kv-write-interval", "from one write to the KV to the next (default 100ms)", 0,
          [&](std::int64_t ms) { interval_ms = ms; });
  AddTime(app, "--worker-lease", "a worker not heard of for so long is lost (default 3s)",
          kWorkerLeaseMinMs, [&](std::int64_t ms) { options.limits.worker_lease_ms = ms; });
  AddLogLevel(app);
  if (const auto status = ParseArguments(app, std::move(arguments))) return *status;
  if (!kv.endpoints.empty()) {
    if (!options.state_directory.empty()) {
      return WrongUse(absl::InvalidArgumentError(
          "--state and --kv: give one of them; with --kv the jobs are remembered there"));
    }
    auto kv_options = KvOptionsOf(kv);
    if (!kv_options.ok()) return WrongUse(kv_options.status());
    options.kv = *std::move(kv_options);
    options.kv->leader_ttl_ms = ttl_ms;
    options.kv->write_interval_ms = interval_ms;
  }
  options.limits.attempt_unlisted_ms = options.limits.worker_lease_ms / 2;
  io::RaiseFileLimit();
  return Serve(std::move(options));
}

int RunWorker(std::vector<std::string> arguments) {
  WorkerOptions options;
  CLI::App app("Runs a worker of a cluster.", "trireme mr worker");
  app.set_help_flag("-h,--help", "show this and exit");
  ClusterFlags cluster;
  AddClusterFlags(app, &cluster, "unix:/path or host:port (default: $TRIREME_COORDINATOR)");
  app.add_option_function<std::string>(
      "--listen", [&](const std::string& text) { options.listen = AddressOf("--listen", text); },
      "where other workers fetch map outputs (default: this machine only)");
  AddNumber(app, "--slots", "attempts at once (default: as many as cores)", 1, kSlotsMax,
            [&](std::int64_t n) { options.slots = static_cast<std::uint32_t>(n); });
  app.add_option("--dir", options.directory, "for map outputs and temporary files");
  AddSize(app, "--memory",
          "of all slots together (default: half of the machine's or the container's)",
          mapreduce::kMemoryMin, [&](std::uint64_t bytes) { options.memory_bytes = bytes; });
  AddChoice(app, "--isolation", "of all attempts: process or thread (default: as each job asks)",
            {"process", "thread"}, [&](const std::string& kind) {
              options.isolation = kind == "process" ? mapreduce::Isolation::kProcess
                                                    : mapreduce::Isolation::kThread;
            });
  AddTime(app, "--drain",
          "on SIGTERM: how long to finish attempts and serve map outputs (default 30s)", 0,
          [&](std::int64_t ms) { options.drain_patience_ms = ms; });
  app.add_flag("--always-fetch", options.always_fetch,
               "fetch over the network even what lies on this machine");
  AddLogLevel(app);
  if (const auto status = ParseArguments(app, std::move(arguments))) return *status;
  auto where = WhereaboutsOf(cluster);
  if (!where.ok()) return WrongUse(where.status());
  options.coordinator = *std::move(where);
  io::RaiseFileLimit();
  auto started = Worker::Start(std::move(options));
  if (!started.ok()) return WrongUse(started.status());
  Say(stdout, "serving map outputs on {}\n", (*started)->shuffle_address().ToString());
  std::fflush(stdout);
  const InterruptWatch watch([&worker = **started] { worker.Drain(); });
  bool hung = false;
  const absl::Status status = (*started)->Wait(&hung);
  if (!status.ok()) Say(stderr, "trireme: {}\n", std::string(status.message()));
  const int exit_status = status.ok() ? kDone : kFailed;
  if (hung) ::_exit(exit_status);  // a thread of user code never ends
  return exit_status;
}

}  // namespace trireme::cli
