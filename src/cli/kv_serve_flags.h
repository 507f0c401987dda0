#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "kv/server/options.h"

namespace CLI {
class App;
}

namespace trireme::cli {

/// The options of a server as they stand on the command line or in ETCD_* variables.
class KvServeFlags {
 public:
  kv::ServerOptions options;
  /// One line for each flag given that has no effect, and each ETCD_* variable that is none.
  std::vector<std::string> warnings;

  /// Adds all flags of the table to `app`; `variables`: those that are not given are taken from
  /// their variables.
  void AddTo(CLI::App& app, bool variables);
  /// What follows from several flags together; raises the parser's error for what does not fit.
  void Complete(const CLI::App& app);

 private:
  using Store = std::function<void(const std::string&)>;

  void SetStores();
  void SetTimes();
  void SetTls();
  void AddNumberStore(const std::string& flag, std::int64_t min, std::int64_t max,
                      std::function<void(std::int64_t)> store);
  void AddBoolStore(const std::string& flag, bool* to);
  void AddUrlsStore(const std::string& flag, std::vector<std::string>* to);
  void ReadCluster();
  void ReadCompaction();
  void ReadTls();
  void ReadPeerTls();
  void CheckSchemes();
  void Warn(const CLI::App& app);
  void WarnOfVariables();

  std::map<std::string, Store, std::less<>> stores_;
  bool in_memory_ = false, client_cert_auth_ = false, peer_cert_auth_ = false;
  bool variables_ = true;
  std::string initial_cluster_, cluster_state_ = "new";
  std::string compaction_mode_ = "periodic", compaction_retention_ = "0";
  std::string cert_, key_, ca_, peer_cert_, peer_key_, peer_ca_;
  std::string peer_allowed_cn_, peer_allowed_hostname_;
};

/// Where data is kept when no flag says so.
inline constexpr char kDefaultDataDir[] = "trireme.etcd";

}  // namespace trireme::cli
