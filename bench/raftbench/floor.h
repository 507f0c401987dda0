#pragma once

#include <cstddef>
#include <string>

namespace trireme::raft::bench {

/// What three processes get from the disk that write the same bytes at the same time, each with
/// one fdatasync per batch to a file that was written before, and nothing else.
struct DiskFloor {
  double second_of_three_ms = 0;  ///< Median of the second fastest of three that begin together.
  double entries_per_second = 0;  ///< Of the second fastest process, all three going on and on.
  double syncs_per_second = 0;
};

DiskFloor MeasureDiskFloor(const std::string& directory, std::size_t batch_entries,
                           std::size_t entry_bytes, double seconds);

/// Milliseconds, median: a frame of so many bytes to another process by TcpTransport, and an empty
/// answer back.
double MeasureRoundTrip(std::size_t bytes, double seconds);

}  // namespace trireme::raft::bench
