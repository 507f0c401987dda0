#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "cli/kv/connection.h"
#include "cli/kv/flag_set.h"
#include "cli/kv/options.h"
#include "cli/kv/printer.h"

/// What the commands of `trireme kv` are made of.
namespace trireme::kvcli {

/// What a command works with: the options in force, the cluster, standard output.
class Session {
 public:
  Session(GlobalOptions options, std::unique_ptr<Printer> printer)
      : options_(std::move(options)), printer_(std::move(printer)) {}

  const GlobalOptions& options() const { return options_; }
  Printer& printer() { return *printer_; }
  /// Made at the first call.
  absl::StatusOr<Connection*> connection();

  /// `text` on standard output, at once.
  absl::Status Print(const Printer::Text& text);

 private:
  const GlobalOptions options_;
  const std::unique_ptr<Printer> printer_;
  std::unique_ptr<Connection> connection_;
};

struct Arguments {
  std::vector<std::string> words;
  std::size_t before_dashes = std::string::npos;  ///< See FlagSet.
};

class Command {
 public:
  virtual ~Command() = default;
  /// Flags of its own.
  virtual void AddFlags(FlagSet&) {}
  virtual absl::Status Run(Session& session, const Arguments& arguments) = 0;
};

struct CommandEntry {
  std::string_view path;  ///< "get", "lease grant"
  std::string_view usage;
  std::string_view summary;
  std::unique_ptr<Command> (*make)();
};
using CommandList = std::vector<CommandEntry>;

template <class Made>
CommandEntry Entry(std::string_view path, std::string_view usage, std::string_view summary) {
  return {path, usage, summary,
          []() -> std::unique_ptr<Command> { return std::make_unique<Made>(); }};
}

void AddKvCommands(CommandList* list);
void AddTxnCommand(CommandList* list);
void AddWatchCommand(CommandList* list);
void AddLeaseCommands(CommandList* list);
void AddLockCommands(CommandList* list);
void AddMemberCommands(CommandList* list);
void AddEndpointCommands(CommandList* list);
void AddMaintenanceCommands(CommandList* list);
void AddSnapshotCommands(CommandList* list);
void AddImportCommand(CommandList* list);

}  // namespace trireme::kvcli
