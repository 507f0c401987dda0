#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "rpc/address.h"

/// Single questions to servers.
namespace trireme::kv::bench {

/// Which of the servers leads: by their word, or, when they have no such call, by the time of a
/// put.
absl::StatusOr<rpc::Address> FindLeader(const std::vector<rpc::Address>& servers);

/// Asks each server until it answers a range: a linearizable one proves a leader.
absl::Status AwaitReady(const std::vector<rpc::Address>& servers, bool linearizable,
                        absl::Duration timeout);

/// Discards all that was overwritten until now, and waits until it is gone from the store.
absl::Status CompactAll(const rpc::Address& server);

/// Milliseconds, median: a put to a process that only answers.
double MeasureClientRoundTrip(std::size_t value_bytes, double seconds);

}  // namespace trireme::kv::bench
