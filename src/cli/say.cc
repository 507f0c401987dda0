#include "cli/say.h"

#include <cerrno>
#include <cstring>

#include "cli/run_command.h"

namespace trireme::cli {

int FlushOutput(int exit_status) {
  errno = 0;
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return exit_status;
  const int error = errno;
  Say(stderr, "trireme: cannot write to standard output{}{}\n", error != 0 ? ": " : "",
      error != 0 ? std::strerror(error) : "");
  std::clearerr(stdout);  // said once
  return exit_status == kDone ? kFailed : exit_status;
}

}  // namespace trireme::cli
