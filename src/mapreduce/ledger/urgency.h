#pragma once

#include <cstdint>

namespace trireme::mapreduce::ledger {

/// Of a batch; ascending.
enum class Urgency : std::uint8_t {
  kCanWait,    ///< Nobody waits for it: for lazy_intervals, together with others.
  kNextWrite,  ///< Somebody waits: as soon as write_interval_ms allows.
  kAtOnce,     ///< A phase changed.
};

}  // namespace trireme::mapreduce::ledger
