#pragma once

#include <trireme/mapreduce.h>

#include <string_view>

#include "absl/status/statusor.h"
#include "mapreduce/jobs/options.h"

/// One factory for each ready job.
namespace trireme::mapreduce {

/// Internal options, set by PrepareReadyJob.
inline constexpr std::string_view kRecordBytesOption = "record-bytes";  ///< of --format fixed:N
inline constexpr std::string_view kBoundariesOption = "boundaries";     ///< of sort's partitions

inline constexpr std::string_view kReferencesOption = "references";  ///< of sort_by_reference.h
inline constexpr std::string_view kInMemoryOption = "in-memory";     ///< of sort_in_memory.h

inline constexpr std::uint64_t kNgramWordsMax = 64;
/// What join keeps in memory: the left lines of one key.
inline constexpr std::uint64_t kJoinBufferBytesDefault = 256u << 20;

absl::StatusOr<Job> MakeWordCount(const JobOptions& options);
absl::StatusOr<Job> MakeNgrams(const JobOptions& options);
absl::StatusOr<Job> MakeGrep(const JobOptions& options);
absl::StatusOr<Job> MakeSort(const JobOptions& options);
absl::StatusOr<Job> MakeIndex(const JobOptions& options);
absl::StatusOr<Job> MakeJoin(const JobOptions& options);

}  // namespace trireme::mapreduce
