#include "kv/server/urls.h"

#include "base/status_macros.h"
#include "fmt/format.h"
#include "rpc/address.h"

namespace trireme::kv::inline engine {

absl::StatusOr<std::string> AddressOfUrl(std::string_view url) {
  std::string_view rest = url;
  for (const std::string_view scheme : {"http://", "https://", "unix://", "unixs://"}) {
    if (!rest.starts_with(scheme)) continue;
    rest.remove_prefix(scheme.size());
    if (rest.ends_with('/')) rest.remove_suffix(1);
    const std::string text = (scheme.starts_with("unix") ? "unix:" : "") + std::string(rest);
    TRIREME_ASSIGN_OR_RETURN(const rpc::Address address, rpc::ParseAddress(text));
    return address.ToString();
  }
  return absl::InvalidArgumentError(
      fmt::format("'{}' is not a URL to listen on: give http://HOST:PORT or unix://PATH", url));
}

}  // namespace trireme::kv::inline engine
