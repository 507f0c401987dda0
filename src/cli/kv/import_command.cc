#include <cstdio>
#include <utility>

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "cli/kv/command.h"
#include "cli/kv/failure.h"
#include "cli/kv/go_text.h"
#include "cli/kv/importer.h"
#include "cli/kv/kv_requests.h"
#include "cli/kv/waiting.h"
#include "fmt/format.h"
#include "fmt/ranges.h"

namespace trireme::kvcli {
namespace {

constexpr absl::Duration kProgressEvery = absl::Seconds(1);
/// How soon a follower sees a signal, and looks after its leases.
constexpr absl::Duration kFollowCheck = absl::Milliseconds(200);

/// A line on standard error each second.
class Progress {
 public:
  void Show(const ImportCounts& counts, bool now = false) {
    if (!now && absl::Now() < next_) return;
    next_ = absl::Now() + kProgressEvery;
    const std::string followed =
        counts.followed == 0 ? "" : fmt::format(", {} changes since", counts.followed);
    const std::string line =
        fmt::format("{} keys, {}, {} leases{}\n", counts.keys,
                    ShowSize(static_cast<std::uint64_t>(counts.bytes)), counts.leases, followed);
    std::fputs(line.c_str(), stderr);
  }

 private:
  absl::Time next_ = absl::Now() + kProgressEvery;
};

std::vector<mvccpb::Event> ToProto(const std::vector<kv::Event>& events) {
  std::vector<mvccpb::Event> result;
  for (const kv::Event& event : events) {
    mvccpb::Event& one = result.emplace_back();
    one.set_type(event.kind == kv::Event::Kind::kPut ? mvccpb::Event::PUT : mvccpb::Event::DELETE);
    one.mutable_kv()->set_key(event.key_value.key);
    one.mutable_kv()->set_value(event.key_value.value);
    one.mutable_kv()->set_lease(event.key_value.lease.value);
    one.mutable_kv()->set_mod_revision(event.key_value.modified.value);
  }
  return result;
}

/// Runs of events of the same revision.
std::vector<std::vector<mvccpb::Event>> ByRevision(std::vector<mvccpb::Event> events) {
  std::vector<std::vector<mvccpb::Event>> result;
  std::int64_t last = 0;
  for (mvccpb::Event& event : events) {
    if (result.empty() || event.kv().mod_revision() != last) result.emplace_back();
    last = event.kv().mod_revision();
    result.back().push_back(std::move(event));
  }
  return result;
}

class ImportCommand final : public Command {
 public:
  void AddFlags(FlagSet& flags) override {
    flags.List("from", &from_, "the cluster to copy, host:port");
    flags.Text("from-cacert", &tls_.authorities, "as --cacert, for --from");
    flags.Text("from-cert", &tls_.certificate, "as --cert, for --from");
    flags.Text("from-key", &tls_.key, "as --key, for --from");
    flags.Bool("from-insecure-skip-tls-verify", &tls_.skip_verify, "for --from");
    flags.List("to", &to_, "the cluster to fill (--endpoints where it is left out)");
    flags.Text("prefix", &prefix_, "only keys that begin with it");
    flags.Bool("replace", &replace_, "delete what the destination has in the range first");
    flags.Bool("follow", &follow_, "go on with what is written at the source, until interrupted");
    flags.Number("batch-keys", &batch_, "keys written in one transaction");
  }

  absl::Status Run(Session& session, const Arguments& arguments) override {
    if (!arguments.words.empty()) return BadArguments("import takes no arguments, only flags");
    if (from_.empty())
      return BadArguments("import needs --from: the endpoints of the cluster to copy");
    if (batch_ < 1) return BadArguments("--batch-keys: give a number of at least 1");
    Waiting waiting;
    GlobalOptions source_options = session.options();
    source_options.tls = tls_;
    const std::vector<std::string>& destination = to_.empty() ? session.options().endpoints : to_;
    TRIREME_ASSIGN_OR_RETURN(const auto from, Connection::Create(from_, source_options));
    TRIREME_ASSIGN_OR_RETURN(const auto to, Connection::Create(destination, session.options()));
    Importer importer(*from, *to, ImportOptions());
    TRIREME_RETURN_IF_ERROR(importer.Copy());
    TRIREME_RETURN_IF_ERROR(session.Print(Summary(importer)));
    return follow_ ? Follow(session, waiting, source_options, importer) : absl::OkStatus();
  }

 private:
  Importer::Options ImportOptions() {
    const std::string open(1, '\0');
    return {.begin = prefix_.empty() ? open : prefix_,
            .end = PrefixEnd(prefix_),
            .batch_keys = batch_,
            .replace = replace_,
            .progress = [this](const ImportCounts& counts) { progress_.Show(counts); }};
  }

  std::string Summary(const Importer& importer) const {
    const ImportCounts& counts = importer.counts();
    const std::string expired =
        counts.expired == 0
            ? ""
            : fmt::format("; left out {} keys whose leases are over", counts.expired);
    return fmt::format(
        "copied {} keys ({} bytes) and {} leases of {} at revision {}{}; read back "
        "and compared\n",
        counts.keys, counts.bytes, counts.leases, fmt::join(from_, ","), importer.revision(),
        expired);
  }

  absl::Status Follow(Session& session, Waiting& waiting, const GlobalOptions& source_options,
                      Importer& importer) {
    TRIREME_ASSIGN_OR_RETURN(kv::ClientOptions options, ClientOptionsOf(from_, source_options));
    TRIREME_ASSIGN_OR_RETURN(const auto client, kv::Client::Create(std::move(options)));
    const Importer::Options range = ImportOptions();
    TRIREME_ASSIGN_OR_RETURN(
        kv::Watcher watcher,
        client->Watch({range.begin, range.end}, {.from = {importer.revision() + 1}}));
    while (!waiting.Signal()) {
      TRIREME_RETURN_IF_ERROR(importer.RenewLeases());
      const auto batch = watcher.Next(kFollowCheck);
      progress_.Show(importer.counts());
      if (absl::IsDeadlineExceeded(batch.status())) continue;
      if (!batch.ok()) return Fail(kError, std::string(batch.status().message()));
      for (const auto& events : ByRevision(ToProto(batch->events)))
        TRIREME_RETURN_IF_ERROR(importer.Apply(events));
    }
    return session.Print(fmt::format("followed with {} changes\n", importer.counts().followed));
  }

  std::vector<std::string> from_, to_;
  TlsFiles tls_;
  std::string prefix_;
  bool replace_ = false, follow_ = false;
  std::int64_t batch_ = kBatchKeys;
  Progress progress_;
};

}  // namespace

void AddImportCommand(CommandList* list) {
  list->push_back(Entry<ImportCommand>("import", "--from ENDPOINTS [--to ENDPOINTS] [options]",
                                       "Copies a live cluster, and can go on following it"));
}

}  // namespace trireme::kvcli
