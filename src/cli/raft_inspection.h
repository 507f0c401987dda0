#pragma once

#include <string>

#include "raft/log/inspect.h"

namespace trireme::cli {

/// Nothing is damaged: a node can start from it.
bool IsSound(const raft::Inspection& found);
std::string InspectionText(const raft::Inspection& found);
std::string InspectionJson(const raft::Inspection& found);

}  // namespace trireme::cli
