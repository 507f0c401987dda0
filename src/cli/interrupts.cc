#include "cli/interrupts.h"

#include <signal.h>
#include <unistd.h>

#include "cli/run_command.h"

namespace trireme::cli {
namespace {
std::atomic<int> interrupts{0};
}

const std::atomic<int>* CatchInterrupts() {
  struct sigaction action = {};
  action.sa_handler = [](int) {
    if (interrupts.fetch_add(1) >= 2) ::_exit(kInterrupted);
  };
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(signal, &action, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);  // a limit on file sizes is an error of the write
  return &interrupts;
}

void Interrupt() {
  interrupts.fetch_add(1);
}

}  // namespace trireme::cli
