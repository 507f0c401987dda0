#include <cstdio>
#include <cstdlib>
#include <deque>
#include <iostream>
#include <memory>
#include <mutex>
#include <thread>

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "cli/kv/command.h"
#include "cli/kv/failure.h"
#include "cli/kv/go_text.h"
#include "cli/kv/program.h"
#include "cli/kv/txn_parser.h"
#include "cli/kv/watch_words.h"
#include "etcd/rpc.trireme.h"
#include "fmt/format.h"
#include "fmt/ranges.h"

namespace trireme::kvcli {
namespace {

using etcdserverpb::WatchRequest;
using etcdserverpb::WatchResponse;
using Stream = rpc::ClientStream<WatchRequest, WatchResponse>;

void Complain(const std::string& text) {
  std::fputs(text.c_str(), stderr);
}

/// One watch and what is done with its events, resumed on another member when its stream breaks:
/// no event is shown twice or left out. Run is for one thread, the others are for any.
class WatchRun {
 public:
  WatchRun(Session& session, Connection& cluster, std::mutex& output, WatchWords words)
      : session_(session), cluster_(cluster), output_(output), words_(std::move(words)) {}

  /// Returns when the watch is over: cancelled by the server or by Stop.
  absl::Status Run() {
    const absl::Time first_by = absl::Now() + session_.options().command_timeout;
    std::size_t member = 0;
    while (true) {
      const absl::Status status = RunOn(cluster_.channel(member++ % cluster_.endpoints().size()));
      if (stopped() || ended_) return status;
      if (!accepted_ && absl::Now() > first_by) return status;
      absl::SleepFor(kRoundWait);
    }
  }

  void AskProgress() {
    const std::lock_guard lock(mutex_);
    WatchRequest request;
    request.mutable_progress_request();
    if (stream_ != nullptr && accepted_) (void)stream_->Write(request).ok();
  }

  void Stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    if (stream_ != nullptr) stream_->Cancel();
  }

 private:
  absl::Status RunOn(const std::shared_ptr<rpc::Channel>& channel) {
    Stream stream = etcdserverpb::WatchStub(channel).Watch({.metadata = {{"hasleader", "true"}}});
    {
      const std::lock_guard lock(mutex_);
      if (stopped_) return absl::CancelledError("stopped");
      stream_ = &stream;
    }
    WatchRequest request;
    *request.mutable_create_request() = words_.request;
    (void)stream.Write(request).ok();  // Why it failed shows in Finish.
    absl::Status status;
    WatchResponse reply;
    while (status.ok() && !ended_ && stream.Read(&reply)) status = OnReply(reply);
    {
      const std::lock_guard lock(mutex_);
      stream_ = nullptr;
    }
    if (!status.ok() || ended_) {
      ended_ = true;
      return status;
    }
    return stream.Finish();
  }

  absl::Status OnReply(const WatchResponse& reply) {
    if (reply.canceled()) return OnCancelled(reply);
    auto& from = words_.request;
    if (reply.created()) {
      const std::lock_guard lock(mutex_);
      accepted_ = true;
      if (from.start_revision() == 0) from.set_start_revision(reply.header().revision() + 1);
      return absl::OkStatus();
    }
    TRIREME_RETURN_IF_ERROR(Show(reply));
    // Revisions come whole, fragments being what this watch does not ask for.
    from.set_start_revision(reply.events().empty()
                                ? reply.header().revision() + 1
                                : reply.events().rbegin()->kv().mod_revision() + 1);
    return absl::OkStatus();
  }

  absl::Status OnCancelled(const WatchResponse& reply) {
    const std::string why =
        reply.compact_revision() != 0   ? "etcdserver: mvcc: required revision has been compacted"
        : reply.cancel_reason().empty() ? "etcdserver: mvcc: required revision is a future revision"
                                        : reply.cancel_reason();
    Complain(fmt::format("watch was canceled ({})\n", why));
    ended_ = true;
    WatchResponse shown = reply;
    shown.clear_created();
    return Show(shown);
  }

  absl::Status Show(const WatchResponse& reply) {
    const std::lock_guard lock(output_);
    if (reply.events().empty() && !reply.canceled()) {
      TRIREME_RETURN_IF_ERROR(
          session_.Print(fmt::format("progress notify: {}\n", reply.header().revision())));
    }
    TRIREME_RETURN_IF_ERROR(session_.Print(session_.printer().Watch(reply)));
    if (words_.program.empty()) return absl::OkStatus();
    for (const mvccpb::Event& event : reply.events())
      TRIREME_RETURN_IF_ERROR(RunProgram(reply.header().revision(), event));
    return absl::OkStatus();
  }

  absl::Status RunProgram(std::int64_t revision, const mvccpb::Event& event) const {
    auto process = StartProgram(
        words_.program,
        {fmt::format("ETCD_WATCH_REVISION={}", revision),
         fmt::format("ETCD_WATCH_EVENT_TYPE=\"{}\"", mvccpb::Event::EventType_Name(event.type())),
         fmt::format("ETCD_WATCH_KEY={}", Quote(event.kv().key())),
         fmt::format("ETCD_WATCH_VALUE={}", Quote(event.kv().value()))});
    std::string why;
    if (!process.ok()) {
      why = std::string(process.status().message());
    } else {
      const io::ExitStatus end = process->Wait();
      if (end.ok()) return absl::OkStatus();
      why = DescribeEnd(end);
    }
    std::vector<std::string> words;
    for (const std::string& word : words_.program) words.push_back(Quote(word));
    Complain(fmt::format("command [{}] error ({})\n", fmt::join(words, " "), why));
    return Fail(kError, "");
  }

  bool stopped() {
    const std::lock_guard lock(mutex_);
    return stopped_;
  }

  Session& session_;
  Connection& cluster_;
  std::mutex& output_;
  WatchWords words_;
  bool ended_ = false;
  std::mutex mutex_;
  bool accepted_ = false;     // Guarded by mutex_, written by Run's thread alone.
  bool stopped_ = false;      // Guarded by mutex_.
  Stream* stream_ = nullptr;  // Guarded by mutex_.
};

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

class WatchCommand final : public Command {
 public:
  void AddFlags(FlagSet& flags) override {
    flags.Bool("interactive", &interactive_, "Interactive mode", 'i');
    words_.AddFlags(flags);
  }

  absl::Status Run(Session& session, const Arguments& arguments) override {
    if (key_.empty() && !end_.empty()) {
      return BadArguments(fmt::format(
          "ETCDCTL_WATCH_KEY is empty but got ETCDCTL_WATCH_RANGE_END={}", Quote(end_)));
    }
    TRIREME_RETURN_IF_ERROR(session.printer().Watch({}).status());
    if (interactive_) return Interactive(session);
    TRIREME_RETURN_IF_ERROR(words_.Read(arguments.words, arguments.before_dashes, key_, end_));
    TRIREME_ASSIGN_OR_RETURN(Connection * cluster, session.connection());
    TRIREME_RETURN_IF_ERROR(WatchRun(session, *cluster, output_, words_).Run());
    return Fail(kInterrupted, "watch is canceled by the server");
  }

 private:
  struct Running {
    std::unique_ptr<WatchRun> run;
    std::thread thread;
  };

  absl::Status Interactive(Session& session) {
    TRIREME_ASSIGN_OR_RETURN(Connection * cluster, session.connection());
    const absl::Status status = ReadLines(session, *cluster);
    for (Running& one : running_) one.run->Stop();
    for (Running& one : running_) one.thread.join();
    return status;
  }

  absl::Status ReadLines(Session& session, Connection& cluster) {
    std::string line;
    while (std::getline(std::cin, line) && !std::cin.eof()) {
      TRIREME_ASSIGN_OR_RETURN(const std::vector<std::string> words, SplitWords(line));
      if (words.empty()) {
        Complain(fmt::format("Invalid command: {} (watch and progress supported)\n", line));
      } else if (words[0] == "progress") {
        for (Running& one : running_) one.run->AskProgress();
      } else if (words[0] != "watch") {
        Complain(fmt::format("Invalid command {} (only support watch)\n", line));
      } else if (words.size() < 2 && key_.empty()) {
        Complain(fmt::format("Invalid command {} (command type or key is not provided)\n", line));
      } else {
        TRIREME_RETURN_IF_ERROR(Start(session, cluster, {words.begin() + 1, words.end()}));
      }
    }
    return Fail(kInvalidInput, "Error reading watch request line: EOF");
  }

  absl::Status Start(Session& session, Connection& cluster, const std::vector<std::string>& words) {
    WatchWords watch;
    FlagSet flags;
    watch.AddFlags(flags);
    const auto rest = flags.Parse(words);
    if (!rest.ok()) return BadArguments(std::string(rest.status().message()));
    TRIREME_RETURN_IF_ERROR(watch.Read(*rest, flags.before_dashes(), key_, end_));
    auto run = std::make_unique<WatchRun>(session, cluster, output_, std::move(watch));
    WatchRun* raw = run.get();
    running_.push_back({std::move(run), std::thread([raw] {
                          const absl::Status status = raw->Run();
                          // A program that failed ends all, as in etcdctl.
                          if (ExitCodeOf(status) == kError && status.message().empty() &&
                              !status.ok())
                            std::_Exit(kError);
                        })});
    return absl::OkStatus();
  }

  const std::string key_ = Variable("ETCDCTL_WATCH_KEY");
  const std::string end_ = Variable("ETCDCTL_WATCH_RANGE_END");
  bool interactive_ = false;
  WatchWords words_;
  std::mutex output_;
  std::deque<Running> running_;
};

}  // namespace

void AddWatchCommand(CommandList* list) {
  list->push_back(Entry<WatchCommand>(
      "watch", "[options] [key or prefix] [range_end] [--] [exec-command arg1 arg2 ...]",
      "Watches events stream on keys or prefixes"));
}

}  // namespace trireme::kvcli
