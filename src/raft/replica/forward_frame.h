#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <trireme/raft/bytes.h>
#include <trireme/raft/types.h>
#include "absl/status/status.h"

/// docs/formats/raft-messages.md, "Forwarded proposals".
namespace trireme::raft {

inline constexpr char kForwardSection = 2;
inline constexpr char kAnswerSection = 3;
/// Proposals in one Forward; more are refused by the decoder.
inline constexpr std::uint64_t kForwardProposalsMax = 65'536;

/// Proposals of a member that does not lead, for the one that does.
struct Forward {
  std::uint64_t session = 0;
  std::uint64_t number = 0;
  std::vector<SharedBytes> proposals;
};

/// What the leader says of one Forward.
struct ForwardAnswer {
  /// So many proposals have become the entries from `first` on, or are not executed.
  struct Run {
    std::uint64_t count = 0;
    Index first;
    absl::Status refusal;
  };
  std::uint64_t session = 0;
  std::uint64_t number = 0;
  Term term;
  std::vector<Run> runs;

  /// The next proposal of the Forward.
  void Add(Index index);
  void Add(const absl::Status& refusal);
};

/// All of it but the proposals' bytes, which follow in order.
std::string EncodeForwardHead(const Forward& forward);
std::string EncodeForwardAnswer(const ForwardAnswer& answer);

/// Nothing unless the bytes are exactly one. The proposals are slices of `bytes`.
std::optional<Forward> DecodeForward(const SharedBytes& bytes);
std::optional<ForwardAnswer> DecodeForwardAnswer(const SharedBytes& bytes);

}  // namespace trireme::raft
