#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sim/command.h"

namespace trireme::sim {

/// The replicated state machine: keys with values and versions, and a session per client, so that a
/// command that is in the log twice is executed once (thesis, 6.3).
class KvMachine {
 public:
  struct Applied {
    bool fresh = false;  ///< Executed now, not before.
    bool stale = false;  ///< Older than the session's latest: its client has stopped waiting.
    KvResult result;
  };
  Applied Apply(const Command& command);
  /// Without a trace in the state.
  KvResult Get(std::uint64_t key) const;

  /// The sequence number of the client's latest command; 0: none.
  std::uint64_t LastOf(std::uint64_t client) const;

  std::string Serialize() const;
  [[nodiscard]] bool Restore(std::string_view bytes);
  void Clear() { *this = {}; }

 private:
  struct Value {
    std::string bytes;
    std::uint64_t version = 0;
  };
  struct Session {
    std::uint64_t sequence = 0;
    KvResult result;
  };
  KvResult Execute(const Command& command);

  std::map<std::uint64_t, Value> values_;
  std::map<std::uint64_t, Session> sessions_;
};

}  // namespace trireme::sim
