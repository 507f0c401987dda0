#pragma once

#include <atomic>

namespace trireme::cli {

/// From now on SIGINT, SIGTERM and SIGHUP are counted instead of ending the process; the third
/// ends it at once. Returns the count.
const std::atomic<int>* CatchInterrupts();

/// As if the user had interrupted: whoever watches the count ends what runs.
void Interrupt();

}  // namespace trireme::cli
