#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <thread>
#include <utility>

#include "base/status_macros.h"
#include "cli/kv/command.h"
#include "cli/kv/failure.h"
#include "cli/kv/program.h"
#include "cli/kv/waiting.h"
#include "etcd/rpc.trireme.h"
#include "fmt/format.h"

namespace trireme::kvcli {
namespace {

/// Of an election's session, as etcdctl has it.
constexpr absl::Duration kElectionTtl = absl::Seconds(60);
/// How soon an observer sees a signal.
constexpr absl::Duration kSignalCheck = absl::Milliseconds(100);

absl::StatusOr<etcdserverpb::RangeResponse> ReadKey(Session& session, const std::string& key) {
  etcdserverpb::RangeRequest request;
  request.set_key(key);
  TRIREME_ASSIGN_OR_RETURN(Connection * cluster, session.connection());
  return cluster->Do(true, [&](auto& channel, auto options) {
    return etcdserverpb::KVStub(channel).Range(request, std::move(options));
  });
}

/// A client, once a member has answered: waiting for a lock has no end, looking for a server has.
absl::StatusOr<std::unique_ptr<kv::Client>> ClientOf(Session& session) {
  TRIREME_RETURN_IF_ERROR(ReadKey(session, "health").status());
  TRIREME_ASSIGN_OR_RETURN(kv::ClientOptions options,
                           ClientOptionsOf(session.options().endpoints, session.options()));
  return kv::Client::Create(std::move(options));
}

/// `acquire()`, unless a signal comes first: then the process ends, and what it has in the store
/// with its lease.
template <class Acquire>
auto UnlessSignalled(Waiting& waiting, Acquire acquire) {
  std::optional<decltype(acquire())> result;
  std::thread thread([&] {
    result.emplace(acquire());
    waiting.Wake();
  });
  while (true) {
    const Waiting::Event event = waiting.Wait();
    if (event.signal != 0) {
      std::fputs("Error: context canceled\n", stderr);
      std::_Exit(kError);
    }
    if (event.woken) break;
  }
  thread.join();
  return *std::move(result);
}

/// Until a signal comes, or `held` is lost: false.
template <class Held>
bool HoldUntilSignal(Waiting& waiting, Held& held) {
  held.OnLost([&waiting] { waiting.Wake(); });
  while (held.held()) {
    if (waiting.Wait().signal != 0) return true;
  }
  return false;
}

/// The whole run of the program; signals are passed on to it.
io::ExitStatus Attend(Waiting& waiting, io::Process process) {
  const io::Fd end(static_cast<int>(::syscall(SYS_pidfd_open, process.pid(), 0)));
  while (true) {
    const Waiting::Event event = waiting.Wait(end.get());
    if (event.fd) return process.Wait();
    if (event.signal != 0) process.Kill(event.signal);
  }
}

class LockCommand final : public Command {
 public:
  void AddFlags(FlagSet& flags) override { flags.Number("ttl", &ttl_, "timeout for session"); }

  absl::Status Run(Session& session, const Arguments& arguments) override {
    if (arguments.words.empty()) {
      return BadArguments("lock takes a lock name argument and an optional command to execute");
    }
    Waiting waiting;
    TRIREME_ASSIGN_OR_RETURN(const auto client, ClientOf(session));
    auto lock = UnlessSignalled(waiting, [&] {
      return client->Acquire(arguments.words[0],
                             {.timeout = absl::InfiniteDuration(), .ttl = absl::Seconds(ttl_)});
    });
    if (!lock.ok()) return lock.status();
    const std::vector<std::string> program(arguments.words.begin() + 1, arguments.words.end());
    return program.empty() ? Hold(session, waiting, *lock) : RunUnder(waiting, *lock, program);
  }

 private:
  static absl::Status Hold(Session& session, Waiting& waiting, kv::Lock& lock) {
    TRIREME_ASSIGN_OR_RETURN(const auto key, ReadKey(session, lock.key()));
    if (key.kvs_size() == 0) return Fail(kError, "lock lost on init");
    TRIREME_RETURN_IF_ERROR(session.Print(session.printer().Get(key)));
    if (!HoldUntilSignal(waiting, lock)) return Fail(kError, "session expired");
    return lock.Release();
  }

  static absl::Status RunUnder(Waiting& waiting, kv::Lock& lock,
                               const std::vector<std::string>& program) {
    TRIREME_ASSIGN_OR_RETURN(
        io::Process process,
        StartProgram(program, {fmt::format("ETCD_LOCK_KEY={}", lock.key()),
                               fmt::format("ETCD_LOCK_REV={}", lock.token().value)}));
    const io::ExitStatus end = Attend(waiting, std::move(process));
    const absl::Status released = lock.Release();
    if (!end.ok()) return Fail(end.signal != 0 ? 255 : end.code, DescribeEnd(end));
    return released;
  }

  std::int64_t ttl_ = 10;
};

class ElectCommand final : public Command {
 public:
  void AddFlags(FlagSet& flags) override {
    flags.Bool("listen", &listen_, "observation mode", 'l');
  }

  absl::Status Run(Session& session, const Arguments& arguments) override {
    if (arguments.words.empty() || arguments.words.size() > 2) {
      return BadArguments(
          "elect takes one election name argument and an optional proposal argument");
    }
    const bool proposes = arguments.words.size() == 2;
    if (!proposes && !listen_) return BadArguments("no proposal argument but -l not set");
    if (proposes && listen_) return BadArguments("proposal given but -l is set");
    Waiting waiting;
    TRIREME_ASSIGN_OR_RETURN(const auto client, ClientOf(session));
    return proposes ? Campaign(session, waiting, *client, arguments.words[0], arguments.words[1])
                    : Observe(session, waiting, *client, arguments.words[0]);
  }

 private:
  static absl::Status Campaign(Session& session, Waiting& waiting, kv::Client& client,
                               const std::string& name, const std::string& value) {
    auto leadership = UnlessSignalled(waiting, [&] {
      return client.Campaign(name, value,
                             {.timeout = absl::InfiniteDuration(), .ttl = kElectionTtl});
    });
    if (!leadership.ok()) return leadership.status();
    TRIREME_ASSIGN_OR_RETURN(const auto key, ReadKey(session, leadership->key()));
    TRIREME_RETURN_IF_ERROR(session.Print(session.printer().Get(key)));
    if (!HoldUntilSignal(waiting, *leadership)) return Fail(kError, "elect: session expired");
    return leadership->Resign();
  }

  static absl::Status Observe(Session& session, Waiting& waiting, kv::Client& client,
                              const std::string& name) {
    TRIREME_ASSIGN_OR_RETURN(kv::LeaderObserver observer, client.Observe(name));
    while (!waiting.Signal()) {
      const auto leader = observer.Next(kSignalCheck);
      if (absl::IsDeadlineExceeded(leader.status())) continue;
      if (!leader.ok()) return leader.status();
      TRIREME_ASSIGN_OR_RETURN(auto shown, ReadKey(session, leader->key));
      if (shown.kvs_size() == 0) continue;  // It has resigned since.
      TRIREME_RETURN_IF_ERROR(session.Print(session.printer().Get(shown)));
    }
    return absl::OkStatus();
  }

  bool listen_ = false;
};

}  // namespace

void AddLockCommands(CommandList* list) {
  list->push_back(Entry<ElectCommand>("elect", "<election-name> [proposal]",
                                      "Observes and participates in leader election"));
  list->push_back(Entry<LockCommand>("lock", "<lockname> [--] [exec-command arg1 arg2 ...]",
                                     "Acquires a named lock"));
}

}  // namespace trireme::kvcli
