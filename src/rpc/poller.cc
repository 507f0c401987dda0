#include "rpc/poller.h"

#include <sys/eventfd.h>

#include <cerrno>
#include <cstring>

#include "base/check.h"
#include "fmt/format.h"

namespace trireme::rpc {

Poller::Poller()
    : epoll_(::epoll_create1(EPOLL_CLOEXEC)), wakeup_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  // Edge-triggered, so that a wake-up need not be read away.
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  TRIREME_CHECK(epoll_.get() >= 0 && wakeup_.get() >= 0 &&
                ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wakeup_.get(), &event) == 0);
}

absl::Status Poller::Watch(Watcher& watcher, int descriptor, std::uint32_t interest) {
  const bool added = watcher.descriptor_ == descriptor;
  if (added && watcher.interest_ == interest) return absl::OkStatus();
  TRIREME_CHECK(added || watcher.descriptor_ < 0);
  epoll_event event{};
  event.events = interest;
  event.data.ptr = &watcher;
  const int operation = added ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  if (::epoll_ctl(epoll_.get(), operation, descriptor, &event) != 0) {
    return absl::ResourceExhaustedError(
        fmt::format("cannot watch a descriptor: {}", std::strerror(errno)));
  }
  watcher.descriptor_ = descriptor;
  watcher.interest_ = interest;
  return absl::OkStatus();
}

void Poller::Unwatch(Watcher& watcher) {
  if (watcher.descriptor_ < 0) return;
  // Closing alone would leave it watched when a forked child holds a copy.
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, watcher.descriptor_, nullptr);
  watcher.descriptor_ = -1;
  for (int i = 0; i < count_; ++i) {
    if (events_[i].data.ptr == &watcher) events_[i].data.ptr = nullptr;
  }
}

void Poller::Wait(int timeout_ms) {
  count_ = ::epoll_wait(epoll_.get(), events_, kEventsMax, timeout_ms);
  TRIREME_CHECK(count_ >= 0 || errno == EINTR);
}

void Poller::Dispatch() {
  for (int i = 0; i < count_; ++i) {
    // Null: the wake-up, or unwatched by one before it.
    auto* watcher = static_cast<Watcher*>(events_[i].data.ptr);
    if (watcher != nullptr) watcher->OnReady(events_[i].events);
  }
  count_ = 0;
}

void Poller::Wake() {
  const std::uint64_t one = 1;
  // Fails only when the counter is full, and then a wake-up is due anyway.
  static_cast<void>(::write(wakeup_.get(), &one, sizeof one) == sizeof one);
}

}  // namespace trireme::rpc
