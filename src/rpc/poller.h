#pragma once

#include <sys/epoll.h>

#include <cstdint>

#include "absl/status/status.h"
#include "rpc/descriptor.h"

namespace trireme::rpc {

/// Which descriptors are ready: epoll, level-triggered. A descriptor that is watched costs a system
/// call when its interest changes and none when it is found ready. On one thread, but for Wake.
class Poller {
 public:
  /// Who waits for a descriptor; it stops watching before it dies or closes the descriptor.
  class Watcher {
   public:
    virtual ~Watcher() = default;
    /// `events` is a set of EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR; the last two come unasked for.
    virtual void OnReady(std::uint32_t events) = 0;

   private:
    friend class Poller;
    int descriptor_ = -1;
    std::uint32_t interest_ = 0;
  };

  Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  /// Watches `descriptor` for `interest`, a set of EPOLLIN and EPOLLOUT. Free when nothing changes.
  /// RESOURCE_EXHAUSTED: the system watches no more.
  absl::Status Watch(Watcher& watcher, int descriptor, std::uint32_t interest);
  /// OnReady is not called any more. Nothing when it watches nothing.
  void Unwatch(Watcher& watcher);

  /// Sleeps until something is ready, Wake is called or `timeout_ms` have passed (negative: never).
  void Wait(int timeout_ms);
  /// Calls the watchers of what Wait found ready.
  void Dispatch();
  /// Thread-safe. Ends the Wait that runs, or the next one.
  void Wake();

 private:
  /// Descriptors reported by one Wait.
  static constexpr int kEventsMax = 64;

  OwnedDescriptor epoll_;
  OwnedDescriptor wakeup_;
  epoll_event events_[kEventsMax];
  int count_ = 0;  // Of events_, from Wait until Dispatch.
};

}  // namespace trireme::rpc
