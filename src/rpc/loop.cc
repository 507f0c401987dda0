#include "rpc/loop.h"

#include <openssl/crypto.h>
#include <unistd.h>

#include <algorithm>

namespace trireme::rpc {

/// The loops whose threads nobody has joined yet. A thread on its way out while the process ends
/// would run its last destructors beside those of the process: exit() waits for it.
class Loop::Unjoined {
 public:
  static Unjoined& Get() {
    static Unjoined* const unjoined = new Unjoined;
    static const AtExit at_exit;
    return *unjoined;
  }

  void Add(std::shared_ptr<Loop> loop) {
    JoinEnded();
    const std::lock_guard lock(mutex_);
    loops_.push_back(std::move(loop));
  }

  void Remove(const Loop* loop) {
    const std::lock_guard lock(mutex_);
    std::erase_if(loops_, [loop](const auto& other) { return other.get() == loop; });
  }

 private:
  /// How long the end of the process waits for a loop whose callbacks do not come back.
  static constexpr std::chrono::seconds kExitWait{2};

  struct AtExit {
    // What is set up before is taken down after: the threads still have something of OpenSSL.
    // Without an option the call returns before anything is set up.
    AtExit() { OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CRYPTO_STRINGS, nullptr); }
    ~AtExit() { Get().EndAll(); }
  };

  /// Those that ended by themselves, so that the list does not grow.
  void JoinEnded() {
    std::vector<std::shared_ptr<Loop>> loops;
    {
      const std::lock_guard lock(mutex_);
      loops = loops_;
    }
    for (const auto& loop : loops) {
      if (loop->ended_.load()) loop->Join();
    }
  }

  void EndAll() {
    if (::getpid() != process_) return;  // A forked child has the list, not the threads.
    std::vector<std::shared_ptr<Loop>> loops;
    {
      const std::lock_guard lock(mutex_);
      loops = loops_;
    }
    for (const auto& loop : loops) loop->EndWithin(kExitWait);
  }

  const ::pid_t process_ = ::getpid();
  std::mutex mutex_;
  std::vector<std::shared_ptr<Loop>> loops_;
};

Loop::Loop() = default;
Loop::~Loop() = default;

std::shared_ptr<Loop> Loop::Create() {
  // The thread and the returned handle share the loop; the handle's end stops the thread. So the
  // last handle may be dropped on the loop's own thread.
  std::shared_ptr<Loop> loop(new Loop);
  loop->thread_ = std::thread([loop] {
    loop->Run();
    loop->ended_ = true;
  });
  Unjoined::Get().Add(loop);
  Loop* raw = loop.get();
  return std::shared_ptr<Loop>(raw, [loop = std::move(loop)](Loop*) { loop->Stop(); });
}

std::shared_ptr<Loop> Loop::Shared() {
  static std::mutex mutex;
  static std::weak_ptr<Loop> shared;
  const std::lock_guard lock(mutex);
  std::shared_ptr<Loop> loop = shared.lock();
  if (loop == nullptr) shared = loop = Create();
  return loop;
}

void Loop::Run() {
  thread_id_ = std::this_thread::get_id();
  int timeout_ms = 0;
  while (PrepareToSleep(&timeout_ms)) {
    poller_.Wait(timeout_ms);
    asleep_ = false;
    poller_.Dispatch();
    RunTimers();
    RunTasks();
    FlushMarked();
  }
}

/// False after Stop.
bool Loop::PrepareToSleep(int* timeout_ms) {
  const std::lock_guard lock(mutex_);
  *timeout_ms = tasks_.empty() ? UntilNextTimerMs() : 0;
  asleep_ = *timeout_ms != 0;
  return !stopped_;
}

/// Rounded up, so that a timer is due when the wait for it is over.
int Loop::UntilNextTimerMs() const {
  constexpr std::chrono::milliseconds kLongest = std::chrono::hours(1);
  if (timers_.empty()) return -1;
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(
      std::clamp<Clock::duration>(timers_.due() - Clock::now(), Clock::duration::zero(), kLongest));
  return static_cast<int>(wait.count());
}

void Loop::Post(absl::AnyInvocable<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
    tasks_.push_back(std::move(task));
  }
  if (asleep_.exchange(false)) poller_.Wake();
}

void Loop::RunTasks() {
  {
    const std::lock_guard lock(mutex_);
    running_.swap(tasks_);
  }
  for (auto& task : running_) task();
  running_.clear();
}

void Loop::Stop() {
  if (RequestStop() && !InThread()) Join();
}

/// False if that has been done.
bool Loop::RequestStop() {
  std::vector<absl::AnyInvocable<void()>> dropped;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(stopped_, true)) return false;
    dropped.swap(tasks_);
  }
  poller_.Wake();
  return true;
}

std::thread Loop::TakeThread() {
  const std::lock_guard lock(mutex_);
  return std::move(thread_);
}

void Loop::Join() {
  if (std::thread thread = TakeThread(); thread.joinable()) thread.join();
  Unjoined::Get().Remove(this);
}

void Loop::EndWithin(std::chrono::milliseconds limit) {
  RequestStop();
  const auto until = Clock::now() + limit;
  while (!ended_ && !InThread() && Clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (ended_) return Join();
  if (std::thread thread = TakeThread(); thread.joinable()) thread.detach();
}

void Loop::RunTimers() {
  if (timers_.empty()) return;
  const Clock::time_point now = Clock::now();
  while (!timers_.empty() && timers_.due() <= now) {
    Timer& timer = timers_.first();
    Disarm(timer);
    timer.OnTimer();
  }
}

void Loop::Mark(Flushable& flushable) {
  if (flushable.marked_) return;
  flushable.marked_ = true;
  marked_.push_back(&flushable);
}

void Loop::Unmark(Flushable& flushable) {
  if (!flushable.marked_) return;
  flushable.marked_ = false;
  std::replace(marked_.begin(), marked_.end(), &flushable, static_cast<Flushable*>(nullptr));
}

void Loop::FlushMarked() {
  for (std::size_t i = 0; i < marked_.size(); ++i) {
    Flushable* flushable = marked_[i];  // Flushing may mark others.
    if (flushable == nullptr) continue;
    flushable->marked_ = false;
    marked_[i] = nullptr;
    flushable->Flush();
  }
  marked_.clear();
}

}  // namespace trireme::rpc
