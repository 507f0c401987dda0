#include "cli/kv_serve_flags.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <chrono>
#include <fstream>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

#include "cli/flags.h"
#include "cli/kv/go_text.h"
#include "cli/kv_serve_table.h"
#include "fmt/format.h"
#include "io/log.h"

namespace trireme::cli {
namespace {

std::vector<std::string> SplitByComma(const std::string& text) {
  std::vector<std::string> parts;
  std::size_t from = 0;
  while (from <= text.size()) {
    const std::size_t comma = std::min(text.find(',', from), text.size());
    if (comma > from) parts.push_back(text.substr(from, comma - from));
    from = comma + 1;
  }
  return parts;
}

std::optional<std::int64_t> NumberIn(const std::string& text) {
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || at != end) return std::nullopt;
  return value;
}

/// A duration as Go writes it; none when it is not one, or below zero.
std::optional<std::int64_t> MsIn(const std::string& text) {
  const auto duration = kvcli::ParseGoDuration(text);
  if (!duration.ok() || *duration < absl::ZeroDuration()) return std::nullopt;
  return absl::ToInt64Milliseconds(*duration);
}

bool BoolIn(const std::string& flag, const std::string& text) {
  if (text.empty()) return true;  // the flag alone
  if (text == "true" || text == "1" || text == "t" || text == "T" || text == "TRUE") return true;
  if (text == "false" || text == "0" || text == "f" || text == "F" || text == "FALSE") return false;
  Refuse(flag, text, "true or false");
}

std::string PemIn(const std::string& flag, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file || text.empty()) Refuse(flag, path, "a PEM file that can be read");
  return text;
}

bool HasBoth(const char* flag, const std::string& cert, const std::string& key) {
  if (cert.empty() != key.empty()) Refuse(flag, cert + key, "a certificate and its key, or none");
  return !cert.empty();
}

std::string HelpOf(const ServeFlag& flag) {
  switch (flag.use) {
    case FlagUse::kIgnored:
      return fmt::format("no effect: {}", flag.what);
    case FlagUse::kRefused:
      return fmt::format("refused: {}", flag.what);
    default:
      return std::string(flag.what);
  }
}

}  // namespace

void KvServeFlags::AddTo(CLI::App& app, bool variables) {
  variables_ = variables;
  SetStores();
  SetTimes();
  SetTls();
  for (const ServeFlag& flag : ServeFlags()) {
    const std::string name(flag.name);
    const auto found = stores_.find(flag.name);
    const Store store = found == stores_.end() ? [](const std::string&) {} : found->second;
    const bool takes_bool = flag.takes_bool;
    auto* option = app.add_option_function<std::vector<std::string>>(
        name,
        [store, takes_bool](const std::vector<std::string>& given) {
          store(given.empty() && takes_bool ? "true" : given.empty() ? "" : given.back());
        },
        HelpOf(flag));
    option->type_name(takes_bool ? "[=true|false]" : "TEXT");
    takes_bool ? option->expected(0, 1) : option->expected(1);
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    if (variables) option->envname(VariableOf(flag.name));
  }
}

void KvServeFlags::SetStores() {
  const auto text = [this](const char* flag, std::string* to) {
    stores_[flag] = [to](const std::string& given) { *to = given; };
  };
  text("--name", &options.name);
  text("--data-dir", &options.data_dir);
  text("--initial-cluster", &initial_cluster_);
  text("--initial-cluster-token", &options.initial_cluster_token);
  text("--initial-cluster-state", &cluster_state_);
  text("--auto-compaction-mode", &compaction_mode_);
  text("--auto-compaction-retention", &compaction_retention_);
  AddUrlsStore("--listen-client-urls", &options.listen_client_urls);
  AddUrlsStore("--advertise-client-urls", &options.advertise_client_urls);
  AddUrlsStore("--listen-peer-urls", &options.listen_peer_urls);
  AddUrlsStore("--listen-metrics-urls", &options.listen_metrics_urls);
  AddUrlsStore("--initial-advertise-peer-urls", &options.initial_advertise_peer_urls);
  AddBoolStore("--strict-reconfig-check", &options.strict_reconfig_check);
  AddBoolStore("--pre-vote", &options.pre_vote);
  AddBoolStore("--in-memory", &in_memory_);
  AddNumberStore("--max-request-bytes", 1, INT32_MAX, [this](std::int64_t n) {
    options.limits.request_bytes_max = static_cast<std::size_t>(n);
  });
  AddNumberStore("--max-txn-ops", 1, INT32_MAX,
                 [this](std::int64_t n) { options.limits.txn_ops_max = static_cast<int>(n); });
  AddNumberStore("--snapshot-count", 1, INT64_MAX, [this](std::int64_t n) {
    options.snapshot_count = static_cast<std::uint64_t>(n);
  });
  AddNumberStore("--quota-backend-bytes", INT64_MIN, INT64_MAX, [this](std::int64_t n) {
    options.quota_backend_bytes = static_cast<std::uint64_t>(std::max<std::int64_t>(n, 0));
  });
  AddNumberStore("--io-threads", 1, 64,
                 [this](std::int64_t n) { options.io_threads = static_cast<int>(n); });
  AddBoolStore("--http-admin", &options.pages.admin);
  stores_["--http-pages"] = [this](const std::string& given) {
    const std::map<std::string_view, web::Viewers> kinds = {{"local", web::Viewers::kLocal},
                                                            {"all", web::Viewers::kAll},
                                                            {"off", web::Viewers::kNobody}};
    const auto found = kinds.find(given);
    if (found == kinds.end()) Refuse("--http-pages", given, "local, all or off");
    options.pages.viewers = found->second;
  };
  stores_["--log-level"] = [](const std::string& level) {
    const bool worse = level == "panic" || level == "fatal" || level == "dpanic";
    if (!io::SetLogLevel(worse ? "error" : level).ok())
      Refuse("--log-level", level, "debug, info, warn or error");
  };
}

void KvServeFlags::SetTimes() {
  constexpr std::int64_t kMsMax = 50'000;
  AddNumberStore("--heartbeat-interval", 4, kMsMax, [this](std::int64_t ms) {
    options.heartbeat_interval = std::chrono::milliseconds(ms);
  });
  AddNumberStore("--election-timeout", 20, kMsMax, [this](std::int64_t ms) {
    options.election_timeout = std::chrono::milliseconds(ms);
  });
  stores_["--experimental-watch-progress-notify-interval"] = [this](const std::string& given) {
    const auto ms = MsIn(given);
    if (!ms || *ms < 1)
      Refuse("--experimental-watch-progress-notify-interval", given, "a time, as 10m or 1.5s");
    options.watch_progress_interval = std::chrono::milliseconds(*ms);
  };
}

void KvServeFlags::SetTls() {
  const auto text = [this](const char* flag, std::string* to) {
    stores_[flag] = [to](const std::string& given) { *to = given; };
  };
  text("--cert-file", &cert_);
  text("--key-file", &key_);
  text("--trusted-ca-file", &ca_);
  text("--peer-cert-file", &peer_cert_);
  text("--peer-key-file", &peer_key_);
  text("--peer-trusted-ca-file", &peer_ca_);
  text("--peer-cert-allowed-cn", &peer_allowed_cn_);
  text("--peer-cert-allowed-hostname", &peer_allowed_hostname_);
  AddBoolStore("--client-cert-auth", &client_cert_auth_);
  AddBoolStore("--peer-client-cert-auth", &peer_cert_auth_);
}

void KvServeFlags::AddNumberStore(const std::string& flag, std::int64_t min, std::int64_t max,
                                  std::function<void(std::int64_t)> store) {
  stores_[flag] = [flag, min, max, store = std::move(store)](const std::string& given) {
    const auto value = NumberIn(given);
    if (!value || *value < min || *value > max)
      Refuse(flag, given, fmt::format("a whole number from {} to {}", min, max));
    store(*value);
  };
}

void KvServeFlags::AddBoolStore(const std::string& flag, bool* to) {
  stores_[flag] = [flag, to](const std::string& given) { *to = BoolIn(flag, given); };
}

void KvServeFlags::AddUrlsStore(const std::string& flag, std::vector<std::string>* to) {
  stores_[flag] = [flag, to](const std::string& given) {
    *to = SplitByComma(given);
    if (to->empty()) Refuse(flag, given, "URLs, with commas between them");
  };
}

void KvServeFlags::ReadCluster() {
  for (const std::string& one : SplitByComma(initial_cluster_)) {
    const std::size_t equals = one.find('=');
    if (equals == std::string::npos || equals == 0)
      Refuse("--initial-cluster", initial_cluster_, "NAME=PEER-URL,NAME=PEER-URL,...");
    const std::string name = one.substr(0, equals);
    auto& members = options.initial_cluster;
    auto found = std::find_if(members.begin(), members.end(),
                              [&](const kv::InitialMember& m) { return m.name == name; });
    if (found == members.end()) found = members.insert(members.end(), {name, {}});
    found->peer_urls.push_back(one.substr(equals + 1));
  }
  if (cluster_state_ != "new" && cluster_state_ != "existing")
    Refuse("--initial-cluster-state", cluster_state_, "new or existing");
  options.join_existing = cluster_state_ == "existing";
}

/// As etcd: a number without a unit is hours, or revisions.
void KvServeFlags::ReadCompaction() {
  if (compaction_mode_ != "periodic" && compaction_mode_ != "revision")
    Refuse("--auto-compaction-mode", compaction_mode_, "periodic or revision");
  const auto number = NumberIn(compaction_retention_);
  if (compaction_mode_ == "revision") {
    if (!number || *number < 0)
      Refuse("--auto-compaction-retention", compaction_retention_,
             "with --auto-compaction-mode revision: how many revisions to keep");
    options.compaction_revisions = *number;
    return;
  }
  constexpr std::int64_t kMsPerHour = 3'600'000, kHoursMax = 1'000'000;
  const auto ms = MsIn(compaction_retention_);
  if (number ? *number < 0 || *number > kHoursMax : !ms)
    Refuse("--auto-compaction-retention", compaction_retention_, "hours, or a time as 30m");
  options.compaction_retention = std::chrono::milliseconds(number ? *number * kMsPerHour : *ms);
}

void KvServeFlags::ReadTls() {
  if (HasBoth("--cert-file and --key-file", cert_, key_)) {
    options.client_tls.emplace();
    options.client_tls->certificate_chain_pem = PemIn("--cert-file", cert_);
    options.client_tls->private_key_pem = PemIn("--key-file", key_);
    if (client_cert_auth_ && ca_.empty())
      Refuse("--client-cert-auth", "true", "--trusted-ca-file too");
    if (!ca_.empty()) options.client_tls->client_ca_pem = PemIn("--trusted-ca-file", ca_);
  }
  ReadPeerTls();
  CheckSchemes();
}

void KvServeFlags::ReadPeerTls() {
  if (HasBoth("--peer-cert-file and --peer-key-file", peer_cert_, peer_key_)) {
    if (peer_ca_.empty())
      Refuse("--peer-trusted-ca-file", "", "who signs the members' certificates");
    options.peer_tls.emplace();
    options.peer_tls->certificate_chain_pem = PemIn("--peer-cert-file", peer_cert_);
    options.peer_tls->private_key_pem = PemIn("--peer-key-file", peer_key_);
    options.peer_tls->ca_pem = PemIn("--peer-trusted-ca-file", peer_ca_);
    options.peer_tls->allowed_cn = peer_allowed_cn_;
    options.peer_tls->allowed_hostname = peer_allowed_hostname_;
  }
  if (!peer_allowed_cn_.empty() && !peer_allowed_hostname_.empty())
    Refuse("--peer-cert-allowed-hostname", peer_allowed_hostname_,
           "this or --peer-cert-allowed-cn, not both");
  if (!options.peer_tls && peer_allowed_cn_.size() + peer_allowed_hostname_.size() > 0)
    Refuse("--peer-cert-allowed-cn or --peer-cert-allowed-hostname",
           peer_allowed_cn_ + peer_allowed_hostname_, "--peer-cert-file and --peer-key-file too");
}

/// The scheme of a URL says whether there is TLS, as in etcd.
void KvServeFlags::CheckSchemes() {
  const auto secure = [](const std::string& url) {
    return url.starts_with("https://") || url.starts_with("unixs://");
  };
  for (const std::string& url : options.listen_client_urls)
    if (secure(url) && !options.client_tls)
      Refuse("--listen-client-urls", url, "--cert-file and --key-file for https");
  for (const std::string& url : options.listen_metrics_urls)
    if (secure(url) && !options.client_tls)
      Refuse("--listen-metrics-urls", url, "--cert-file and --key-file for https");
  if (options.client_tls && std::ranges::none_of(options.listen_client_urls, secure))
    warnings.push_back("--cert-file has no effect: no client URL is https");
  const auto& peers = options.listen_peer_urls;
  const auto plain = std::ranges::find_if_not(peers, secure);
  if (options.peer_tls && std::ranges::none_of(peers, secure)) {
    if (peer_allowed_cn_.size() + peer_allowed_hostname_.size() > 0)
      Refuse("--listen-peer-urls", peers.front(), "https, or nobody's name can be checked");
    warnings.push_back("--peer-cert-file has no effect: no peer URL is https");
    options.peer_tls.reset();
  }
  if (options.peer_tls && plain != peers.end())
    Refuse("--listen-peer-urls", *plain, "https for all of them, or for none");
  const auto tls = std::ranges::find_if(peers, secure);
  if (!options.peer_tls && tls != peers.end())
    Refuse("--listen-peer-urls", *tls, "--peer-cert-file and --peer-key-file for https");
}

void KvServeFlags::Warn(const CLI::App& app) {
  for (const ServeFlag& flag : ServeFlags()) {
    const CLI::Option* option = app.get_option_no_throw(std::string(flag.name));
    if (option == nullptr || option->count() == 0) continue;
    const bool off = flag.takes_bool && !option->results().empty() &&
                     !BoolIn(std::string(flag.name), option->results().back());
    if (flag.use == FlagUse::kRefused && !off)
      throw CLI::ValidationError(fmt::format("{} cannot be used: {}", flag.name, flag.what));
    if (flag.use == FlagUse::kIgnored)
      warnings.push_back(fmt::format("{} has no effect: {}", flag.name, flag.what));
  }
  if (variables_) WarnOfVariables();
}

void KvServeFlags::WarnOfVariables() {
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    const std::string name(text.substr(0, text.find('=')));
    if (!name.starts_with("ETCD_")) continue;
    const bool known = std::ranges::any_of(
        ServeFlags(), [&](const ServeFlag& flag) { return VariableOf(flag.name) == name; });
    if (!known) warnings.push_back(name + " is no variable of this program's: it has no effect");
  }
}

void KvServeFlags::Complete(const CLI::App& app) {
  Warn(app);
  ReadCluster();
  ReadCompaction();
  ReadTls();
  if (options.election_timeout < 5 * options.heartbeat_interval)
    Refuse("--election-timeout", fmt::format("{}", options.election_timeout.count()),
           "at least five times --heartbeat-interval");
  if (in_memory_ && !options.data_dir.empty())
    Refuse("--data-dir", options.data_dir, "no --data-dir with --in-memory, or the one alone");
  if (!in_memory_ && options.data_dir.empty())
    options.data_dir = options.name == "default" ? kDefaultDataDir : options.name + ".etcd";
}

}  // namespace trireme::cli
