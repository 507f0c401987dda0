#include "cli/mr_servers.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <thread>
#include <utility>

#include "CLI/CLI.hpp"
#include "base/status_macros.h"
#include "cli/cluster_flags.h"
#include "cli/command_table.h"
#include "cli/flags.h"
#include "cli/interrupts.h"
#include "cli/run_command.h"
#include "cli/s3_flags.h"
#include "cli/say.h"
#include "cli/whereabouts_of.h"
#include "fmt/format.h"
#include "io/process.h"
#include "io/service_manager.h"
#include "mapreduce/cluster/coordinator.h"
#include "mapreduce/cluster/slot_pool.h"
#include "mapreduce/cluster/worker.h"
#include "mapreduce/fs/files.h"
#include "rpc/local_host.h"

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

/// A port alone is of this machine.
rpc::Address HttpAddressOf(const std::string& text) {
  const bool port = text.find_first_not_of("0123456789") == std::string::npos;
  return AddressOf("--http", port ? "127.0.0.1:" + text : text);
}

/// A lease shorter than a few heartbeats and scheduling hiccups loses workers that are well.
constexpr std::int64_t kWorkerLeaseMinMs = 100;
/// Leases of a KV are whole seconds.
constexpr std::int64_t kLeaderTtlMinMs = 1'000;

/// Calls `on_interrupt` for each interrupt, until it is destroyed. Meanwhile it tells the service
/// manager that all is well whenever `turns` has grown: a server whose owner thread hangs is not.
class InterruptWatch {
 public:
  InterruptWatch(std::function<void()> on_interrupt, std::function<std::uint64_t()> turns,
                 io::ServiceManager* service)
      : on_interrupt_(std::move(on_interrupt)),
        turns_(std::move(turns)),
        service_(service),
        thread_([this, count = CatchInterrupts()] { Run(count); }) {}
  ~InterruptWatch() {
    over_ = true;
    thread_.join();
  }

 private:
  void Run(const std::atomic<int>* count) {
    int seen = 0;
    std::uint64_t turned = 0;
    while (!over_) {
      for (; seen < *count; ++seen) {
        if (seen == 0) service_->Stopping();
        on_interrupt_();
      }
      if (std::exchange(turned, turns_()) != turned) service_->Alive();
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }

  const std::function<void()> on_interrupt_;
  const std::function<std::uint64_t()> turns_;
  io::ServiceManager* const service_;
  std::atomic<bool> over_{false};
  std::thread thread_;
};

/// Calls `on_end` once when standard input ends, unless it is destroyed before.
class InputWatch {
 public:
  explicit InputWatch(std::function<void()> on_end)
      : thread_([this, on_end = std::move(on_end)] {
          while (!over_) {
            if (InputEnded()) return on_end();
          }
        }) {}
  ~InputWatch() {
    over_ = true;
    thread_.join();
  }

 private:
  static bool InputEnded() {
    pollfd input{STDIN_FILENO, POLLIN, 0};
    if (::poll(&input, 1, 100) <= 0) return false;
    char passed_over[4096];
    const ssize_t n = ::read(STDIN_FILENO, passed_over, sizeof passed_over);
    return n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN);
  }

  std::atomic<bool> over_{false};
  std::thread thread_;
};

std::string Listed(const std::vector<rpc::Address>& addresses) {
  std::string text;
  for (const rpc::Address& address : addresses)
    text += (text.empty() ? "" : ", ") + address.ToString();
  return text;
}

int Serve(CoordinatorOptions options, mapreduce::S3Options s3) {
  io::ServiceManager service = io::ServiceManager::FromEnvironment();
  mapreduce::Files files(std::move(s3));
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
  service.Ready(fmt::format("serving workers and users on {}", Listed(coordinator.addresses())));
  const InterruptWatch watch([&coordinator] { coordinator.Stop(); },
                             [&coordinator] { return coordinator.turns(); }, &service);
  const absl::Status status = coordinator.Wait();
  if (status.ok()) return kDone;
  Say(stderr, "trireme: the coordinator stops: {}\n", std::string(status.message()));
  return kFailed;
}

int Work(WorkerOptions options, bool stop_on_eof) {
  io::RaiseFileLimit();
  io::ServiceManager service = io::ServiceManager::FromEnvironment();
  const std::string coordinator = mapreduce::cluster::Describe(options.coordinator);
  auto started = Worker::Start(std::move(options));
  if (!started.ok()) return WrongUse(started.status());
  Worker& worker = **started;
  Say(stdout, "serving map outputs on {}\n", worker.shuffle_address().ToString());
  if (worker.http_address())
    Say(stdout, "metrics on http://{}/metrics\n", worker.http_address()->ToString());
  std::fflush(stdout);
  service.Ready("working for " + coordinator);
  const InterruptWatch watch([&worker] { worker.Drain(); }, [&worker] { return worker.turns(); },
                             &service);
  std::optional<InputWatch> input;
  if (stop_on_eof) input.emplace([&worker] { worker.Drain(); });
  bool hung = false;
  const absl::Status status = worker.Wait(&hung);
  if (!status.ok()) Say(stderr, "trireme: {}\n", std::string(status.message()));
  const int exit_status = status.ok() ? kDone : kFailed;
  if (hung) ::_exit(exit_status);  // a thread of user code never ends
  return exit_status;
}

}  // namespace

std::optional<int> ParseArguments(CLI::App& app, std::vector<std::string> arguments) {
  if (Describe(app)) return kDone;
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
      "--http", [&](const std::string& text) { options.http = HttpAddressOf(text); },
      "live pages, /metrics and /healthz: PORT (of this machine only), host:port or unix:/path");
  app.add_flag("--http-admin", options.http_admin, "the pages may also cancel jobs");
  mapreduce::S3Options s3;
  AddS3Flags(app, &s3);
  KvFlags kv;
  AddKvFlags(app, &kv,
             "remember jobs in this KV, with other coordinators standing by: host:port,...");
  std::optional<std::int64_t> ttl_ms, interval_ms;
  AddTime(app, "--kv-ttl",
          "another takes over when this one has not been heard of so long (default 2s)",
          kLeaderTtlMinMs, [&](std::int64_t ms) { ttl_ms = ms; });
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
    options.kv->leader_ttl_ms = ttl_ms.value_or(mapreduce::cluster::kLeaderTtlMs);
    options.kv->write_interval_ms = interval_ms.value_or(mapreduce::cluster::kKvWriteIntervalMs);
  } else if (ttl_ms || interval_ms) {
    return WrongUse(
        absl::InvalidArgumentError("--kv-ttl, --kv-write-interval: these go with --kv ENDPOINTS"));
  } else if (const absl::Status status = CheckNoKv(kv); !status.ok()) {
    return WrongUse(status);
  }
  if (options.http_admin && !options.http) {
    return WrongUse(absl::InvalidArgumentError("--http-admin: goes with --http"));
  }
  options.limits.attempt_unlisted_ms = options.limits.worker_lease_ms / 2;
  io::RaiseFileLimit();
  return Serve(std::move(options), std::move(s3));
}

/// Where the shuffle listens when the user leaves it to us: the address from which this machine
/// reaches the coordinator.
absl::Status ListenTowards(WorkerOptions* options) {
  TRIREME_ASSIGN_OR_RETURN(const rpc::Address there,
                           mapreduce::cluster::Towards(options->coordinator));
  if (there.kind != rpc::Address::Kind::kTcp) return absl::OkStatus();
  TRIREME_ASSIGN_OR_RETURN(std::string host, rpc::HostTowards(there));
  options->listen = rpc::Address{rpc::Address::Kind::kTcp, {}, std::move(host), 0};
  return absl::OkStatus();
}

int RunWorker(std::vector<std::string> arguments) {
  WorkerOptions options;
  CLI::App app("Runs a worker of a cluster.", "trireme mr worker");
  app.set_help_flag("-h,--help", "show this and exit");
  ClusterFlags cluster;
  bool listen_towards = false, stop_on_eof = false;
  AddClusterFlags(app, &cluster, "unix:/path or host:port (default: $TRIREME_COORDINATOR)");
  app.add_option_function<std::string>(
      "--listen",
      [&](const std::string& text) {
        listen_towards = text == "auto";
        if (!listen_towards) options.listen = AddressOf("--listen", text);
      },
      "where other workers fetch map outputs; auto: at the address that reaches the coordinator "
      "(default: this machine only)");
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
  app.add_option_function<std::string>(
      "--http", [&](const std::string& text) { options.http = HttpAddressOf(text); },
      "/metrics and /healthz: PORT (of this machine only), host:port or unix:/path");
  AddTime(app, "--leave-after", "leave when the coordinator is gone for so long (default: never)",
          0, [&](std::int64_t ms) { options.leave_after_ms = ms; });
  app.add_flag("--stop-on-eof", stop_on_eof, "when standard input ends, stop as on SIGTERM");
  AddS3Flags(app, &options.s3);
  app.add_flag("--always-fetch", options.always_fetch,
               "fetch over the network even what lies on this machine");
  AddLogLevel(app);
  if (const auto status = ParseArguments(app, std::move(arguments))) return *status;
  auto where = WhereaboutsOf(cluster);
  if (!where.ok()) return WrongUse(where.status());
  options.coordinator = *std::move(where);
  if (listen_towards) {
    if (const absl::Status listen = ListenTowards(&options); !listen.ok()) return WrongUse(listen);
  }
  return Work(std::move(options), stop_on_eof);
}

}  // namespace trireme::cli
