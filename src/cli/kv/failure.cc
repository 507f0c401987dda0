#include "cli/kv/failure.h"

#include <charconv>
#include <utility>

#include "absl/strings/cord.h"
#include "fmt/format.h"
#include "rpc/status.h"

namespace trireme::kvcli {
namespace {

constexpr char kExitCodeUrl[] = "trireme.cli/exit-code";

}  // namespace

absl::Status Fail(int exit_code, std::string message) {
  absl::Status status(absl::StatusCode::kUnknown, message);
  status.SetPayload(kExitCodeUrl, absl::Cord(fmt::format("{}", exit_code)));
  return status;
}

absl::Status BadArguments(std::string message) {
  return Fail(kBadArguments, std::move(message));
}

int ExitCodeOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kExitCodeUrl);
  if (!payload.has_value()) return kError;
  const std::string text(*payload);
  int code = kError;
  std::from_chars(text.data(), text.data() + text.size(), code);
  return code;
}

std::string Describe(const absl::Status& status) {
  const std::string message(status.message());
  if (status.GetPayload(kExitCodeUrl).has_value()) return message;
  if (message.starts_with("etcdserver: ") || message.starts_with("etcdclient: ")) return message;
  switch (status.code()) {
    case absl::StatusCode::kDeadlineExceeded:
      return "context deadline exceeded";
    case absl::StatusCode::kInvalidArgument:
      return message;
    case absl::StatusCode::kUnimplemented:
      return fmt::format("rpc error: code = Unimplemented desc = {}", message);
    case absl::StatusCode::kUnavailable:
      // Not the server's answer: it was looked for until the time was over.
      return rpc::OutcomeOf(status) == rpc::Outcome::kAnswered
                 ? fmt::format("rpc error: code = Unavailable desc = {}", message)
                 : fmt::format("context deadline exceeded: {}", message);
    default:
      return fmt::format("rpc error: code = {} desc = {}", absl::StatusCodeToString(status.code()),
                         message);
  }
}

}  // namespace trireme::kvcli
