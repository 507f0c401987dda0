#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace trireme::io {

/// What systemd is told by a service of Type=notify (sd_notify(3)): a datagram for each word. When
/// nobody asked, nothing is said. One thread at a time.
class ServiceManager {
 public:
  /// Takes $NOTIFY_SOCKET and $WATCHDOG_USEC out of the environment, so that no child process
  /// speaks for this one. Before any thread is started.
  static ServiceManager FromEnvironment();
  /// Nobody to tell.
  ServiceManager() = default;

  /// The service serves now; `status` is a line for `systemctl status`.
  void Ready(std::string_view status);
  /// The service is on its way to its end.
  void Stopping();
  /// All is well. May be called as often as one likes: said twice in each interval that systemd
  /// waits for it, and never when there is no watchdog.
  void Alive();

  /// How long systemd waits for Alive; zero: for ever.
  std::chrono::microseconds watchdog() const { return watchdog_; }

 private:
  void Tell(std::string_view words);

  std::string socket_;  ///< a path, or a name in the abstract space after '@'; empty: nobody
  std::chrono::microseconds watchdog_{0};
  std::chrono::steady_clock::time_point next_alive_{};
};

}  // namespace trireme::io
