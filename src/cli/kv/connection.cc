#include "cli/kv/connection.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "cli/kv/failure.h"
#include "fmt/format.h"
#include "io/file.h"
#include "rpc/address.h"

namespace trireme::kvcli {
namespace {

/// etcd's servers close a connection that pings more often than every five seconds.
constexpr absl::Duration kKeepaliveTimeMin = absl::Seconds(10);
constexpr std::size_t kPemBytesMax = 1u << 20;

absl::StatusOr<std::string> ReadPem(const std::string& path) {
  if (path.empty()) return std::string();
  const auto file = io::File::OpenForRead(path);
  if (!file.ok())
    return BadArguments(fmt::format("open {}: {}", path, std::string(file.status().message())));
  std::string text(kPemBytesMax, '\0');
  const auto size = file->ReadAt(0, text.data(), text.size());
  if (!size.ok()) return BadArguments(std::string(size.status().message()));
  text.resize(*size);
  return text;
}

absl::StatusOr<rpc::TlsClientOptions> Load(const TlsFiles& files) {
  if (files.certificate.empty() != files.key.empty()) {
    return BadArguments(fmt::format("KeyFile and CertFile must both be present[key: {}, cert: {}]",
                                    files.key, files.certificate));
  }
  rpc::TlsClientOptions tls;
  TRIREME_ASSIGN_OR_RETURN(tls.ca_pem, ReadPem(files.authorities));
  TRIREME_ASSIGN_OR_RETURN(tls.certificate_chain_pem, ReadPem(files.certificate));
  TRIREME_ASSIGN_OR_RETURN(tls.private_key_pem, ReadPem(files.key));
  tls.skip_verify = files.skip_verify;
  return tls;
}

bool AsksForTls(const TlsFiles& files) {
  return !files.plain || !files.authorities.empty() || !files.certificate.empty() ||
         !files.key.empty();
}

/// An endpoint's scheme decides; without one, the flags do.
struct Endpoint {
  rpc::Address address;
  bool tls = false;
};

absl::StatusOr<Endpoint> ParseEndpoint(std::string_view text, bool tls_by_flags) {
  const std::string_view whole = text;
  Endpoint endpoint{{}, tls_by_flags};
  std::string address;
  for (const auto& [scheme, tls, prefix] :
       {std::tuple("http://", false, ""), std::tuple("https://", true, ""),
        std::tuple("unix://", false, "unix:"), std::tuple("unixs://", true, "unix:")}) {
    if (!text.starts_with(scheme)) continue;
    endpoint.tls = tls;
    address = prefix;
    text.remove_prefix(std::string_view(scheme).size());
  }
  if (text.ends_with('/')) text.remove_suffix(1);
  address += text;
  auto parsed = rpc::ParseAddress(address);
  if (!parsed.ok()) {
    return BadArguments(
        fmt::format("endpoint '{}': {}", whole, std::string(parsed.status().message())));
  }
  endpoint.address = *std::move(parsed);
  return endpoint;
}

rpc::ChannelOptions ChannelOptionsOf(const GlobalOptions& options) {
  rpc::ChannelOptions channel;
  channel.receive_message_bytes_max = kAnswerBytesMax;
  channel.connect_timeout = options.dial_timeout;
  channel.reconnect_delay_min = channel.reconnect_delay_max = kRoundWait;
  channel.keepalive_interval = std::max(options.keepalive_time, kKeepaliveTimeMin);
  channel.keepalive_timeout = options.keepalive_timeout;
  return channel;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> Connection::Create(
    const std::vector<std::string>& endpoints, const GlobalOptions& options) {
  if (endpoints.empty()) return Fail(kBadConnection, "etcdclient: no available endpoints");
  TRIREME_ASSIGN_OR_RETURN(const rpc::TlsClientOptions tls, Load(options.tls));
  auto connection = std::make_unique<Connection>();
  connection->timeout_ = options.command_timeout;
  for (const std::string& text : endpoints) {
    TRIREME_ASSIGN_OR_RETURN(Endpoint endpoint, ParseEndpoint(text, AsksForTls(options.tls)));
    rpc::ChannelOptions channel_options = ChannelOptionsOf(options);
    if (endpoint.tls) channel_options.tls = tls;
    auto channel = rpc::Channel::Create(std::move(endpoint.address), channel_options);
    if (!channel.ok()) return BadArguments(std::string(channel.status().message()));
    connection->endpoints_.push_back(text);
    connection->channels_.push_back(*std::move(channel));
  }
  return connection;
}

Connection::Tries::Tries(Connection& connection, bool repeatable)
    : connection_(connection),
      repeatable_(repeatable),
      deadline_(absl::Now() + connection.timeout()) {}

rpc::CallOptions Connection::Tries::Next() {
  const absl::Duration rest = std::max(deadline_ - absl::Now(), absl::Milliseconds(1));
  const bool impatient = repeatable_ && connection_.channels_.size() > 1;
  return {.timeout = impatient ? std::min(rest, kTryTimeout) : rest};
}

bool Connection::Tries::IsLast(const absl::Status& status) {
  const auto verdict = kv::internal::Judge(status);
  if (verdict == kv::internal::Verdict::kFinal) return true;
  if (verdict == kv::internal::Verdict::kUnknown && !repeatable_) return true;
  connection_.MoveOn();
  if (++failures_ % connection_.channels_.size() != 0) return absl::Now() >= deadline_;
  if (absl::Now() + kRoundWait >= deadline_) return true;
  absl::SleepFor(kRoundWait);
  return false;
}

absl::StatusOr<kv::ClientOptions> ClientOptionsOf(const std::vector<std::string>& endpoints,
                                                  const GlobalOptions& options) {
  kv::ClientOptions client;
  client.endpoints.clear();
  bool tls = false;
  for (const std::string& text : endpoints) {
    TRIREME_ASSIGN_OR_RETURN(const Endpoint endpoint, ParseEndpoint(text, AsksForTls(options.tls)));
    client.endpoints.push_back(endpoint.address.ToString());
    tls = tls || endpoint.tls;
  }
  client.call_timeout = options.command_timeout;
  client.connect_timeout = options.dial_timeout;
  client.keepalive_interval = std::max(options.keepalive_time, kKeepaliveTimeMin);
  client.keepalive_timeout = options.keepalive_timeout;
  if (!tls) return client;
  TRIREME_ASSIGN_OR_RETURN(const rpc::TlsClientOptions loaded, Load(options.tls));
  client.tls = {loaded.ca_pem, loaded.certificate_chain_pem, loaded.private_key_pem,
                loaded.server_name, loaded.skip_verify};
  return client;
}

}  // namespace trireme::kvcli
