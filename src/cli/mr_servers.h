#pragma once

#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

/// The processes of a cluster, and how all its commands read their arguments.
namespace trireme::cli {

int RunCoordinator(std::vector<std::string> arguments);
int RunWorker(std::vector<std::string> arguments);

/// An exit status when that is all there is to do: help was asked for, or the arguments are wrong
/// and one line said so.
std::optional<int> ParseArguments(CLI::App& app, std::vector<std::string> arguments);

}  // namespace trireme::cli
