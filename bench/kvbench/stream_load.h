#pragma once

#include <cstdint>
#include <memory>

#include "kvbench/load.h"

namespace trireme::kv::bench {

struct WatchOptions {
  std::uint64_t watchers = 1000;  ///< Spread over one stream for each connection.
  std::uint64_t keys = 1;         ///< The i-th watcher watches the key i modulo this.
  std::uint64_t clients = 1;      ///< That put. The next put waits for the last one's deliveries.
  std::size_t value_bytes = 256;
};

/// What is recorded are deliveries: from the sending of the put to the event at a watcher. The
/// connections must have one io thread.
std::unique_ptr<Load> MakeWatchLoad(Connections& connections, const WatchOptions& options);

/// Keep-alives of so many leases, granted before, over one stream for each connection; so many
/// clients with one under way each. The connections must have one io thread.
std::unique_ptr<Load> MakeLeaseLoad(Connections& connections, std::uint64_t leases,
                                    std::uint64_t clients);

}  // namespace trireme::kv::bench
