#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/kv/command.h"

namespace trireme::kvcli {

/// Whom a command that asks every member asks: `--endpoints`, or all that the cluster lists.
absl::StatusOr<std::vector<std::string>> EndpointsOf(Session& session, bool whole_cluster);

/// `call(channel, options)` on one member.
template <class Call>
auto AskOne(Session& session, const std::string& endpoint, Call call)
    -> decltype(call(std::declval<const std::shared_ptr<rpc::Channel>&>(), rpc::CallOptions())) {
  auto one = Connection::Create({endpoint}, session.options());
  if (!one.ok()) return one.status();
  return (*one)->Do(true, call);
}

}  // namespace trireme::kvcli
