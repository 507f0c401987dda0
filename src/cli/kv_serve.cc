#include "cli/kv_serve.h"

#include <signal.h>
#include <time.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "cli/command_table.h"
#include "cli/flags.h"
#include "cli/kv_config_file.h"
#include "cli/kv_serve_flags.h"
#include "cli/run_command.h"
#include "cli/say.h"
#include "io/process.h"
#include "io/service_manager.h"
#include "kv/server/server.h"

namespace trireme::cli {
namespace {

/// Waits for the signals that end a server; whether it has failed is looked at in between.
class EndSignals {
 public:
  /// Blocks them on this thread and those that it starts from here on.
  EndSignals() {
    sigemptyset(&signals_);
    for (const int signal : {SIGINT, SIGTERM}) sigaddset(&signals_, signal);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    ::signal(SIGHUP, SIG_IGN);
    ::signal(SIGPIPE, SIG_IGN);
    ::signal(SIGXFSZ, SIG_IGN);
  }
  /// Ended by a signal: true. False after a while.
  bool Wait() {
    const timespec a_while = {.tv_sec = 0, .tv_nsec = 200'000'000};
    return ::sigtimedwait(&signals_, nullptr, &a_while) > 0;
  }
  /// A second signal ends the process at once.
  void Unblock() {
    for (const int signal : {SIGINT, SIGTERM}) ::signal(signal, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &signals_, nullptr);
  }

 private:
  sigset_t signals_;
};

int Serve(const kv::ServerOptions& options) {
  io::ServiceManager service = io::ServiceManager::FromEnvironment();
  EndSignals signals;
  auto server = kv::Server::Start(options);
  if (!server.ok()) {
    Say(stderr, "trireme: {}\n", OneLine(server.status().message()));
    return kFailed;
  }
  for (const std::string& address : (*server)->client_addresses())
    Say(stdout, "serving clients on {}\n", address);
  std::fflush(stdout);
  service.Ready("serving clients");
  while (!signals.Wait()) {
    const absl::Status failure = (*server)->member().failure();
    if (failure.ok()) {
      (void)(*server)->member().replica().Status();  // waits for Raft's loop: does it hang?
      service.Alive();
      continue;
    }
    Say(stderr, "trireme: this member stops: {}\n", OneLine(failure.message()));
    return kFailed;
  }
  service.Stopping();
  signals.Unblock();
  (*server)->Stop();
  return kDone;
}

}  // namespace

int RunKvServe(std::vector<std::string> arguments) {
  CLI::App app("A member of a KV cluster that speaks etcd's v3 API.", "trireme kv serve");
  app.set_help_flag("-h,--help", "show this and exit");
  KvServeFlags flags;
  const std::string file = ConfigFileIn(arguments);
  flags.AddTo(app, file.empty());
  if (Describe(app)) return kDone;
  if (!file.empty()) {
    auto in_file = FlagsInConfigFile(file);
    if (!in_file.ok()) return WrongUse(in_file.status());
    if (arguments.size() > 2)
      flags.warnings.push_back("other flags have no effect beside --config-file, as in etcd");
    arguments = *std::move(in_file);
  }
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
  try {
    app.parse(std::move(arguments));
    flags.Complete(app);
  } catch (const CLI::CallForHelp&) {
    Say(stdout, "{}", app.help());
    return FlushOutput(kDone);
  } catch (const CLI::ParseError& error) {
    return WrongUse(absl::InvalidArgumentError(Explain(error)));
  }
  for (const std::string& warning : flags.warnings) Say(stderr, "trireme: {}\n", OneLine(warning));
  io::RaiseFileLimit();
  return Serve(flags.options);
}

}  // namespace trireme::cli
