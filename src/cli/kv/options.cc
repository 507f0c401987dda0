#include "cli/kv/options.h"

#include <cctype>
#include <cstdlib>
#include <set>

#include "cli/kv/failure.h"
#include "cli/kv/go_text.h"
#include "fmt/format.h"

namespace trireme::kvcli {
namespace {

/// The flags of AddGlobalFlags; commands have others, which no variable sets.
const std::set<std::string>& GlobalNames() {
  static const auto* const names = [] {
    GlobalOptions unused;
    FlagSet flags;
    AddGlobalFlags(flags, &unused);
    auto* found = new std::set<std::string>;
    for (const Flag& flag : flags.flags()) found->insert(flag.name);
    return found;
  }();
  return *names;
}

std::string VariableOf(const std::string& flag) {
  std::string name = "ETCDCTL_";
  for (const char c : flag) name += c == '-' ? '_' : static_cast<char>(std::toupper(c));
  return name;
}

}  // namespace

void AddGlobalFlags(FlagSet& flags, GlobalOptions* options) {
  flags.Text("cacert", &options->tls.authorities,
             "verify certificates of TLS-enabled secure servers using this CA bundle");
  flags.Text("cert", &options->tls.certificate,
             "identify secure client using this TLS certificate file");
  flags.Duration("command-timeout", &options->command_timeout, "timeout for short running command");
  flags.Bool("debug", &options->debug, "print the options in force on standard error");
  flags.Duration("dial-timeout", &options->dial_timeout, "timeout of one attempt to connect");
  flags.Text("discovery-srv", &options->discovery_srv, "not supported: name the endpoints", 'd');
  flags.Text("discovery-srv-name", &options->discovery_srv_name, "not supported");
  flags.List("endpoints", &options->endpoints, "members to ask, host:port");
  flags.Bool("hex", &options->hex, "print byte strings as hex encoded strings");
  flags.Bool("insecure-discovery", &options->insecure_discovery, "no meaning here");
  flags.Bool("insecure-skip-tls-verify", &options->tls.skip_verify,
             "skip server certificate verification (only for testing)");
  flags.Bool("insecure-transport", &options->tls.plain,
             "no TLS unless --cacert, --cert or an https:// endpoint asks for it");
  flags.Duration("keepalive-time", &options->keepalive_time,
                 "silence before a ping (at least 10s are waited)");
  flags.Duration("keepalive-timeout", &options->keepalive_timeout,
                 "silence after a ping before the connection is given up");
  flags.Text("key", &options->tls.key, "identify secure client using this TLS key file");
  flags.Text("password", &options->password, "not supported yet: authentication comes later");
  flags.Text("user", &options->user, "not supported yet: authentication comes later");
  flags.Text("write-out", &options->write_out,
             "set the output format (fields, json, protobuf, simple, table)", 'w');
  flags.Choices({"fields", "json", "protobuf", "simple", "table"});
}

absl::Status ApplyEnvironment(FlagSet& flags) {
  for (Flag& flag : flags.flags()) {
    if (flag.given || !GlobalNames().contains(flag.name)) continue;
    const std::string name = VariableOf(flag.name);
    const char* value = std::getenv(name.c_str());
    if (value == nullptr || *value == '\0') continue;
    if (const absl::Status status = flag.store(value); !status.ok()) {
      return Fail(kError, fmt::format("invalid value {} for environment variable {}: {}",
                                      Quote(value), name, std::string(status.message())));
    }
  }
  return absl::OkStatus();
}

absl::Status Check(const FlagSet& flags, const GlobalOptions& options) {
  for (const auto& [name, value] :
       {std::pair<const char*, const std::string&>("cert", options.tls.certificate),
        {"key", options.tls.key},
        {"cacert", options.tls.authorities}}) {
    if (value.empty() && flags.Given(name))
      return BadArguments(fmt::format("empty string is passed to --{} option", name));
  }
  if (!options.user.empty() || !options.password.empty()) {
    return BadArguments(
        "--user and --password: authentication comes later; leave them out (and unset "
        "ETCDCTL_USER, ETCDCTL_PASSWORD) where the server does not ask for it");
  }
  if (!options.discovery_srv.empty() || !options.discovery_srv_name.empty()) {
    return BadArguments("--discovery-srv is not supported: name the members with --endpoints");
  }
  return absl::OkStatus();
}

}  // namespace trireme::kvcli
