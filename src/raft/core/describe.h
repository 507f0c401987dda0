#pragma once

#include <string>
#include <vector>

#include "raft/core/messages.h"
#include "raft/core/output.h"
#include "raft/core/types.h"

/// One line of text each: for traces, logs and golden transcripts. Positions are index/term.
namespace trireme::raft {

const char* Name(RoleName role);
const char* Name(LostKind kind);
std::string Describe(LogPosition position);
std::string Describe(const std::vector<Entry>& entries);
std::string Describe(const Configuration& configuration);
std::string Describe(const Message& message);
std::string Describe(const Persist& persist);

}  // namespace trireme::raft
