#include "cli/kv/program.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <cctype>
#include <cstdlib>
#include <string_view>

#include "base/status_macros.h"
#include "cli/kv/failure.h"
#include "cli/kv/go_text.h"
#include "fmt/format.h"

namespace trireme::kvcli {
namespace {

absl::StatusOr<std::string> Find(const std::string& name) {
  if (name.find('/') != name.npos) return name;
  const char* path = std::getenv("PATH");
  std::string_view rest = path != nullptr ? path : "";
  while (!rest.empty()) {
    const std::size_t colon = rest.find(':');
    const std::string candidate = fmt::format("{}/{}", rest.substr(0, colon), name);
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    rest.remove_prefix(colon == rest.npos ? rest.size() : colon + 1);
  }
  return Fail(kError, fmt::format("exec: {}: executable file not found in $PATH", Quote(name)));
}

}  // namespace

absl::StatusOr<io::Process> StartProgram(const std::vector<std::string>& words,
                                         const std::vector<std::string>& more) {
  io::SpawnOptions options;
  TRIREME_ASSIGN_OR_RETURN(options.program, Find(words[0]));
  options.argv = words;
  options.environment = more;
  for (std::string& one : io::CurrentEnvironment()) options.environment.push_back(std::move(one));
  const io::Fd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  options.stdin_fd = nothing.get();
  auto process = io::Process::Spawn(options);
  if (!process.ok()) return Fail(kError, std::string(process.status().message()));
  return process;
}

std::string DescribeEnd(const io::ExitStatus& status) {
  if (status.signal != 0) {
    std::string name = ::strsignal(status.signal);
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return fmt::format("signal: {}", name);
  }
  return fmt::format("exit status {}", status.code);
}

}  // namespace trireme::kvcli
