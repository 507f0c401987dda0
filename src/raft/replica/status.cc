#include <string>
#include <utility>

#include "fmt/format.h"
#include "raft/replica/host_loop.h"
#include "raft/replica/members.h"

/// What a Host tells of itself.
namespace trireme::raft {

ReplicaStatus HostLoop::StatusOf(const Group& group) const {
  const std::lock_guard lock(turn_mutex_);
  const CoreStatus core = group.core->Status();
  ReplicaStatus status;
  status.group = group.id();
  status.self = self();
  status.role = core.role;
  status.term = core.term;
  status.leader = core.leader;
  status.commit = core.commit;
  status.applied = core.applied;
  status.durable = core.durable;
  status.last = core.last;
  status.snapshot = core.snapshot;
  status.lease_valid = core.lease_valid;
  status.transfer_to = core.transfer_to;
  status.members = ToMembers(group.core->Membership());
  for (Member& member : status.members) {
    member.address = addresses_.Find(member.id).value_or("");
  }
  status.outgoing = group.core->Membership().outgoing;
  status.catching_up = core.catching_up;
  for (const PeerStatus& peer : group.core->Peers()) {
    status.peers.push_back({peer.id, peer.match, peer.next, peer.state, peer.active});
  }
  status.proposals_waiting = group.proposals.size() + group.forwards.size();
  status.reads_waiting = group.reads.size();
  status.removed = core.removed;
  status.disk_full = disk_full();
  status.failure = group.failure;
  return status;
}

namespace {

/// Prometheus's text format, version 0.0.4.
class Page {
 public:
  void Counter(const char* name, const char* help, std::uint64_t value) {
    Head(name, "counter", help);
    fmt::format_to(std::back_inserter(text_), "{} {}\n", name, value);
  }
  void Gauge(const char* name, const char* help, std::uint64_t value) {
    Head(name, "gauge", help);
    fmt::format_to(std::back_inserter(text_), "{} {}\n", name, value);
  }
  void Head(const char* name, const char* type, const char* help) {
    fmt::format_to(std::back_inserter(text_), "# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
  }
  void Durations(const char* name, const char* help, const io::DurationHistogram& durations) {
    durations.AppendTo(text_, name, help);
  }
  void OfGroup(const char* name, GroupId group, std::uint64_t value) {
    fmt::format_to(std::back_inserter(text_), "{}{{group=\"{}\"}} {}\n", name, group.value, value);
  }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

struct OfHost {
  const char* name;
  const char* help;
  std::atomic<std::uint64_t> HostCounters::*value;
};
constexpr OfHost kOfHost[] = {
    {"trireme_raft_turns_total", "Turns of the loop.", &HostCounters::turns},
    {"trireme_raft_proposals_total", "Proposals taken up.", &HostCounters::proposals},
    {"trireme_raft_proposals_refused_total", "Proposals that were not executed.",
     &HostCounters::proposals_refused},
    {"trireme_raft_proposals_committed_total", "Proposals of this host that committed.",
     &HostCounters::committed},
    {"trireme_raft_proposals_lost_total",
     "Proposals whose entry was replaced, or of which nothing is known.", &HostCounters::lost},
    {"trireme_raft_proposals_forwarded_total", "Proposals sent to a leader.",
     &HostCounters::forwarded},
    {"trireme_raft_proposals_taken_total", "Proposals that other members sent here.",
     &HostCounters::forwards_taken},
    {"trireme_raft_forwards_repeated_total", "Forwards dropped because they had come before.",
     &HostCounters::forwards_repeated},
    {"trireme_raft_reads_total", "Linearizable reads asked for.", &HostCounters::reads},
    {"trireme_raft_reads_refused_total", "Linearizable reads not granted.",
     &HostCounters::reads_refused},
    {"trireme_raft_applied_entries_total", "Entries applied.", &HostCounters::applied_entries},
    {"trireme_raft_applied_bytes_total", "Their data.", &HostCounters::applied_bytes},
    {"trireme_raft_frames_sent_total", "Frames given to the transport.",
     &HostCounters::frames_sent},
    {"trireme_raft_frame_bytes_sent_total", "Their bytes.", &HostCounters::frame_bytes_sent},
    {"trireme_raft_frame_bytes_copied_total", "Of entries' data, copied into frames.",
     &HostCounters::frame_bytes_copied},
    {"trireme_raft_frames_not_sent_total", "Frames the transport refused.",
     &HostCounters::frames_not_sent},
    {"trireme_raft_frames_received_total", "Frames received.", &HostCounters::frames_received},
    {"trireme_raft_frame_bytes_received_total", "Their bytes.",
     &HostCounters::frame_bytes_received},
    {"trireme_raft_messages_received_total", "Messages received.",
     &HostCounters::messages_received},
    {"trireme_raft_frames_dropped_total", "Frames dropped because queued_frame_bytes_max waited.",
     &HostCounters::frames_dropped},
    {"trireme_raft_frames_damaged_total", "Frames or messages that could not be decoded.",
     &HostCounters::frames_damaged},
    {"trireme_raft_messages_refused_total", "Messages that no sound peer would send.",
     &HostCounters::messages_refused},
    {"trireme_raft_messages_unclaimed_total", "Messages to groups that are not here.",
     &HostCounters::messages_unclaimed},
    {"trireme_raft_snapshots_taken_total", "Snapshots of this host's own.",
     &HostCounters::snapshots_taken},
    {"trireme_raft_snapshots_failed_total", "Those that came to nothing.",
     &HostCounters::snapshots_failed},
    {"trireme_raft_snapshots_restored_total", "Snapshots received and restored.",
     &HostCounters::snapshots_restored},
};

struct OfLog {
  const char* name;
  const char* help;
  std::atomic<std::uint64_t> WalStats::*value;
};
constexpr OfLog kOfLog[] = {
    {"trireme_raft_log_writes_total", "Writes to the log.", &WalStats::writes},
    {"trireme_raft_log_syncs_total", "Syncs of the log.", &WalStats::syncs},
    {"trireme_raft_log_entries_total", "Entries written.", &WalStats::entries},
    {"trireme_raft_log_entry_bytes_total", "Their data.", &WalStats::bytes},
    {"trireme_raft_log_disk_full_total", "Writes that found no room.", &WalStats::disk_full},
    {"trireme_raft_snapshots_refused_total", "Snapshots of leaders for which there was no room.",
     &WalStats::snapshots_refused},
};

struct OfGroup {
  const char* name;
  const char* help;
  std::uint64_t (*value)(const Group&, const CoreStatus&);
};
constexpr OfGroup kOfGroup[] = {
    {"trireme_raft_term", "Current term.",
     [](const Group&, const CoreStatus& s) { return s.term.value; }},
    {"trireme_raft_leader", "Who leads; 0: unknown.",
     [](const Group&, const CoreStatus& s) { return s.leader.value; }},
    {"trireme_raft_is_leader", "1: this member leads.",
     [](const Group&, const CoreStatus& s) {
       return std::uint64_t{s.role == RoleName::kLeader ? 1u : 0u};
     }},
    {"trireme_raft_commit_index", "Commit index.",
     [](const Group&, const CoreStatus& s) { return s.commit.value; }},
    {"trireme_raft_applied_index", "Applied index.",
     [](const Group&, const CoreStatus& s) { return s.applied.value; }},
    {"trireme_raft_last_index", "End of the log.",
     [](const Group&, const CoreStatus& s) { return s.last.index.value; }},
    {"trireme_raft_snapshot_index", "Last entry of the latest snapshot.",
     [](const Group&, const CoreStatus& s) { return s.snapshot.index.value; }},
    {"trireme_raft_log_memory_bytes", "Data of entries held in memory.",
     [](const Group&, const CoreStatus& s) { return s.log_bytes; }},
    {"trireme_raft_proposals_waiting", "Proposals without a result.",
     [](const Group& g, const CoreStatus&) {
       return std::uint64_t{g.proposals.size() + g.forwards.size()};
     }},
    {"trireme_raft_failed", "1: the group has stopped here.",
     [](const Group& g, const CoreStatus&) { return std::uint64_t{g.failure.ok() ? 0u : 1u}; }},
};

}  // namespace

std::string HostLoop::Metrics() const {
  Page page;
  for (const OfHost& counter : kOfHost) {
    page.Counter(counter.name, counter.help, counters_.*counter.value);
  }
  for (const OfLog& counter : kOfLog) {
    page.Counter(counter.name, counter.help, wal_->stats().*counter.value);
  }
  page.Durations("trireme_raft_log_sync_duration_seconds", "Syncs of the log.",
                 wal_->stats().syncing);
  page.Gauge("trireme_raft_disk_full", "1: proposals are refused for lack of room.",
             disk_full() ? 1 : 0);
  page.Gauge("trireme_raft_log_direct", "1: the log is written past the system's cache.",
             options_.store->bypasses_cache() ? 1 : 0);
  const std::lock_guard lock(turn_mutex_);
  for (const OfGroup& metric : kOfGroup) {
    page.Head(metric.name, "gauge", metric.help);
    for (const Group* group : in_order_) {
      page.OfGroup(metric.name, group->id(), metric.value(*group, group->core->Status()));
    }
  }
  return page.Take();
}

}  // namespace trireme::raft
