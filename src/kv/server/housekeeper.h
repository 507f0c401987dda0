#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <trireme/raft.h>
#include "absl/status/status.h"
#include "kv/server/peer_status.h"
#include "kv/server/roster.h"

namespace trireme::kv::inline engine {

class Member;

/// What a member does by itself, on a thread of its own: says its name and URLs to the others,
/// makes voters of those added that have caught up, compacts, watches the quota and the disk, and
/// finds out that it was removed. Thread-safe.
class Housekeeper {
 public:
  explicit Housekeeper(Member& member) : member_(member) {}
  ~Housekeeper() { Stop(); }

  void Start();
  void Stop();
  /// Where clients are told to find this member.
  void SetClientUrls(std::vector<std::string> urls);

  /// What another server asks before it joins.
  std::string Answer(std::string_view question) const;
  /// An alarm NOSPACE is raised: nothing that grows is taken.
  bool no_space() const { return no_space_.load(std::memory_order_relaxed); }
  /// This member has no room for what it is told to keep.
  bool disk_full() const { return disk_full_; }
  /// Alarms as the newest round found them.
  std::vector<Alarm> alarms() const;
  std::uint64_t leader_changes() const { return leader_changes_; }
  /// Of the store's files; 0 in memory.
  std::uint64_t store_bytes() const { return store_bytes_; }

  /// This member, as its page and those of the others show it.
  PeerStatus SelfStatus(const raft::ReplicaStatus& status, const ReadView& view) const;

  /// Held by whoever changes the membership.
  std::mutex& membership() { return membership_; }

 private:
  void Run();
  void Round();
  void AskWhetherRemoved(const raft::ReplicaStatus& status, const std::vector<RosterEntry>& roster);
  void NoteLeader(const raft::ReplicaStatus& status);
  void NoteRoom(bool disk_full);
  absl::Status PublishSelf(const std::vector<RosterEntry>& roster);
  void PromoteOne(const raft::ReplicaStatus& status, const std::vector<RosterEntry>& roster);
  void FindPeers(const std::vector<RosterEntry>& roster);
  void WatchSpace(const raft::ReplicaStatus& status);
  void CompactByItself(const raft::ReplicaStatus& status);
  std::int64_t CompactionTarget(std::int64_t revision);

  Member& member_;
  std::atomic<bool> no_space_{false}, disk_full_{false};
  std::atomic<std::uint64_t> leader_changes_{0}, store_bytes_{0};
  std::mutex membership_;
  std::thread thread_;
  raft::NodeId leader_;
  std::vector<std::pair<std::uint64_t, std::string>> addresses_;  ///< Told to the transport.
  std::chrono::steady_clock::time_point led_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point next_question_{}, next_measure_{}, next_compaction_{};
  std::deque<std::pair<std::chrono::steady_clock::time_point, std::int64_t>> revisions_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;  // Guarded by mutex_, as all below.
  std::vector<std::string> client_urls_;
  std::vector<Alarm> alarms_;
  std::string members_answer_, status_answer_;
};

/// Bytes of the files under `path`.
std::uint64_t BytesUnder(const std::string& path);

}  // namespace trireme::kv::inline engine
