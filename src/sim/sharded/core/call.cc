#include "sim/sharded/core/call.h"

#include <algorithm>
#include <utility>

namespace trireme::sim::sharded {

Attempts::Attempts(std::vector<ServerId> servers, ServerId first) : servers_(std::move(servers)) {
  (void)Aim(first);
}

bool Attempts::Aim(ServerId server) {
  const auto found = std::find(servers_.begin(), servers_.end(), server);
  if (found == servers_.end()) return false;
  place_ = static_cast<std::size_t>(found - servers_.begin());
  return true;
}

void Attempts::OnRefused(ServerId leader) {
  ++made_;
  if (leader == target() || !Aim(leader)) Next();
}

void Attempts::OnNoAnswer() {
  ++made_;
  maybe_ = true;
  Next();
}

}  // namespace trireme::sim::sharded
