#include "raft/replica/restored.h"

#include <utility>

#include "fmt/format.h"
#include "raft/core/configuration.h"

namespace trireme::raft {

absl::StatusOr<Restored> ToRestored(RecoveredGroup found) {
  const auto configuration = DecodeConfiguration(found.snapshot.configuration.view());
  if (!configuration) {
    return absl::DataLossError(fmt::format(
        "group {}: the log has no valid configuration of it; was it written by another program?",
        found.group.value));
  }
  Restored restored;
  restored.hard_state = found.hard_state;
  restored.snapshot = {found.snapshot.last, *configuration, found.snapshot.size_bytes};
  restored.entries = std::move(found.entries);
  restored.older_terms = std::move(found.older_terms);
  restored.older_configurations = std::move(found.older_configurations);
  return restored;
}

}  // namespace trireme::raft
