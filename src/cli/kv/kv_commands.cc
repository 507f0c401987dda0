#include <iostream>
#include <iterator>

#include "base/status_macros.h"
#include "cli/kv/command.h"
#include "cli/kv/failure.h"
#include "cli/kv/go_text.h"
#include "cli/kv/kv_requests.h"
#include "etcd/rpc.trireme.h"
#include "fmt/format.h"

namespace trireme::kvcli {
namespace {

using etcdserverpb::KVStub;

std::string StandardInput() {
  return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
}

class GetCommand final : public Command {
 public:
  void AddFlags(FlagSet& flags) override { words_.AddFlags(flags); }
  absl::Status Run(Session& session, const Arguments& arguments) override {
    TRIREME_ASSIGN_OR_RETURN(const auto request, words_.Request(arguments.words));
    if (words_.count_only && session.printer().format() == "simple")
      return BadArguments("--count-only is only for `--write-out=fields` and json");
    TRIREME_ASSIGN_OR_RETURN(Connection * cluster, session.connection());
    TRIREME_ASSIGN_OR_RETURN(const auto reply, cluster->Do(true, [&](auto& channel, auto options) {
      return KVStub(channel).Range(request, std::move(options));
    }));
    if (words_.values_only && !session.printer().SetValuesOnly())
      return BadArguments("print-value-only is only for `--write-out=simple`");
    return session.Print(session.printer().Get(reply));
  }

 private:
  GetWords words_;
};

class PutCommand final : public Command {
 public:
  void AddFlags(FlagSet& flags) override { words_.AddFlags(flags); }
  absl::Status Run(Session& session, const Arguments& arguments) override {
    TRIREME_ASSIGN_OR_RETURN(const auto request, words_.Request(arguments.words, StandardInput));
    TRIREME_ASSIGN_OR_RETURN(Connection * cluster, session.connection());
    TRIREME_ASSIGN_OR_RETURN(const auto reply, cluster->Do(false, [&](auto& channel, auto options) {
      return KVStub(channel).Put(request, std::move(options));
    }));
    return session.Print(session.printer().Put(reply));
  }

 private:
  PutWords words_;
};

class DeleteCommand final : public Command {
 public:
  void AddFlags(FlagSet& flags) override { words_.AddFlags(flags); }
  absl::Status Run(Session& session, const Arguments& arguments) override {
    TRIREME_ASSIGN_OR_RETURN(const auto request, words_.Request(arguments.words));
    TRIREME_ASSIGN_OR_RETURN(Connection * cluster, session.connection());
    TRIREME_ASSIGN_OR_RETURN(const auto reply, cluster->Do(false, [&](auto& channel, auto options) {
      return KVStub(channel).DeleteRange(request, std::move(options));
    }));
    return session.Print(session.printer().Delete(reply));
  }

 private:
  DeleteWords words_;
};

class CompactCommand final : public Command {
 public:
  void AddFlags(FlagSet& flags) override {
    flags.Bool("physical", &physical_, "wait until all old revisions are physically removed");
  }
  absl::Status Run(Session& session, const Arguments& arguments) override {
    if (arguments.words.size() != 1) return BadArguments("compaction command needs 1 argument");
    TRIREME_ASSIGN_OR_RETURN(const std::int64_t revision, ParseInt(arguments.words[0], 10));
    etcdserverpb::CompactionRequest request;
    request.set_revision(revision);
    request.set_physical(physical_);
    TRIREME_ASSIGN_OR_RETURN(Connection * cluster, session.connection());
    TRIREME_RETURN_IF_ERROR(cluster
                                ->Do(false,
                                     [&](auto& channel, auto options) {
                                       return KVStub(channel).Compact(request, std::move(options));
                                     })
                                .status());
    return session.Print(fmt::format("compacted revision {}\n", revision));
  }

 private:
  bool physical_ = false;
};

}  // namespace

void AddKvCommands(CommandList* list) {
  list->push_back(
      Entry<GetCommand>("get", "[options] <key> [range_end]", "Gets the key or a range of keys"));
  list->push_back(
      Entry<PutCommand>("put", "[options] <key> <value> (<value> can also be given from stdin)",
                        "Puts the given key into the store"));
  list->push_back(Entry<DeleteCommand>("del", "[options] <key> [range_end]",
                                       "Removes the specified key or range of keys"));
  list->push_back(
      Entry<CompactCommand>("compaction", "[options] <revision>", "Compacts the event history"));
  list->push_back(Entry<CompactCommand>("compact", "[options] <revision>", "The same"));
}

}  // namespace trireme::kvcli
