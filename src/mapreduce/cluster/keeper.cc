#include "mapreduce/cluster/keeper.h"

#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <new>
#include <utility>

#include "base/archive.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/clock.h"
#include "mapreduce/cluster/attempt_runner.h"
#include "mapreduce/cluster/slot_process.h"

namespace trireme::mapreduce {
namespace {

/// What a sanitizer keeps beside the memory it watches is not the attempt's.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kSanitizerBytes = 128u << 20;
#else
constexpr std::uint64_t kSanitizerBytes = 0;
#endif

}  // namespace

Keeper::Keeper(const SlotPool::Options& options, std::uint32_t slot, SlotPool::Listener* listener)
    : options_(options),
      slot_(slot),
      listener_(listener),
      progress_fd_(::memfd_create("trireme-progress", MFD_CLOEXEC)),
      outcome_{absl::UnknownError(""), {}} {
  TRIREME_CHECK(progress_fd_ && ::ftruncate(progress_fd_.get(), sizeof(TaskProgress)) == 0);
  void* page = ::mmap(nullptr, sizeof(TaskProgress), PROT_READ | PROT_WRITE, MAP_SHARED,
                      progress_fd_.get(), 0);
  TRIREME_CHECK(page != MAP_FAILED);
  progress_ = new (page) TaskProgress;
}

Keeper::~Keeper() {
  process_.KillAndWait();
  ::munmap(progress_, sizeof(TaskProgress));
}

Keeper::Outcome Keeper::Run(const AttemptSpec& spec, Mailbox* mailbox) {
  spec_ = &spec;
  mailbox_ = mailbox;
  cancelled_ = done_ = over_memory_ = false;
  kill_at_ms_ = 0;
  killed_because_.clear();
  (void)tail_.Take();
  Reset(*progress_);
  absl::Status ready = Prepare(*spec.job);
  if (ready.ok()) ready = SendFrame(socket_.get(), SlotMessage::kRun, Encode(spec));
  if (!ready.ok()) {
    process_.KillAndWait();
    Finish(ready, Failed(ready, {}));
  }
  while (!done_) Watch();
  return std::move(outcome_);
}

absl::Status Keeper::Prepare(const JobSetup& job) {
  // A process that died between attempts shows as a readable socket: it never speaks unasked.
  pollfd idle{socket_.get(), POLLIN, 0};
  const bool dead = process_.running() && ::poll(&idle, 1, 0) != 0;
  if (process_.running() && !dead && job_ == job.id) return absl::OkStatus();
  process_.KillAndWait();
  return Spawn(job);
}

absl::Status Keeper::Spawn(const JobSetup& job) {
  TRIREME_ASSIGN_OR_RETURN(auto sockets, io::MakeSocketPair());
  TRIREME_ASSIGN_OR_RETURN(io::Pipe errors, io::MakePipe());
  TRIREME_RETURN_IF_ERROR(io::SetNonblocking(errors.read.get()));
  const auto* binary = std::get_if<BinaryCode>(&job.code);
  io::SpawnOptions spawn;
  spawn.program = binary != nullptr ? binary->path : options_.slot_program;
  spawn.argv = {fmt::format("trireme-slot-{}", slot_), kSlotArgument};
  spawn.environment = io::CurrentEnvironment();
  spawn.stdout_fd = spawn.stderr_fd = errors.write.get();
  spawn.inherited = {sockets.second.get(), progress_fd_.get()};
  TRIREME_ASSIGN_OR_RETURN(process_, io::Process::Spawn(spawn));
  socket_ = std::move(sockets.first);
  stderr_ = std::move(errors.read);
  frames_ = FrameReader();
  job_ = job.id;
  return SendFrame(socket_.get(), SlotMessage::kSetup,
                   EncodeFields(SlotSetup{Encode(job), options_.memory_bytes,
                                          options_.scratch_directory, options_.s3}));
}

void Keeper::Watch() {
  pollfd fds[3] = {
      {socket_.get(), POLLIN, 0}, {stderr_.get(), POLLIN, 0}, {mailbox_->fd(), POLLIN, 0}};
  ::poll(fds, 3, kMemoryPollMs);
  if (fds[1].revents != 0) ReadStderr();
  if (fds[2].revents != 0) {
    while (std::optional<Word> word = mailbox_->TryPop()) PassOn(*word);
  }
  WatchMemory();
  if (kill_at_ms_ != 0 && io::SteadyMs() >= kill_at_ms_) process_.Kill(SIGKILL);
  if (fds[0].revents != 0) ReadSocket();
}

void Keeper::WatchMemory() {
  const std::int64_t now = io::SteadyMs();
  if (now < memory_looked_ms_ + kMemoryPollMs || !killed_because_.empty()) return;
  memory_looked_ms_ = now;
  const std::uint64_t used = io::PrivateMemoryOfTree(process_.pid());
  // Twice in a row: while it starts a child by vfork, its memory is there twice for a moment.
  const bool over = used > options_.memory_bytes + kSanitizerBytes;
  if (!over || !std::exchange(over_memory_, over)) {
    over_memory_ = over;
    return;
  }
  killed_because_ = fmt::format(
      "the attempt used {} MiB of memory, a slot may use {} MiB: give the job more --memory or "
      "fewer --slots",
      used >> 20, options_.memory_bytes >> 20);
  process_.Kill(SIGKILL);
}

void Keeper::PassOn(const Word& word) {
  absl::Status sent;  // a process that cannot be written to is found dead by reading
  if (std::holds_alternative<CancelWord>(word)) {
    cancelled_ = true;
    if (kill_at_ms_ == 0) kill_at_ms_ = io::SteadyMs() + kCancelPatienceMs;
    sent = SendFrame(socket_.get(), SlotMessage::kCancel, {});
  } else if (std::holds_alternative<CommitWord>(word)) {
    sent = SendFrame(socket_.get(), SlotMessage::kCommit, {});
  } else {
    const auto& provided = std::get<MapWord>(word);
    const absl::Status& status = provided.input.status();
    sent =
        SendFrame(socket_.get(), SlotMessage::kMapInput,
                  EncodeFields(MapInputAnswer{provided.map, static_cast<int>(status.code()),
                                              std::string(status.message()),
                                              provided.input.ok() ? Encode(*provided.input) : ""}));
  }
  sent.IgnoreError();
}

void Keeper::ReadStderr() {
  char buffer[16 << 10];
  for (;;) {
    const ssize_t n = ::read(stderr_.get(), buffer, sizeof buffer);
    if (n <= 0) return;
    tail_.Append({buffer, static_cast<std::size_t>(n)});
  }
}

void Keeper::ReadSocket() {
  if (!frames_.Fill(socket_.get())) return Bury();
  while (std::optional<SlotFrame> frame = frames_.Next()) Handle(*frame);
}

void Keeper::Handle(const SlotFrame& frame) {
  TaskResult result;
  FailedAnswer failed;
  std::uint32_t map = 0;
  switch (frame.type) {
    case SlotMessage::kReadyToCommit:
      if (Decode(frame.payload, &result)) return listener_->OnReadyToCommit(spec_->id, result);
      break;
    case SlotMessage::kSucceeded:
      if (Decode(frame.payload, &result)) return Finish(std::move(result), {});
      break;
    case SlotMessage::kMapNeeded:
      if (DecodeFields(frame.payload, &map)) return listener_->OnMapOutputNeeded(spec_->id, map);
      break;
    case SlotMessage::kStatus:
      return listener_->OnStatus(spec_->id, frame.payload);
    case SlotMessage::kFailed:
      if (DecodeFields(frame.payload, &failed) && failed.code != 0) {
        ReadStderr();
        const absl::Status status(static_cast<absl::StatusCode>(failed.code), failed.message);
        return Finish(status, Failed(status, TaskFailure{failed.lost_map}));
      }
      break;
    default:
      break;
  }
  // User code may have written to descriptors that are not its own.
  killed_because_ = "the attempt's process sent something that is not a message";
  process_.Kill(SIGKILL);
}

/// The process has closed its end: it is dying, or user code closed what is not its own.
void Keeper::Bury() {
  std::optional<io::ExitStatus> exit;
  for (int waited_ms = 0; !(exit = process_.TryWait()) && waited_ms < kCancelPatienceMs;
       ++waited_ms)
    ::poll(nullptr, 0, 1);
  if (!exit) {
    process_.Kill(SIGKILL);
    exit = process_.Wait();
  }
  ReadStderr();
  socket_.Reset();
  const std::string message = !killed_because_.empty()
                                  ? killed_because_
                                  : fmt::format("the attempt's process {}", exit->Describe());
  const absl::Status status =
      cancelled_ ? absl::CancelledError("the attempt was cancelled") : absl::AbortedError(message);
  Finish(status, Failed(status, {}));
}

AttemptFailure Keeper::Failed(const absl::Status& status, const TaskFailure& failure) {
  AttemptFailure described = DescribeFailure(*spec_, status, failure, *progress_);
  described.stderr_tail = tail_.Take();
  return described;
}

void Keeper::Finish(absl::StatusOr<TaskResult> result, AttemptFailure failure) {
  outcome_ = {std::move(result), std::move(failure)};
  done_ = true;
}

}  // namespace trireme::mapreduce
