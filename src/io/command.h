#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/process.h"

namespace trireme::io {

/// Asked for each pipe to and from a command.
inline constexpr std::size_t kCommandPipeBytes = 1u << 20;
/// How often a command that neither reads nor writes is looked at.
inline constexpr int kCommandPollMs = 50;

/// A shell command whose standard input is written while its output is read, by one thread and
/// without deadlock, whichever of its ends the command attends to.
class Command {
 public:
  /// Gets what the command writes, within the calls of Write and Finish.
  class Listener {
   public:
    virtual ~Listener() = default;
    /// Bytes of standard output. Returns how many were used; the rest, if it is not all, comes
    /// again at the front of more. Not OK ends the command.
    virtual absl::StatusOr<std::size_t> OnOutput(std::string_view bytes) = 0;
    /// The same at the end of the output: all must be used.
    virtual absl::Status OnOutputEnd(std::string_view rest) = 0;
    virtual void OnError(std::string_view bytes) = 0;
  };

  struct Options {
    std::string command;                   ///< for `sh -c`
    std::vector<std::string> environment;  ///< "NAME=value"; all of it
    std::string directory;                 ///< where it runs; empty: where this process is
    /// Ends Write and Finish with CANCELLED; may be null.
    const std::atomic<bool>* cancelled = nullptr;
    /// More memory of the command and its descendants ends it; 0: any.
    std::size_t memory_bytes = 0;
  };

  /// `listener` outlives the command.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Command>> Start(Options options,
                                                                      Listener* listener);

  /// Returns when the command has taken the bytes, or does not read any more.
  [[nodiscard]] absl::Status Write(std::string_view bytes);
  /// Closes the input, reads the output to its end and waits. ABORTED when the command did not
  /// exit with 0.
  [[nodiscard]] absl::Status Finish();
  /// The command has closed its input: what is written goes nowhere.
  bool input_closed() const { return !stdin_; }

 private:
  Command(Options options, Listener* listener)
      : options_(std::move(options)), listener_(*listener), output_(kCommandPipeBytes) {}
  absl::Status Poll(bool want_write);
  absl::Status LookAfter();
  absl::Status ReadOutput();
  void ReadErrors();

  const Options options_;
  Listener& listener_;
  Process process_;
  Fd stdin_, stdout_, stderr_;
  std::vector<char> output_;
  std::size_t output_end_ = 0;  // bytes of output_ not used by the listener
  std::int64_t looked_ms_ = 0;
};

}  // namespace trireme::io
