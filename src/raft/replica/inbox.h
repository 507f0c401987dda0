#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include <trireme/raft.h>
#include "raft/core/types.h"
#include "raft/replica/applier.h"
#include "raft/replica/wal.h"

namespace trireme::raft {

class Group;

/// Runs on the apply thread. Not OK: not granted.
using ReadCallback = absl::AnyInvocable<void(absl::StatusOr<Index>, const AppliedGroup&)>;

/// What has happened and no turn has yet seen. It is taken all at once: one lock per turn and not
/// per entry.
class Inbox {
 public:
  struct ProposalItem {
    Group* group = nullptr;
    SharedBytes data;
    ProposalCallback done;
  };
  struct ReadItem {
    Group* group = nullptr;
    ReadCallback done;
  };
  struct FrameItem {
    NodeId from;
    SharedBytes frame;
  };
  struct Contents {
    std::vector<ProposalItem> proposals;
    std::vector<ReadItem> reads;
    std::vector<FrameItem> frames;
    std::vector<NodeId> unreachable;
    std::vector<WalProgress> persisted;
    std::vector<Applier::Report> applied;
    std::vector<absl::AnyInvocable<void()>> tasks;

    void Clear() {
      proposals.clear();
      reads.clear();
      frames.clear();
      unreachable.clear();
      persisted.clear();
      applied.clear();
      tasks.clear();
    }
  };
  enum class Refusal : std::uint8_t { kNone, kFull, kStopped };

  Inbox(std::uint64_t proposals_max, std::uint64_t proposal_bytes_max,
        std::uint64_t frame_bytes_max)
      : proposals_max_(proposals_max),
        proposal_bytes_max_(proposal_bytes_max),
        frame_bytes_max_(frame_bytes_max) {}

  // ---- What is put in wakes nobody: whoever does it sees to it that a turn is taken.

  /// Takes proposals from the front until a limit is reached; how many. The others stay with the
  /// caller.
  std::size_t Propose(Group* group, std::span<Proposal> proposals, Refusal* refusal);
  Refusal Read(Group* group, ReadCallback& done);
  /// False: too much waits.
  bool Receive(NodeId from, SharedBytes& frame);
  void Persisted(const std::vector<WalProgress>& progress);
  void Applied(const std::vector<Applier::Report>& reports);

  // ---- These wake the loop.

  void Unreachable(NodeId peer);
  void Post(absl::AnyInvocable<void()> task);

  /// Waits until Wake or Close is called, or until the time is over.
  void Await(std::chrono::nanoseconds wait_max);
  /// Ends Await, this one or the next.
  void Wake();
  /// Takes all.
  void Take(Contents* contents);
  bool something() const;
  /// Proposals and reads are refused from now on, and Await does not wait.
  void Close();

 private:
  template <typename Change>
  void Put(const Change& change);

  const std::uint64_t proposals_max_;
  const std::uint64_t proposal_bytes_max_;
  const std::uint64_t frame_bytes_max_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // All guarded by mutex_.
  Contents contents_;
  std::uint64_t proposal_bytes_ = 0;
  std::uint64_t frame_bytes_ = 0;
  bool something_ = false;
  bool woken_ = false;
  bool asleep_ = false;
  bool closed_ = false;
};

}  // namespace trireme::raft
