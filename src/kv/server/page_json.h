#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <trireme/raft.h>
#include "absl/status/statusor.h"
#include "io/log.h"
#include "kv/model/view.h"
#include "kv/server/peer_status.h"
#include "kv/server/roster.h"
#include "rpc/latency.h"
#include "rpc/server.h"
#include "web/history.h"

/// What a member's page is told, as JSON: docs/formats/pages.md. Bounded, whatever the store has.
namespace trireme::kv::inline engine {

inline constexpr std::size_t kPageElectionsMax = 60;  ///< of all members together, the newest
inline constexpr std::size_t kPageLogLinesMax = 40;
/// Of the key browser: keys of one answer, and bytes of a value that are shown.
inline constexpr std::int64_t kPageKeysMax = 200, kPageKeysDefault = 50;
inline constexpr std::size_t kPageValueBytesMax = 512;
/// Keys are counted up to here, no more often than every kPageCountSeconds.
inline constexpr std::uint64_t kPageKeysCountedMax = 100'000;
inline constexpr int kPageCountSeconds = 5;

/// Writes and reads a second; the median and the 99th percentile of the time of writes and of reads
/// in milliseconds; the revision; entries that the farthest member lacks; watches; bytes of files.
using KvHistory = web::History<10>;

/// Calls that change keys, and that read them.
struct CallCounts {
  std::uint64_t writes = 0, reads = 0;
  rpc::LatencyCounts write_times{}, read_times{};
};
CallCounts CountCalls(const std::vector<rpc::MethodStats>& methods);
rpc::LatencyCounts Since(const rpc::LatencyCounts& before, const rpc::LatencyCounts& now);

struct KeyCount {
  std::uint64_t keys = 0;
  bool more = false;  ///< Counting ended at kPageKeysCountedMax.
};
absl::StatusOr<KeyCount> CountKeys(const ReadView& view);

/// Another member, as it was when it last answered.
struct PeerSeen {
  PeerStatus status;
  std::int64_t heard_unix_ms = 0;  ///< 0: never.
  std::uint64_t own_commit = 0;    ///< How far this member was when it heard of it.
  bool answers = false;
  /// When it ceased to answer, and began to again: shown among the elections.
  std::vector<std::pair<std::int64_t, bool>> changes;
};

struct PageState {
  std::int64_t unix_ms = 0;
  std::string name;
  std::uint64_t cluster_id = 0;
  bool admin = false;
  raft::ReplicaStatus raft;
  std::vector<RosterEntry> roster;
  PeerStatus self;
  std::vector<std::pair<std::uint64_t, PeerSeen>> peers;
  std::vector<Alarm> alarms;
  Meta meta;
  KeyCount keys;
  std::size_t leases = 0, watches = 0;
  std::uint64_t connections = 0, streams = 0, leader_changes = 0;
  std::string failure;  ///< Not empty: the member has stopped.
  std::vector<io::LogLine> log;
};

std::string StateJson(const PageState& state, const KvHistory& history);
std::string KvHistoryJson(const KvHistory& history);
std::string LogPageJson(const std::vector<io::LogLine>& log);
/// The state as lines of text, for those without scripts.
std::string StateText(const PageState& state);
/// How many entries the member that is farthest behind lacks, as far as this one knows.
std::uint64_t LargestLag(const PageState& state);

struct KeysQuestion {
  std::string prefix;
  std::string after;  ///< Keys after this one; empty: from the first.
  std::int64_t limit = kPageKeysDefault;
};
absl::StatusOr<std::string> KeysJson(const ReadView& view, const KeysQuestion& question);

}  // namespace trireme::kv::inline engine
