#include "kv/client/endpoints.h"

#include "base/status_macros.h"
#include "fmt/format.h"
#include "fmt/ranges.h"

namespace trireme::kv::internal {
namespace {

/// The address of an endpoint as etcd's clients write it, with or without a scheme.
absl::StatusOr<rpc::Address> ParseEndpoint(std::string_view text, bool tls) {
  constexpr std::string_view kPlain = "http://", kSecure = "https://";
  if (text.starts_with(kSecure) && !tls) {
    return absl::InvalidArgumentError(
        fmt::format("endpoint '{}' asks for TLS: set ClientOptions::tls, or write http://", text));
  }
  if (text.starts_with(kPlain) && tls) {
    return absl::InvalidArgumentError(
        fmt::format("endpoint '{}' asks for no TLS, but ClientOptions::tls is set", text));
  }
  if (text.starts_with(kSecure)) text.remove_prefix(kSecure.size());
  if (text.starts_with(kPlain)) text.remove_prefix(kPlain.size());
  if (text.ends_with('/')) text.remove_suffix(1);
  return rpc::ParseAddress(text);
}

rpc::ChannelOptions ChannelOptionsOf(const ClientOptions& options,
                                     std::shared_ptr<rpc::Loop> loop) {
  rpc::ChannelOptions result;
  result.receive_message_bytes_max = options.reply_bytes_max;
  result.connect_timeout = options.connect_timeout;
  result.reconnect_delay_min = options.backoff_min;
  result.reconnect_delay_max = options.backoff_max;
  result.keepalive_interval = options.keepalive_interval;
  result.keepalive_timeout = options.keepalive_timeout;
  result.loop = std::move(loop);
  if (options.tls) {
    result.tls = {options.tls->ca_pem, options.tls->certificate_chain_pem,
                  options.tls->private_key_pem, options.tls->server_name, options.tls->skip_verify};
  }
  return result;
}

}  // namespace

absl::StatusOr<Endpoints> Endpoints::Create(const ClientOptions& options,
                                            std::shared_ptr<rpc::Loop> loop, std::size_t start) {
  if (options.endpoints.empty()) {
    return absl::InvalidArgumentError("no endpoint; ClientOptions::endpoints takes host:port");
  }
  Endpoints result;
  for (const std::string& text : options.endpoints) {
    TRIREME_ASSIGN_OR_RETURN(rpc::Address address, ParseEndpoint(text, options.tls.has_value()));
    TRIREME_ASSIGN_OR_RETURN(
        auto channel, rpc::Channel::Create(std::move(address), ChannelOptionsOf(options, loop)));
    result.channels_.push_back(std::move(channel));
  }
  result.names_ = fmt::format("{}", fmt::join(options.endpoints, ", "));
  result.current_ = start % result.channels_.size();
  return result;
}

void Endpoints::Prefer(std::string_view address) {
  for (std::size_t i = 0; i < channels_.size(); ++i) {
    if (channels_[i]->address().ToString() == address) current_ = i;
  }
}

void Endpoints::Close() {
  for (const auto& channel : channels_) channel->Close();
}

}  // namespace trireme::kv::internal
