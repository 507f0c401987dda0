#pragma once

#include <cstdint>

#include "base/check.h"
#include "kv/model/model.h"
#include "kv/model/test_requests.h"

namespace trireme::kv::test {

/// Applies the next command of a model's life, which is a function of the state alone: whoever
/// begins with nothing and applies as many is in the same state.
inline void ApplyNext(Model& model) {
  const std::uint64_t index = model.applied_index() + 1;
  RandomRequests requests(index);
  Command command = requests.Any(model.meta().revision, model.meta().compacted);
  command.time_ms = static_cast<std::int64_t>(index * 10);
  Outcome outcome;
  TRIREME_CHECK(model.Apply(index, 1, command, &outcome).ok());
}

}  // namespace trireme::kv::test
