#pragma once

#include "absl/status/status.h"

namespace trireme::rpc {

/// What a failed call says about its execution.
enum class Outcome {
  kAnswered,     // The server answered with this status.
  kNotExecuted,  // The request never left this machine, or the server refused it unread: retry
                 // freely.
  kUnknown,      // It left and no answer came: it may have been executed.
};

/// The outcome attached to `status`; kAnswered when none is. Thread-safe, as all of this header.
Outcome OutcomeOf(const absl::Status& status);

/// `status` with `outcome` attached; OK stays OK.
absl::Status WithOutcome(absl::Status status, Outcome outcome);

}  // namespace trireme::rpc
