#pragma once

#include <string>

#include "absl/status/status.h"

/// How a command ends, with etcdctl's exit statuses. Pure.
namespace trireme::kvcli {

enum ExitCode : int {
  kSuccess = 0,
  kError = 1,  ///< Among others all that the server refused.
  kBadConnection = 2,
  kInvalidInput = 3,  ///< Of standard input: a transaction, a watch.
  kBadFeature = 4,    ///< An output format or a word that there is not.
  kInterrupted = 5,
  kIo = 6,
  kBadArguments = 128,
};

/// What `Error: ` is followed by, and what the process exits with. An empty message prints nothing:
/// what there was to say has been said.
absl::Status Fail(int exit_code, std::string message);
absl::Status BadArguments(std::string message);

/// Of any status that is not OK; kError when it was not made by Fail.
int ExitCodeOf(const absl::Status& status);

/// A call's failure as etcd's clients word it: the server's own text, `context deadline exceeded`,
/// or `rpc error: ...`.
std::string Describe(const absl::Status& status);

}  // namespace trireme::kvcli
