#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <trireme/raft/state_machine.h>
#include "absl/status/statusor.h"

namespace trireme::raft {

/// Exactly once, around a state machine of yours (thesis, 6.3). A proposal whose outcome is unknown
/// is proposed again, the very same bytes, until its outcome is known; it takes effect once.
///
///   id = Sessions::OpenResult(result of proposing Sessions::Open())
///   Propose(Sessions::Command(id, 1, ...)), Propose(Sessions::Command(id, 2, ...)), ...
///   answer = Sessions::CommandResult(result)
///
/// One command of a session at a time: the next sequence number when the outcome of the last one is
/// known. Queries go through to the inner machine as they are.
class Sessions final : public StateMachine {
 public:
  struct Options {
    /// Beyond this, the one that has been silent longest (by the log) is closed. The same on all
    /// members, and for good.
    std::uint64_t sessions_max = 10'000;
  };

  /// `inner` outlives it.
  Sessions(StateMachine* inner, Options options) : inner_(*inner), options_(options) {}
  explicit Sessions(StateMachine* inner) : Sessions(inner, Options()) {}

  static SharedBytes Open();
  static SharedBytes Command(std::uint64_t session, std::uint64_t sequence,
                             std::string_view command);
  /// The session's id.
  static absl::StatusOr<std::uint64_t> OpenResult(std::string_view result);
  /// What the inner machine said. NOT_FOUND: the session is closed, and the command has not been
  /// executed by this proposal; ALREADY_EXISTS: a later one of the session has been; both: by an
  /// earlier proposal it may have been. INVALID_ARGUMENT: these were no bytes of Command().
  static absl::StatusOr<std::string> CommandResult(std::string_view result);

  void Apply(std::span<const Entry> commands, std::span<std::string> results) override;
  SnapshotWork Capture() override;
  absl::Status Restore(SnapshotSource& from) override;
  absl::StatusOr<std::string> Query(std::string_view request) override {
    return inner_.Query(request);
  }

  std::size_t size() const { return sessions_.size(); }

 private:
  struct Session {
    std::uint64_t sequence = 0;  ///< Of the latest command.
    std::uint64_t used = 0;      ///< Index of its entry.
    std::string result;
  };
  struct Fresh {
    std::uint64_t session = 0;
    std::size_t at = 0;  ///< Of the batch.
  };

  void ApplyOne(const Entry& entry, std::size_t at, std::span<std::string> results);
  void Execute(std::span<std::string> results);
  void OpenSession(std::uint64_t index);
  void Use(std::uint64_t id, Session& session, std::uint64_t index);
  std::string EncodeTable() const;
  bool DecodeTable(std::string_view bytes);

  StateMachine& inner_;
  const Options options_;
  std::map<std::uint64_t, Session> sessions_;
  std::map<std::uint64_t, std::uint64_t> by_use_;  ///< Index last used -> session.
  /// Commands of this batch that the inner machine has not been given yet.
  std::vector<Entry> waiting_;
  std::vector<Fresh> fresh_;
  std::vector<std::string> results_;
};

}  // namespace trireme::raft
