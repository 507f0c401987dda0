#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace CLI {
class App;
}

/// How commands are told where the coordinator is, or the KV that knows.
namespace trireme::cli {

struct KvFlags {
  std::string endpoints;                      ///< empty: not given
  std::string prefix;                         ///< empty: the default
  std::string authorities, certificate, key;  ///< PEM files
  bool skip_verify = false;
};

struct ClusterFlags {
  std::string coordinator;
  KvFlags kv;
  bool given() const { return !coordinator.empty() || !kv.endpoints.empty(); }
};

/// --kv and what belongs to it.
void AddKvFlags(CLI::App& app, KvFlags* flags, const char* help);
/// The same flags, for a process that is started for this one; files by their absolute paths.
std::vector<std::string> KvArguments(const KvFlags& flags);
inline constexpr char kKvHelp[] =
    "the KV that knows the coordinator: host:port,... (default: $TRIREME_KV)";
/// --coordinator and --kv.
void AddClusterFlags(CLI::App& app, ClusterFlags* flags, const char* coordinator_help,
                     const char* kv_help = kKvHelp);
/// Not OK when flags of a KV are given, and no KV.
absl::Status CheckNoKv(const KvFlags& flags);

}  // namespace trireme::cli
