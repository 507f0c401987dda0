#include "io/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "io/process.h"

namespace trireme::io {
namespace {

/// systemd's end, in the abstract space of names.
class Listener {
 public:
  Listener() : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    name_.copy(address.sun_path + 1, name_.size() - 1, 1);
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name_.size());
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  }
  const std::string& name() const { return name_; }
  /// What has been said and not been heard yet; empty: nothing.
  std::string Hear() {
    char text[256];
    const ssize_t got = ::recv(fd_.get(), text, sizeof text, 0);
    return got < 0 ? "" : std::string(text, static_cast<std::size_t>(got));
  }

 private:
  const std::string name_ = "@trireme-test-" + std::to_string(::getpid());
  Fd fd_;
};

TEST(ServiceManagerTest, TellsWhoAsked) {
  Listener systemd;
  ::setenv("NOTIFY_SOCKET", systemd.name().c_str(), 1);
  ServiceManager manager = ServiceManager::FromEnvironment();
  EXPECT_EQ(std::getenv("NOTIFY_SOCKET"), nullptr) << "a child would inherit it";
  manager.Ready("serving on 1");
  EXPECT_EQ(systemd.Hear(), "READY=1\nSTATUS=serving on 1");
  manager.Alive();
  EXPECT_EQ(systemd.Hear(), "") << "there is no watchdog";
  manager.Stopping();
  EXPECT_EQ(systemd.Hear(), "STOPPING=1\nSTATUS=stopping");
}

TEST(ServiceManagerTest, TellsAWatchdogTwiceInItsTime) {
  Listener systemd;
  ::setenv("NOTIFY_SOCKET", systemd.name().c_str(), 1);
  ::setenv("WATCHDOG_USEC", "100000", 1);
  ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
  ServiceManager manager = ServiceManager::FromEnvironment();
  EXPECT_EQ(manager.watchdog(), std::chrono::milliseconds(100));
  EXPECT_EQ(std::getenv("WATCHDOG_USEC"), nullptr);
  const auto began = std::chrono::steady_clock::now();
  manager.Alive();
  EXPECT_EQ(systemd.Hear(), "WATCHDOG=1");
  while (systemd.Hear().empty()) manager.Alive();
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(50));
}

TEST(ServiceManagerTest, AWatchdogOfAnotherProcessIsNotOurs) {
  ::setenv("WATCHDOG_USEC", "1000", 1);
  ::setenv("WATCHDOG_PID", "1", 1);
  EXPECT_EQ(ServiceManager::FromEnvironment().watchdog().count(), 0);
}

TEST(ServiceManagerTest, WithoutSystemdNothingHappens) {
  ::setenv("NOTIFY_SOCKET", "somewhere", 1);  // neither a path nor a name
  ServiceManager manager = ServiceManager::FromEnvironment();
  manager.Ready("");
  ::setenv("NOTIFY_SOCKET", ("/" + std::string(200, 'x')).c_str(), 1);
  manager = ServiceManager::FromEnvironment();
  manager.Ready("");
  EXPECT_EQ(manager.watchdog().count(), 0);
}

}  // namespace
}  // namespace trireme::io
