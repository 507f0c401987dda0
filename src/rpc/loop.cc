#include "rpc/loop.h"

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

namespace trireme::rpc {
namespace {

/// Handlers run after Stop; two for each connection that was just closed are enough.
constexpr int kLastHandlersMax = 1 << 20;

}  // namespace

Loop::Loop() = default;
Loop::~Loop() = default;

std::shared_ptr<Loop> Loop::Create() {
  // The thread and the returned handle share the loop; the handle's end stops the thread. So the
  // last handle may be dropped on the loop's own thread.
  std::shared_ptr<Loop> loop(new Loop);
  loop->thread_ = std::thread([loop] {
    loop->thread_id_ = std::this_thread::get_id();
    auto work = boost::asio::make_work_guard(loop->context_);
    loop->context_.run();
    // Connections closed last are held by their cancelled waits, and hold this loop in turn.
    loop->context_.restart();
    for (int i = 0; i < kLastHandlersMax && loop->context_.poll_one() > 0; ++i) {
    }
  });
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

void Loop::Post(absl::AnyInvocable<void()> task) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
    wake = tasks_.empty();
    tasks_.push_back(std::move(task));
  }
  if (wake) boost::asio::post(context_, [this] { RunTasks(); });
}

void Loop::RunTasks() {
  {
    const std::lock_guard lock(mutex_);
    running_.swap(tasks_);
  }
  Turn([this] {
    for (auto& task : running_) task();
    running_.clear();
  });
}

void Loop::Stop() {
  std::vector<absl::AnyInvocable<void()>> dropped;
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
    stopped_ = true;
    dropped.swap(tasks_);
  }
  context_.stop();
  if (InThread()) {
    thread_.detach();
  } else {
    thread_.join();
  }
}

void Loop::Arm(Timer& timer, Clock::time_point due) {
  Disarm(timer);
  timer.due_ = due;
  timer.armed_ = true;
  timers_.emplace(due, &timer);
  if (depth_ == 0) SetAlarm();
}

void Loop::Disarm(Timer& timer) {
  if (!timer.armed_) return;
  timer.armed_ = false;
  timers_.erase({timer.due_, &timer});
}

void Loop::SetAlarm() {
  if (timers_.empty() || timers_.begin()->first >= alarm_due_) return;
  alarm_due_ = timers_.begin()->first;
  alarm_.expires_at(alarm_due_);
  alarm_.async_wait([this](const boost::system::error_code& error) {
    if (!error) OnAlarm();
  });
}

void Loop::OnAlarm() {
  alarm_due_ = Clock::time_point::max();
  const Clock::time_point now = Clock::now();
  Turn([&] {
    while (!timers_.empty() && timers_.begin()->first <= now) {
      Timer* timer = timers_.begin()->second;
      Disarm(*timer);
      timer->OnTimer();
    }
  });
}

void Loop::Mark(Flushable& flushable) {
  if (flushable.marked_) return;
  flushable.marked_ = true;
  marked_.push_back(&flushable);
  if (depth_ == 0) Post([] {});  // A turn that flushes it.
}

void Loop::Unmark(Flushable& flushable) {
  if (!flushable.marked_) return;
  flushable.marked_ = false;
  std::replace(marked_.begin(), marked_.end(), &flushable, static_cast<Flushable*>(nullptr));
}

void Loop::EndTurn() {
  depth_ = 1;  // Flushing may mark again; it must not begin a nested end.
  for (std::size_t i = 0; i < marked_.size(); ++i) {
    Flushable* flushable = marked_[i];
    if (flushable == nullptr) continue;
    flushable->marked_ = false;
    marked_[i] = nullptr;
    flushable->Flush();
  }
  marked_.clear();
  depth_ = 0;
  SetAlarm();
}

}  // namespace trireme::rpc
