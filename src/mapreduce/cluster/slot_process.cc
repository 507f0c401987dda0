#include "mapreduce/cluster/slot_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>

#include "base/archive.h"
#include "base/check.h"
#include "io/process.h"
#include "mapreduce/cluster/keeper.h"
#include "mapreduce/cluster/mailbox_host.h"
#include "mapreduce/cluster/slot_pool.h"
#include "mapreduce/cluster/slot_wire.h"
#include "mapreduce/fs/files.h"

namespace trireme::mapreduce {
namespace {

constexpr int kSocket = io::kFirstInheritedFd;
constexpr int kProgressFd = io::kFirstInheritedFd + 1;

/// The host of the attempt in hand: questions become frames.
class WireHost final : public MailboxHost {
 public:
  using MailboxHost::MailboxHost;
  void OnStatus(std::string_view text) override { Send(SlotMessage::kStatus, text); }
  void OnStderr(std::string_view bytes) override { (void)!::write(2, bytes.data(), bytes.size()); }

  static void Send(SlotMessage type, std::string_view payload) {
    // Without a keeper there is nobody to work for.
    if (!SendFrame(kSocket, type, payload).ok()) ::_exit(1);
  }

 private:
  void AskCommit(const TaskResult& result) override {
    Send(SlotMessage::kReadyToCommit, Encode(result));
  }
  void AskMapOutput(std::uint32_t map) override {
    Send(SlotMessage::kMapNeeded, EncodeFields(map));
  }
};

/// The process: a thread that listens to the keeper, and the main thread that runs attempts.
class SlotServer {
 public:
  [[noreturn]] void Run() {
    void* page =
        ::mmap(nullptr, sizeof(TaskProgress), PROT_READ | PROT_WRITE, MAP_SHARED, kProgressFd, 0);
    TRIREME_CHECK(page != MAP_FAILED);
    control_.progress = static_cast<TaskProgress*>(page);
    std::thread([this] { Listen(); }).detach();
    for (;;) RunOne(TakeRun());
  }

 private:
  [[noreturn]] void Listen() {
    FrameReader reader;
    while (reader.Fill(kSocket)) {
      while (std::optional<SlotFrame> frame = reader.Next()) Handle(*frame);
    }
    ::_exit(0);  // the keeper is gone, or wants no more
  }

  void Handle(const SlotFrame& frame) {
    switch (frame.type) {
      case SlotMessage::kSetup:
      case SlotMessage::kRun: {
        const std::lock_guard lock(mutex_);
        if (frame.type == SlotMessage::kSetup) {
          setup_ = frame.payload;
        } else {
          control_.cancelled.store(false);
          mailbox_.Clear();
          runs_.push_back(frame.payload);
        }
        arrived_.notify_one();
        return;
      }
      case SlotMessage::kCancel:
        control_.cancelled.store(true);
        return mailbox_.Push(CancelWord{});
      case SlotMessage::kCommit:
        return mailbox_.Push(CommitWord{});
      case SlotMessage::kMapInput:
        return HandleMapInput(frame.payload);
      default:
        ::_exit(1);
    }
  }

  void HandleMapInput(std::string_view payload) {
    MapInputAnswer answer;
    MapInput input;
    if (!DecodeFields(payload, &answer) || (answer.code == 0 && !Decode(answer.input, &input)))
      ::_exit(1);
    if (answer.code == 0) return mailbox_.Push(MapWord{answer.map, std::move(input)});
    mailbox_.Push(MapWord{
        answer.map, absl::Status(static_cast<absl::StatusCode>(answer.code), answer.message)});
  }

  std::string TakeRun() {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [this] { return !runs_.empty(); });
    std::string run = std::move(runs_.front());
    runs_.pop_front();
    return run;
  }

  void RunOne(const std::string& encoded) {
    AttemptSpec spec;
    if (!Decode(encoded, &spec)) ::_exit(1);
    const absl::Status loaded = Load();
    AttemptOutcome outcome{absl::UnknownError(""), {}};
    if (!loaded.ok()) {
      outcome.result = loaded;
    } else {
      spec.job = job_;
      WireHost host(&mailbox_);
      const MemoryShare share = ShareMemory(limits_.memory_bytes, *job_);
      const TaskEnvironment environment{
          files_.get(), share.engine_bytes, {}, &memory_, SlotFiles(1)};
      outcome = RunAttempt(*code_, spec, environment, limits_.scratch_directory,
                           share.command_bytes, &control_, host);
    }
    Report(outcome);
  }

  void Report(const AttemptOutcome& outcome) {
    if (outcome.result.ok())
      return WireHost::Send(SlotMessage::kSucceeded, Encode(*outcome.result));
    const absl::Status& status = outcome.result.status();
    WireHost::Send(SlotMessage::kFailed, EncodeFields(FailedAnswer{static_cast<int>(status.code()),
                                                                   std::string(status.message()),
                                                                   outcome.failure.lost_map}));
  }

  absl::Status Load() {
    if (code_) return absl::OkStatus();
    const std::lock_guard lock(mutex_);
    auto job = std::make_shared<JobSetup>();
    if (!DecodeFields(setup_, &limits_) || !Decode(limits_.job, job.get())) ::_exit(1);
    auto code = LoadJob(job->code, job->settings.parameters);
    if (!code.ok()) return code.status();
    files_ = std::make_unique<Files>(limits_.s3);
    code_.emplace(*std::move(code));
    job_ = std::move(job);
    return absl::OkStatus();
  }

  TaskControl control_;
  Mailbox mailbox_;
  std::unique_ptr<Files> files_;  // once set up
  CollectorMemory memory_;
  SlotSetup limits_;
  std::shared_ptr<const JobSetup> job_;
  std::optional<LoadedJob> code_;

  std::mutex mutex_;
  std::condition_variable arrived_;
  std::string setup_;
  std::deque<std::string> runs_;
};

}  // namespace

void MaybeRunSlotProcess(int argc, char** argv) {
  if (argc != 2 || std::strcmp(argv[1], kSlotArgument) != 0) return;
  for (int fd : {kSocket, kProgressFd}) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  const rlimit no_core{0, 0};  // a crash on a record is reported, not dumped
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::signal(SIGXFSZ, SIG_IGN);  // a limit on file sizes is an error of the write
  ::signal(SIGPIPE, SIG_IGN);
  static SlotServer server;  // never destroyed: a thread listens for as long as the process lives
  server.Run();
}

}  // namespace trireme::mapreduce
