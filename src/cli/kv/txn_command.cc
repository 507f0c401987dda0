#include <iostream>
#include <optional>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "cli/kv/command.h"
#include "cli/kv/failure.h"
#include "cli/kv/txn_parser.h"
#include "etcd/rpc.trireme.h"

namespace trireme::kvcli {
namespace {

/// Calls `add(line)` for each line up to an empty one.
template <class Add>
absl::Status EachLine(Add add) {
  std::string line;
  while (true) {
    // A last line without its end is no line: a script cut short does not half run.
    if (!std::getline(std::cin, line) || std::cin.eof()) return Fail(kInvalidInput, "EOF");
    absl::StripAsciiWhitespace(&line);
    if (line.empty()) return absl::OkStatus();
    TRIREME_RETURN_IF_ERROR(add(line));
  }
}

class TxnCommand final : public Command {
 public:
  void AddFlags(FlagSet& flags) override {
    flags.Bool("interactive", &interactive_, "Input transaction in interactive mode", 'i');
  }
  absl::Status Run(Session& session, const Arguments& arguments) override {
    if (!arguments.words.empty()) return BadArguments("txn command does not accept argument");
    etcdserverpb::TxnRequest request;
    TRIREME_RETURN_IF_ERROR(ReadAll(session, &request));
    TRIREME_ASSIGN_OR_RETURN(Connection * cluster, session.connection());
    TRIREME_ASSIGN_OR_RETURN(
        const auto reply, cluster->Do(OnlyReads(request), [&](auto& channel, auto options) {
          return etcdserverpb::KVStub(channel).Txn(request, std::move(options));
        }));
    return session.Print(session.printer().Txn(reply));
  }

 private:
  absl::Status Prompt(Session& session, const char* what) const {
    return interactive_ ? session.Print(std::string(what) + "\n") : absl::OkStatus();
  }

  absl::Status ReadAll(Session& session, etcdserverpb::TxnRequest* request) const {
    TRIREME_RETURN_IF_ERROR(Prompt(session, "compares:"));
    TRIREME_RETURN_IF_ERROR(EachLine([&](const std::string& line) -> absl::Status {
      TRIREME_ASSIGN_OR_RETURN(*request->add_compare(), ParseCompare(line));
      return absl::OkStatus();
    }));
    TRIREME_RETURN_IF_ERROR(Prompt(session, "success requests (get, put, del):"));
    TRIREME_RETURN_IF_ERROR(EachLine([&](const std::string& line) -> absl::Status {
      TRIREME_ASSIGN_OR_RETURN(*request->add_success(), ParseRequest(line));
      return absl::OkStatus();
    }));
    TRIREME_RETURN_IF_ERROR(Prompt(session, "failure requests (get, put, del):"));
    return EachLine([&](const std::string& line) -> absl::Status {
      TRIREME_ASSIGN_OR_RETURN(*request->add_failure(), ParseRequest(line));
      return absl::OkStatus();
    });
  }

  static bool OnlyReads(const etcdserverpb::TxnRequest& request) {
    for (const auto* branch : {&request.success(), &request.failure()}) {
      for (const auto& step : *branch) {
        if (!step.has_request_range()) return false;
      }
    }
    return true;
  }

  bool interactive_ = false;
};

}  // namespace

void AddTxnCommand(CommandList* list) {
  list->push_back(Entry<TxnCommand>(
      "txn", "[options] < compares, a blank line, requests, a blank line, requests, a blank line",
      "Processes all the requests of standard input in one transaction"));
}

}  // namespace trireme::kvcli
