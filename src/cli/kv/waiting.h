#pragma once

#include <optional>

#include "io/process.h"

namespace trireme::kvcli {

/// Waits for SIGINT and SIGTERM, which from its construction on end nothing by themselves (in
/// threads made later), and for other threads. Made before the threads of a client are.
class Waiting {
 public:
  Waiting();
  Waiting(const Waiting&) = delete;

  /// Ends the present or the next Wait. From any thread.
  void Wake();

  struct Event {
    int signal = 0;      ///< What came, if one did.
    bool woken = false;  ///< By Wake.
    bool fd = false;     ///< `fd` can be read.
  };
  Event Wait(int fd = -1);
  /// A signal that has come already.
  std::optional<int> Signal();

 private:
  io::Fd signals_, wakes_;
};

}  // namespace trireme::kvcli
