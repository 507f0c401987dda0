#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "raft/transport/options.h"

/// A question to whoever listens at an address, before anybody knows anybody:
/// docs/formats/raft-frames.md.
namespace trireme::raft::tcp {

/// Of an answer; a longer one is not taken.
inline constexpr std::size_t kAnswerBytesMax = 1u << 20;

/// nullopt: a frame's body that is not a question.
std::optional<std::string_view> QuestionIn(std::string_view body);

/// Blocks. The answer may be empty. UNAVAILABLE: nobody is there, or nobody answers.
absl::StatusOr<std::string> Ask(const std::string& address,
                                const std::optional<TcpTransportTls>& tls,
                                std::string_view question, std::chrono::milliseconds timeout);

}  // namespace trireme::raft::tcp
