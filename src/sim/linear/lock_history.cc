#include "sim/linear/lock_history.h"

namespace trireme::linear {

Verdict CheckLock(const std::vector<Interval<LockModel::Operation>>& history,
                  const Limits& limits) {
  LockModel model;
  return Search<LockModel>(&model, limits).Run(history);
}

}  // namespace trireme::linear
