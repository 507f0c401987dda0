#pragma once

#include <trireme/mapreduce.h>

#include <cstdint>
#include <vector>

#include "mapreduce/jobs/mapped_records.h"

/// Sorting by reference, for inputs whose references fit into the memory of one slot all at once,
/// however the keys spread: the maps only deal the references out, and each reduce sorts its own in
/// one go. That leaves out what the engine would do with each of them as a record: encode it, sort
/// it in the map, merge and decode it in the reduce.
namespace trireme::mapreduce {

/// Whether it can be done for so many records with so much memory for a slot (0: unknown).
bool FitsInMemory(const std::vector<ReferencedFile>& files, std::uint64_t slot_memory_bytes);

/// The mapper and reducer. `partitioner` is asked with whole keys. The input must not shrink while
/// the job runs. Intermediate records are batches of references, and counters count them as such.
Job SortInMemory(std::vector<ReferencedFile> files, std::size_t record_bytes, std::size_t key_bytes,
                 Factory<Partitioner> partitioner);

}  // namespace trireme::mapreduce
