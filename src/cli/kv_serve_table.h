#pragma once

#include <span>
#include <string>
#include <string_view>

/// All flags of `trireme kv serve`: etcd 3.4's and 3.5's, and our own. Help, the ETCD_* variables
/// and the table in docs/etcd-compatibility.md are made from it or checked against it.
namespace trireme::cli {

enum class FlagUse {
  kWorks,    ///< As etcd's, or as `what` says.
  kIgnored,  ///< Accepted, with a warning that says why it has no effect: `what`.
  kRefused,  ///< Refused when it is given: `what` says why.
  kOwn,      ///< Not one of etcd's.
};

struct ServeFlag {
  std::string_view name;  ///< "--name"
  FlagUse use = FlagUse::kWorks;
  bool takes_bool = false;  ///< As Go's flags: alone, or with =true or =false.
  std::string_view what;
};

std::span<const ServeFlag> ServeFlags();
const ServeFlag* FindServeFlag(std::string_view name);
/// --listen-client-urls is ETCD_LISTEN_CLIENT_URLS.
std::string VariableOf(std::string_view flag);

}  // namespace trireme::cli
