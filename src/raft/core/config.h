#pragma once

#include <trireme/raft/config.h>
#include "raft/core/types.h"

namespace trireme::raft {

/// Whether these numbers fit together.
Answer Validate(const Config& config);

}  // namespace trireme::raft
