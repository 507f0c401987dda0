#pragma once

#include <trireme/mapreduce.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "mapreduce/engine/input.h"
#include "mapreduce/jobs/mapped_records.h"

/// Sorting fixed-length records without moving them: the intermediate records hold 16 key bytes and
/// the record's number, and the reduces gather the records from the mapped input. Half the memory
/// traffic of carrying them along, as long as the input stays in the page cache.
namespace trireme::mapreduce {

/// Whether sorting these records by reference pays: long ones, uncompressed, in an input that is
/// small beside this machine's memory.
bool PaysByReference(const std::vector<Split>& splits, std::uint32_t record_bytes);

/// The files of `splits`, of which every byte belongs to a record.
std::vector<ReferencedFile> ReferencedFiles(const std::vector<Split>& splits,
                                            std::uint32_t record_bytes);

/// Files as a parameter's value, and back.
std::string EncodeReferences(const std::vector<ReferencedFile>& files);
[[nodiscard]] absl::StatusOr<std::vector<ReferencedFile>> DecodeReferences(std::string_view text);

/// The mapper and reducer. `partitioner` is asked with whole keys. The input must not shrink while
/// the job runs.
Job SortByReference(std::vector<ReferencedFile> files, std::size_t record_bytes,
                    std::size_t key_bytes, Factory<Partitioner> partitioner);

}  // namespace trireme::mapreduce
