#pragma once

#include <functional>
#include <string_view>

#include "absl/status/statusor.h"
#include "mapreduce/cluster/attempt.h"

namespace trireme::mapreduce {

/// What an attempt lends to the user's code that runs in it.
struct AttemptHooks {
  const AttemptSpec* spec = nullptr;
  const std::atomic<bool>* cancelled = nullptr;
  std::size_t memory_bytes = 0;  ///< 0: commands may use any
  std::function<void(std::string_view)> on_stderr = nullptr;
};

/// A job's code, found and ready to run.
class LoadedJob {
 public:
  explicit LoadedJob(Job job) : job_(std::move(job)) {}
  explicit LoadedJob(StreamingCode code) : streaming_(std::move(code)) {}

  /// The job as one attempt runs it.
  Job ForAttempt(const AttemptHooks& hooks) const;

 private:
  Job job_;
  std::optional<StreamingCode> streaming_;
};

/// The job of the program itself, when it is one made with mapreduce::Main; set before threads.
void SetOwnJob(const Job* job);
const Job* OwnJob();

/// Finds the code. BinaryCode must be this program's own. Errors are one line for the user.
[[nodiscard]] absl::StatusOr<LoadedJob> LoadJob(const JobCode& code, const Parameters& parameters);

}  // namespace trireme::mapreduce
