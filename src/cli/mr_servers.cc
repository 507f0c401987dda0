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
#include "cli/flags.h"
#include "cli/interrupts.h"
#include "cli/run_command.h"
#include "cli/s3_flags.h"
#include "cli/say.h"
#include "fmt/format.h"
#include "io/process.h"
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

/// A lease shorter than a few heartbeats and scheduling hiccups loses workers that are well.
constexpr std::int64_t kWorkerLeaseMinMs = 100;

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

int Serve(CoordinatorOptions options, mapreduce::S3Options s3) {
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
  const InterruptWatch watch([&coordinator] { coordinator.Stop(); });
  const absl::Status status = coordinator.Wait();
  if (status.ok()) return kDone;
  Say(stderr, "trireme: the coordinator stops: {}\n", std::string(status.message()));
  return kFailed;
}

}  // namespace

absl::StatusOr<rpc::Address> CoordinatorOf(const std::string& given) {
  const char* fallback = std::getenv("TRIREME_COORDINATOR");
  const std::string text = !given.empty() ? given : fallback != nullptr ? fallback : "";
  if (text.empty()) {
    return absl::InvalidArgumentError(
        "no coordinator: give --coordinator ADDR (unix:/path or host:port), or set "
        "TRIREME_COORDINATOR");
  }
  auto address = rpc::ParseAddress(text);
  if (address.ok()) return address;
  return absl::InvalidArgumentError(
      fmt::format("{}: {}", given.empty() ? "TRIREME_COORDINATOR" : "--coordinator",
                  std::string(address.status().message())));
}

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
      "--http",
      [&](const std::string& text) {
        const bool port = text.find_first_not_of("0123456789") == std::string::npos;
        options.http = AddressOf("--http", port ? "127.0.0.1:" + text : text);
      },
      "live pages, /metrics and /healthz: PORT (of this machine only), host:port or unix:/path");
  app.add_flag("--http-admin", options.http_admin, "the pages may also cancel jobs");
  mapreduce::S3Options s3;
  AddS3Flags(app, &s3);
  AddTime(app, "--worker-lease", "a worker not heard of for so long is lost (default 3s)",
          kWorkerLeaseMinMs, [&](std::int64_t ms) { options.limits.worker_lease_ms = ms; });
  AddLogLevel(app);
  if (const auto status = ParseArguments(app, std::move(arguments))) return *status;
  options.limits.attempt_unlisted_ms = options.limits.worker_lease_ms / 2;
  io::RaiseFileLimit();
  return Serve(std::move(options), std::move(s3));
}

/// Where the shuffle listens when the user leaves it to us: the address from which this machine
/// reaches the coordinator.
absl::Status ListenTowards(WorkerOptions* options) {
  if (options->coordinator.kind != rpc::Address::Kind::kTcp) return absl::OkStatus();
  TRIREME_ASSIGN_OR_RETURN(std::string host, rpc::HostTowards(options->coordinator));
  options->listen = rpc::Address{rpc::Address::Kind::kTcp, {}, std::move(host), 0};
  return absl::OkStatus();
}

int RunWorker(std::vector<std::string> arguments) {
  WorkerOptions options;
  CLI::App app("Runs a worker of a cluster.", "trireme mr worker");
  app.set_help_flag("-h,--help", "show this and exit");
  std::string coordinator;
  bool listen_towards = false, stop_on_eof = false;
  app.add_option("--coordinator", coordinator,
                 "unix:/path or host:port (default: $TRIREME_COORDINATOR)");
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
  AddTime(app, "--leave-after", "leave when the coordinator is gone for so long (default: never)",
          0, [&](std::int64_t ms) { options.leave_after_ms = ms; });
  app.add_flag("--stop-on-eof", stop_on_eof, "when standard input ends, stop as on SIGTERM");
  AddS3Flags(app, &options.s3);
  app.add_flag("--always-fetch", options.always_fetch,
               "fetch over the network even what lies on this machine");
  AddLogLevel(app);
  if (const auto status = ParseArguments(app, std::move(arguments))) return *status;
  const auto address = CoordinatorOf(coordinator);
  if (!address.ok()) return WrongUse(address.status());
  options.coordinator = *address;
  if (listen_towards) {
    if (const absl::Status listen = ListenTowards(&options); !listen.ok()) return WrongUse(listen);
  }
  io::RaiseFileLimit();
  auto started = Worker::Start(std::move(options));
  if (!started.ok()) return WrongUse(started.status());
  Say(stdout, "serving map outputs on {}\n", (*started)->shuffle_address().ToString());
  std::fflush(stdout);
  const InterruptWatch watch([&worker = **started] { worker.Drain(); });
  std::optional<InputWatch> input;
  if (stop_on_eof) input.emplace([&worker = **started] { worker.Drain(); });
  bool hung = false;
  const absl::Status status = (*started)->Wait(&hung);
  if (!status.ok()) Say(stderr, "trireme: {}\n", std::string(status.message()));
  const int exit_status = status.ok() ? kDone : kFailed;
  if (hung) ::_exit(exit_status);  // a thread of user code never ends
  return exit_status;
}

}  // namespace trireme::cli
