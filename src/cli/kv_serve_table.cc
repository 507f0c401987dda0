#include "cli/kv_serve_table.h"

#include <algorithm>
#include <cctype>

namespace trireme::cli {
namespace {

constexpr FlagUse kWorks = FlagUse::kWorks, kIgnored = FlagUse::kIgnored,
                  kRefused = FlagUse::kRefused, kOwn = FlagUse::kOwn;

constexpr std::string_view kNoV2 = "there is no v2 API",
                           kNoGateway = "there is no gateway from JSON and no browser client",
                           kNoDiscovery = "members are named by --initial-cluster alone",
                           kOneLogger = "logs are lines on standard error",
                           kNoTracing = "there is no tracing", kNoBolt = "the store is not bbolt",
                           kNoSelfSigned = "certificates are not made up: give them by files";

constexpr ServeFlag kFlags[] = {
    // ---- Member.
    {"--name", kWorks, false, "this member's name in --initial-cluster"},
    {"--data-dir", kWorks, false, "where data is kept (default: NAME.etcd)"},
    {"--wal-dir", kIgnored, false, "the log is in the data directory: mount or link DATA-DIR/raft"},
    {"--snapshot-count", kWorks, false, "entries between two snapshots (default 1,000,000)"},
    {"--heartbeat-interval", kWorks, false, "in milliseconds (default 100)"},
    {"--election-timeout", kWorks, false, "in milliseconds (default 1000)"},
    {"--initial-election-tick-advance", kIgnored, true,
     "a member that starts waits one election timeout"},
    {"--listen-peer-urls", kWorks, false,
     "where the other members are served (default http://127.0.0.1:2380)"},
    {"--listen-client-urls", kWorks, false,
     "where clients are served (default http://127.0.0.1:2379)"},
    {"--listen-client-http-urls", kIgnored, false, "client ports serve HTTP and gRPC alike"},
    {"--listen-metrics-urls", kWorks, false, "where /metrics and /health are served besides"},
    {"--max-snapshots", kIgnored, false, "one snapshot is kept"},
    {"--max-wals", kIgnored, false, "log files go when they are not needed"},
    {"--quota-backend-bytes", kWorks, false, "of the store's files; 0, the default: no quota"},
    {"--backend-bbolt-freelist-type", kIgnored, false, kNoBolt},
    {"--backend-batch-interval", kIgnored, false, kNoBolt},
    {"--backend-batch-limit", kIgnored, false, kNoBolt},
    {"--max-txn-ops", kWorks, false, "of a transaction (default 128)"},
    {"--max-request-bytes", kWorks, false, "of a request (default 1572864)"},
    {"--max-concurrent-streams", kIgnored, false, "a connection has 1,000,000 streams"},
    {"--grpc-keepalive-min-time", kIgnored, false, "clients may ping as often as they like"},
    {"--grpc-keepalive-interval", kIgnored, false, "connections are pinged by our own times"},
    {"--grpc-keepalive-timeout", kIgnored, false, "connections are pinged by our own times"},
    {"--socket-reuse-port", kIgnored, true, "ports are not shared"},
    {"--socket-reuse-address", kIgnored, true, "it is always set"},
    // ---- Clustering.
    {"--initial-advertise-peer-urls", kWorks, false,
     "where the other members are told to find it; the first is used"},
    {"--initial-cluster", kWorks, false, "NAME=PEER-URL,... of the first members"},
    {"--initial-cluster-state", kWorks, false, "new (default), or existing: join those named"},
    {"--initial-cluster-token", kWorks, false,
     "the same on all members, another in every other cluster"},
    {"--advertise-client-urls", kWorks, false, "where clients are told to find it"},
    {"--discovery", kRefused, false, kNoDiscovery},
    {"--discovery-srv", kRefused, false, kNoDiscovery},
    {"--discovery-srv-name", kIgnored, false, kNoDiscovery},
    {"--discovery-fallback", kIgnored, false, kNoDiscovery},
    {"--discovery-proxy", kIgnored, false, kNoDiscovery},
    {"--strict-reconfig-check", kWorks, true,
     "refuse changes of the membership that would cost the quorum (default true)"},
    {"--pre-vote", kWorks, true, "poll before an election (default true)"},
    {"--auto-compaction-retention", kWorks, false, "0 (default): none; 1h; or so many revisions"},
    {"--auto-compaction-mode", kWorks, false, "periodic (default) or revision"},
    {"--enable-v2", kIgnored, true, kNoV2},
    {"--v2-deprecation", kIgnored, false, kNoV2},
    // ---- Proxy.
    {"--proxy", kIgnored, false, kNoV2},
    {"--proxy-failure-wait", kIgnored, false, kNoV2},
    {"--proxy-refresh-interval", kIgnored, false, kNoV2},
    {"--proxy-dial-timeout", kIgnored, false, kNoV2},
    {"--proxy-write-timeout", kIgnored, false, kNoV2},
    {"--proxy-read-timeout", kIgnored, false, kNoV2},
    // ---- Security.
    {"--cert-file", kWorks, false, "PEM, of the client ports"},
    {"--key-file", kWorks, false, "PEM"},
    {"--client-cert-auth", kWorks, true, "clients must have a certificate of --trusted-ca-file"},
    {"--trusted-ca-file", kWorks, false, "PEM; with it, clients must have a certificate"},
    {"--client-cert-file", kIgnored, false, "the server's own certificate is used"},
    {"--client-key-file", kIgnored, false, "the server's own certificate is used"},
    {"--client-crl-file", kRefused, false, "revocation lists are not looked at"},
    {"--client-cert-allowed-hostname", kRefused, false, "names of clients are not looked at"},
    {"--auto-tls", kRefused, true, kNoSelfSigned},
    {"--peer-cert-file", kWorks, false, "PEM, between members"},
    {"--peer-key-file", kWorks, false, "PEM"},
    {"--peer-client-cert-auth", kWorks, true, "always so between members with certificates"},
    {"--peer-trusted-ca-file", kWorks, false, "PEM"},
    {"--peer-client-cert-file", kIgnored, false, "the member's own certificate is used"},
    {"--peer-client-key-file", kIgnored, false, "the member's own certificate is used"},
    {"--peer-crl-file", kRefused, false, "revocation lists are not looked at"},
    {"--peer-cert-allowed-cn", kWorks, false, "also of the member that is dialed"},
    {"--peer-cert-allowed-hostname", kWorks, false,
     "a DNS name, IP or URI; also of the member that is dialed"},
    {"--peer-skip-client-san-verification", kIgnored, true, "it is not done"},
    {"--peer-auto-tls", kRefused, true, kNoSelfSigned},
    {"--self-signed-cert-validity", kIgnored, false, kNoSelfSigned},
    {"--cipher-suites", kIgnored, false, "OpenSSL's choice for TLS 1.2 and 1.3 is used"},
    {"--tls-min-version", kIgnored, false, "TLS 1.2 is the least"},
    {"--tls-max-version", kIgnored, false, "the best that both sides have is used"},
    {"--cors", kIgnored, false, kNoGateway},
    {"--host-whitelist", kIgnored, false, kNoGateway},
    // ---- Auth.
    {"--auth-token", kIgnored, false, "there are no users and roles yet"},
    {"--auth-token-ttl", kIgnored, false, "there are no users and roles yet"},
    {"--bcrypt-cost", kIgnored, false, "there are no users and roles yet"},
    // ---- Logging, profiling, metrics.
    {"--logger", kIgnored, false, kOneLogger},
    {"--log-outputs", kIgnored, false, kOneLogger},
    {"--log-level", kWorks, false, "debug, info, warn (default) or error"},
    {"--log-format", kIgnored, false, kOneLogger},
    {"--log-package-levels", kIgnored, false, kOneLogger},
    {"--enable-log-rotation", kIgnored, true, kOneLogger},
    {"--log-rotation-config-json", kIgnored, false, kOneLogger},
    {"--debug", kIgnored, true, "--log-level debug says more"},
    {"--enable-pprof", kIgnored, true, "profiles are taken from outside, with perf"},
    {"--metrics", kIgnored, false, "/metrics always has all"},
    // ---- Unsafe and experimental.
    {"--force-new-cluster", kRefused, true, "restore a backup, or see `trireme raft help`"},
    {"--unsafe-no-fsync", kRefused, true, "what is acknowledged is on disk; see --in-memory"},
    {"--config-file", kWorks, false, "YAML; other flags and variables have no effect then"},
    {"--enable-grpc-gateway", kIgnored, true, kNoGateway},
    {"--experimental-initial-corrupt-check", kIgnored, true, "every block has a checksum"},
    {"--experimental-corrupt-check-time", kIgnored, false, "compare `endpoint hashkv`"},
    {"--experimental-compact-hash-check-enabled", kIgnored, true, "compare `endpoint hashkv`"},
    {"--experimental-compact-hash-check-time", kIgnored, false, "compare `endpoint hashkv`"},
    {"--experimental-enable-v2v3", kIgnored, false, kNoV2},
    {"--experimental-backend-bbolt-freelist-type", kIgnored, false, kNoBolt},
    {"--experimental-bootstrap-defrag-threshold-megabytes", kIgnored, false, kNoBolt},
    {"--experimental-enable-lease-checkpoint", kIgnored, true,
     "a lease's time left is always kept over a change of leader"},
    {"--experimental-enable-lease-checkpoint-persist", kIgnored, true,
     "a lease's time left is always kept over a change of leader"},
    {"--experimental-compaction-batch-limit", kIgnored, false, "compaction goes in small steps"},
    {"--experimental-compaction-sleep-interval", kIgnored, false, "compaction goes in small steps"},
    {"--experimental-peer-skip-client-san-verification", kIgnored, true, "it is not done"},
    {"--experimental-watch-progress-notify-interval", kWorks, false,
     "of watches that ask for it (default 10m)"},
    {"--experimental-warning-apply-duration", kIgnored, false, "see /metrics"},
    {"--experimental-warning-unary-request-duration", kIgnored, false, "see /metrics"},
    {"--experimental-memory-mlock", kIgnored, true, "use the system's limits"},
    {"--experimental-txn-mode-write-with-shared-buffer", kIgnored, true, kNoBolt},
    {"--experimental-max-learners", kIgnored, false, "one learner at a time"},
    {"--experimental-wait-cluster-ready-timeout", kIgnored, false, "ports are opened at once"},
    {"--experimental-snapshot-catchup-entries", kIgnored, false,
     "10,000 entries of about 32 MiB at most are kept for followers that are a little behind"},
    {"--experimental-enable-distributed-tracing", kIgnored, true, kNoTracing},
    {"--experimental-distributed-tracing-address", kIgnored, false, kNoTracing},
    {"--experimental-distributed-tracing-service-name", kIgnored, false, kNoTracing},
    {"--experimental-distributed-tracing-instance-id", kIgnored, false, kNoTracing},
    {"--experimental-distributed-tracing-sampling-rate", kIgnored, false, kNoTracing},
    // ---- Ours.
    {"--in-memory", kOwn, true, "keep nothing on disk"},
    {"--io-threads", kOwn, false, "that serve clients (default 1)"},
    {"--http-pages", kOwn, false,
     "who sees the pages on /ui: local (default: this machine only), all or off"},
    {"--http-admin", kOwn, true, "the pages may move the leader and disarm alarms"},
};

}  // namespace

std::span<const ServeFlag> ServeFlags() {
  return kFlags;
}

const ServeFlag* FindServeFlag(std::string_view name) {
  const auto found = std::ranges::find(kFlags, name, &ServeFlag::name);
  return found == std::end(kFlags) ? nullptr : found;
}

std::string VariableOf(std::string_view flag) {
  std::string name = "ETCD_";
  for (const char c : flag.substr(2))
    name.push_back(c == '-' ? '_' : static_cast<char>(std::toupper(c)));
  return name;
}

}  // namespace trireme::cli
