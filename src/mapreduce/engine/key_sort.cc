#include "mapreduce/engine/key_sort.h"

#include <hwy/contrib/sort/vqsort.h>

namespace trireme::mapreduce {

void SortEntries(std::span<SortEntry> entries) {
  static_assert(sizeof(hwy::uint128_t) == sizeof(SortEntry));
  // Sorter holds scratch of its own; one per thread, since making one costs an allocation.
  thread_local hwy::Sorter sorter;
  sorter(reinterpret_cast<hwy::uint128_t*>(entries.data()), entries.size(), hwy::SortAscending());
}

}  // namespace trireme::mapreduce
