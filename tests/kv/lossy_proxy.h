#pragma once

#include <cstdint>
#include <list>
#include <mutex>
#include <string>
#include <thread>

#include "base/random.h"
#include "io/process.h"

namespace trireme::kv::test {

/// A network of the course's unreliable kind in front of a server on loopback: what a client sends
/// and what it is answered waits a little, and a tenth of either is lost, with the connection it
/// came by. Draws from a seed; which bytes a draw hits is the scheduler's choice.
class LossyProxy {
 public:
  LossyProxy(std::uint16_t target, std::uint64_t seed);
  ~LossyProxy();
  LossyProxy(const LossyProxy&) = delete;
  LossyProxy& operator=(const LossyProxy&) = delete;

  std::string endpoint() const;

 private:
  struct Connection {
    io::Fd client;
    std::thread thread;
  };

  void Accept();
  void Carry(int client);
  /// False: lost, or the connection is over.
  bool Pass(int from, int to);

  const std::uint16_t target_;
  io::Fd listener_;
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  Random random_;                      // Guarded by mutex_.
  bool over_ = false;                  // Guarded by mutex_.
  std::list<Connection> connections_;  // Guarded by mutex_.
  std::thread thread_;
};

}  // namespace trireme::kv::test
