#include "cli/cluster_flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "cli/whereabouts_of.h"
#include "fmt/format.h"
#include "io/file.h"
#include "rpc/address.h"

namespace trireme::cli {
namespace {

using mapreduce::cluster::KvOptions;
using mapreduce::cluster::Whereabouts;

constexpr std::size_t kPemBytesMax = 1u << 20;

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

absl::Status Because(std::string_view flag, const absl::Status& status) {
  return absl::InvalidArgumentError(fmt::format("{}: {}", flag, std::string(status.message())));
}

absl::StatusOr<std::string> ReadPem(const char* flag, const std::string& path) {
  if (path.empty()) return std::string();
  const auto file = io::File::OpenForRead(path);
  if (!file.ok()) return Because(flag, file.status());
  std::string text(kPemBytesMax, '\0');
  const auto size = file->ReadAt(0, text.data(), text.size());
  if (!size.ok()) return Because(flag, size.status());
  text.resize(*size);
  return text;
}

absl::StatusOr<kv::TlsOptions> TlsOf(const KvFlags& flags) {
  if (flags.certificate.empty() != flags.key.empty()) {
    return absl::InvalidArgumentError("--kv-cert and --kv-key go together: give both or neither");
  }
  kv::TlsOptions tls;
  TRIREME_ASSIGN_OR_RETURN(tls.ca_pem, ReadPem("--kv-cacert", flags.authorities));
  TRIREME_ASSIGN_OR_RETURN(tls.certificate_chain_pem, ReadPem("--kv-cert", flags.certificate));
  TRIREME_ASSIGN_OR_RETURN(tls.private_key_pem, ReadPem("--kv-key", flags.key));
  tls.skip_verify = flags.skip_verify;
  return tls;
}

bool AsksForTls(const KvFlags& flags) {
  return flags.endpoints.find("https://") != std::string::npos || !flags.authorities.empty() ||
         !flags.certificate.empty() || !flags.key.empty() || flags.skip_verify;
}

std::vector<std::string> SplitEndpoints(std::string_view text) {
  std::vector<std::string> endpoints;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    if (comma > 0) endpoints.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return endpoints;
}

absl::StatusOr<Whereabouts> AddressOf(const char* name, const std::string& text) {
  auto address = rpc::ParseAddress(text);
  if (!address.ok()) return Because(name, address.status());
  return *std::move(address);
}

absl::StatusOr<Whereabouts> KvOf(const char* name, KvFlags flags, std::string endpoints) {
  flags.endpoints = std::move(endpoints);
  auto options = KvOptionsOf(flags);
  if (!options.ok()) return options.status();
  // What the client says of an endpoint is said with the name of where it was given.
  if (const auto client = kv::Client::Create(options->client); !client.ok()) {
    return Because(name, client.status());
  }
  return *std::move(options);
}

}  // namespace

void AddKvFlags(CLI::App& app, KvFlags* flags, const char* help) {
  app.add_option("--kv", flags->endpoints, help)->type_name("ENDPOINTS");
  app.add_option("--kv-prefix", flags->prefix,
                 "where in the KV this cluster's keys are (default trireme/mr)")
      ->type_name("PREFIX");
  app.add_option("--kv-cacert", flags->authorities, "whom to trust, for https:// endpoints")
      ->type_name("FILE.pem");
  app.add_option("--kv-cert", flags->certificate, "who to be")->type_name("FILE.pem");
  app.add_option("--kv-key", flags->key, "its private key")->type_name("FILE.pem");
  app.add_flag("--kv-skip-verify", flags->skip_verify,
               "take whatever certificate the KV shows: for tests");
}

std::vector<std::string> KvArguments(const KvFlags& flags) {
  std::vector<std::string> arguments = {"--kv", flags.endpoints};
  if (!flags.prefix.empty()) arguments.insert(arguments.end(), {"--kv-prefix", flags.prefix});
  const std::pair<const char*, const std::string&> files[] = {{"--kv-cacert", flags.authorities},
                                                              {"--kv-cert", flags.certificate},
                                                              {"--kv-key", flags.key}};
  for (const auto& [flag, path] : files) {
    if (path.empty()) continue;
    std::error_code error;
    const auto absolute = std::filesystem::absolute(path, error);
    arguments.insert(arguments.end(), {flag, error ? path : absolute.string()});
  }
  if (flags.skip_verify) arguments.push_back("--kv-skip-verify");
  return arguments;
}

void AddClusterFlags(CLI::App& app, ClusterFlags* flags, const char* coordinator_help,
                     const char* kv_help) {
  app.add_option("--coordinator", flags->coordinator, coordinator_help)->type_name("ADDR");
  AddKvFlags(app, &flags->kv, kv_help);
}

absl::Status CheckNoKv(const KvFlags& flags) {
  if (flags.prefix.empty() && !AsksForTls(flags)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "--kv-prefix, --kv-cacert, --kv-cert, --kv-key, --kv-skip-verify: these go with --kv "
      "ENDPOINTS");
}

absl::StatusOr<KvOptions> KvOptionsOf(const KvFlags& flags) {
  KvOptions options;
  options.client.endpoints = SplitEndpoints(flags.endpoints);
  if (options.client.endpoints.empty()) {
    return absl::InvalidArgumentError(
        fmt::format("--kv '{}': give endpoints as host:port,host:port", flags.endpoints));
  }
  if (!flags.prefix.empty()) options.prefix = flags.prefix;
  while (options.prefix.ends_with('/')) options.prefix.pop_back();
  if (options.prefix.empty()) {
    return absl::InvalidArgumentError("--kv-prefix: give a name, such as trireme/mr");
  }
  if (AsksForTls(flags)) {
    TRIREME_ASSIGN_OR_RETURN(options.client.tls, TlsOf(flags));
  }
  return options;
}

absl::StatusOr<Whereabouts> WhereaboutsOf(ClusterFlags flags) {
  if (!flags.coordinator.empty() && !flags.kv.endpoints.empty()) {
    return absl::InvalidArgumentError(
        "--coordinator and --kv: give one of them; a KV says itself who leads");
  }
  if (!flags.coordinator.empty()) {
    TRIREME_RETURN_IF_ERROR(CheckNoKv(flags.kv));
    return AddressOf("--coordinator", flags.coordinator);
  }
  if (!flags.kv.endpoints.empty()) return KvOf("--kv", flags.kv, flags.kv.endpoints);
  if (std::string kv = Variable("TRIREME_KV"); !kv.empty()) {
    return KvOf("TRIREME_KV", flags.kv, std::move(kv));
  }
  if (const std::string address = Variable("TRIREME_COORDINATOR"); !address.empty()) {
    TRIREME_RETURN_IF_ERROR(CheckNoKv(flags.kv));
    return AddressOf("TRIREME_COORDINATOR", address);
  }
  return absl::InvalidArgumentError(
      "no coordinator: give --coordinator ADDR (unix:/path or host:port) or --kv ENDPOINTS, or set "
      "TRIREME_COORDINATOR or TRIREME_KV");
}

}  // namespace trireme::cli
