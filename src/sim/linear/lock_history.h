#pragma once

#include <vector>

#include "sim/linear/lock_model.h"
#include "sim/linear/search.h"
#include "sim/linear/verdict.h"

namespace trireme::linear {

/// Of one lock: whether some order of its acquires and releases explains what was granted.
Verdict CheckLock(const std::vector<Interval<LockModel::Operation>>& history,
                  const Limits& limits = {});

}  // namespace trireme::linear
