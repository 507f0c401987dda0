#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/file_system.h"

namespace trireme::mapreduce {

/// Which leader an output directory belongs to, where coordinators take over from one another: a
/// file in the job's temporary folder names the job and the fence of its leader. A leader that was
/// deposed and does not know finds a greater one there, or nothing, and keeps its hands off.
class OutputOwner {
 public:
  /// `job` is never given to two jobs; fences grow from leader to leader. `leads` says whether the
  /// caller still does, by its own clock.
  OutputOwner(std::uint64_t job, std::int64_t fence, std::function<bool()> leads)
      : job_(job), fence_(fence), leads_(std::move(leads)) {}

  /// Whether the folder is this job's, of whichever leader.
  bool IsOfThisJob(io::FileSystem& files, const std::string& folder) const;
  /// Makes it this leader's. CANCELLED: it is a later one's, or another job's.
  [[nodiscard]] absl::Status Claim(io::FileSystem& files, const std::string& folder) const;
  /// CANCELLED: it is not this leader's any more. Before each step that could do harm.
  [[nodiscard]] absl::Status Check(io::FileSystem& files, const std::string& folder) const;
  /// CANCELLED: this one does not lead.
  [[nodiscard]] absl::Status CheckLeads() const;

 private:
  struct Mark {
    std::uint64_t job = 0;
    std::int64_t fence = 0;
  };
  static absl::StatusOr<std::optional<Mark>> Read(io::FileSystem& files, const std::string& folder);

  std::uint64_t job_;
  std::int64_t fence_;
  std::function<bool()> leads_;
};

}  // namespace trireme::mapreduce
