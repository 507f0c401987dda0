#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <trireme/raft.h>
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "kv/model/view.h"
#include "kv/server/published.h"
#include "rpc/loop.h"
#include "rpc/server_call.h"

namespace trireme::kv::inline engine {

/// From one io thread to Raft and back: what a turn of the loop brings is proposed together, its
/// reads share one read barrier, and what an applied batch answers comes back in one task. What
/// finds no leader is tried again until its time is over. On the loop thread unless said otherwise.
class Gateway final : private rpc::Loop::Flushable, private rpc::Loop::Timer {
 public:
  /// OK: what the entry came to (ParseEntryResult). Otherwise etcd's answer.
  using Answer = absl::AnyInvocable<void(absl::StatusOr<std::string>)>;
  /// Finishes a call, whose request it is given back, from a view.
  using Reading = absl::AnyInvocable<void(rpc::ServerCall&, std::string_view, const ReadView&)>;
  /// What to do while there is no leader.
  enum class Patience : bool { kNone, kWait };

  /// `no_leader_wait`: how long the patient wait.
  Gateway(std::shared_ptr<rpc::Loop> loop, const Published* published,
          std::chrono::milliseconds no_leader_wait)
      : loop_(std::move(loop)), published_(published), no_leader_wait_(no_leader_wait) {}
  /// Before the first call; the replica outlives all of them.
  void Connect(raft::Replica* replica) { replica_ = replica; }

  rpc::Loop& loop() const { return *loop_; }

  /// The entry is proposed at the end of the turn.
  void Propose(std::string entry, Patience patience, Answer answer);
  /// The view is one that has all that was acknowledged before. `request`: what `answer` wants to
  /// be given; a capture of its own would cost memory for each read.
  void ReadLinearizable(Patience patience, std::shared_ptr<rpc::ServerCall> call,
                        std::string request, Reading answer);

  /// On the thread that applies: the answers collected there go to the loop.
  void SendAnswers();

 private:
  using Slot = std::size_t;
  using Clock = rpc::Loop::Clock;

  struct Waiting {
    Answer answer;
    SharedBytes entry;
    Patience patience = Patience::kNone;
    Clock::time_point until{};  ///< Set when a try has failed.
  };
  struct Read {
    std::shared_ptr<rpc::ServerCall> call;
    std::string request;
    Reading answer;
    Patience patience = Patience::kNone;
    Clock::time_point until{};
  };

  void Flush() override;
  void OnTimer() override;
  void FlushProposals();
  void FlushReads();
  void Queue(Slot slot);
  Slot Keep(Waiting waiting);
  void Take(Slot slot, raft::ProposalResult result);
  void RunAnswers();
  void End(Slot slot, raft::ProposalResult result);
  void EndReads(const absl::StatusOr<raft::Index>& granted);
  void EndRead(Read& read, const absl::Status& granted, const ReadView* view);
  bool MayRetry(Patience patience, Clock::time_point* until);
  void RetrySoon();

  const std::shared_ptr<rpc::Loop> loop_;
  const Published* const published_;
  const std::chrono::milliseconds no_leader_wait_;
  raft::Replica* replica_ = nullptr;

  std::vector<raft::Proposal> proposals_;
  std::vector<Waiting> waiting_;  ///< By slot.
  std::vector<Slot> free_slots_;
  std::vector<Slot> retries_;
  std::vector<Read> reads_;          ///< Not yet asked for.
  std::vector<Read> reads_at_work_;  ///< Wait for the barrier under way.
  std::vector<Read> reads_ending_;   ///< Empty but within EndReads.
  std::vector<Read> read_retries_;
  bool timer_armed_ = false;

  std::mutex mutex_;
  std::vector<std::pair<Slot, raft::ProposalResult>> results_;  // Guarded by mutex_.
  std::vector<std::pair<Slot, raft::ProposalResult>> running_;
};

}  // namespace trireme::kv::inline engine
