#include "rpc/status.h"

#include <optional>

#include "absl/strings/cord.h"

namespace trireme::rpc {
namespace {

constexpr char kOutcomeUrl[] = "trireme.rpc/outcome";

}  // namespace

Outcome OutcomeOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kOutcomeUrl);
  if (!payload.has_value()) return Outcome::kAnswered;
  return *payload == "not executed" ? Outcome::kNotExecuted : Outcome::kUnknown;
}

absl::Status WithOutcome(absl::Status status, Outcome outcome) {
  if (status.ok()) return status;
  status.ErasePayload(kOutcomeUrl);
  if (outcome != Outcome::kAnswered) {
    status.SetPayload(kOutcomeUrl,
                      absl::Cord(outcome == Outcome::kNotExecuted ? "not executed" : "unknown"));
  }
  return status;
}

}  // namespace trireme::rpc
