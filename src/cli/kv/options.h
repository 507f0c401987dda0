#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "cli/kv/flag_set.h"

namespace trireme::kvcli {

/// Of connections to one cluster. Files are PEM.
struct TlsFiles {
  std::string authorities;  ///< `--cacert`
  std::string certificate;  ///< `--cert`
  std::string key;          ///< `--key`
  bool skip_verify = false;
  bool plain = true;  ///< `--insecure-transport`: no TLS unless files or an https:// ask for it.
};

/// Defaults are etcdctl's; docs/kv-cli.md has the table.
inline constexpr absl::Duration kDialTimeout = absl::Seconds(2);
inline constexpr absl::Duration kCommandTimeout = absl::Seconds(5);
inline constexpr absl::Duration kKeepaliveTime = absl::Seconds(2);
inline constexpr absl::Duration kKeepaliveTimeout = absl::Seconds(6);

/// What every command takes.
struct GlobalOptions {
  std::vector<std::string> endpoints = {"127.0.0.1:2379"};
  TlsFiles tls;
  absl::Duration dial_timeout = kDialTimeout;
  absl::Duration command_timeout = kCommandTimeout;
  absl::Duration keepalive_time = kKeepaliveTime;
  absl::Duration keepalive_timeout = kKeepaliveTimeout;
  std::string write_out = "simple";
  bool hex = false;
  bool debug = false;
  std::string user, password;
  std::string discovery_srv, discovery_srv_name;
  bool insecure_discovery = true;
};

void AddGlobalFlags(FlagSet& flags, GlobalOptions* options);

/// Global flags that were not given take `ETCDCTL_THEIR_NAME`, where it is set and not empty.
absl::Status ApplyEnvironment(FlagSet& flags);

/// What cannot be, or is not there yet.
absl::Status Check(const FlagSet& flags, const GlobalOptions& options);

}  // namespace trireme::kvcli
