#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <trireme/raft.h>
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/random.h"
#include "io/histogram.h"
#include "kv/server/batch_feed.h"
#include "kv/server/election_log.h"
#include "kv/server/gateway.h"
#include "kv/server/housekeeper.h"
#include "kv/server/identity.h"
#include "kv/server/key_watch.h"
#include "kv/server/kv_machine.h"
#include "kv/server/lease_driver.h"
#include "kv/server/options.h"
#include "kv/server/published.h"
#include "kv/server/response_wire.h"
#include "kv/server/stream_set.h"
#include "kv/server/workers.h"
#include "rpc/loop.h"
#include "rpc/server_call.h"

namespace trireme::kv::inline engine {

/// This process's member of a cluster: the state machine, Raft under it, and a gateway to Raft on
/// each io thread. What all services are built on. Thread-safe but for Start and Stop.
class Member final : private MachineObserver, private rpc::Loop::Timer {
 public:
  static absl::StatusOr<std::unique_ptr<Member>> Start(const ServerOptions& options);
  ~Member() override;  ///< Stop(), and ends the loops.

  const ServerOptions& options() const { return options_; }
  const Limits& limits() const { return options_.limits; }
  std::uint64_t id() const { return id_; }
  std::uint64_t cluster_id() const { return cluster_id_; }
  const HeaderWriter& header() const { return *header_; }
  const Published& published() const { return published_; }
  raft::Replica& replica() { return node_->replica(); }
  raft::Node& node() { return *node_; }

  /// The io threads; a server over this member has no others. Each has a gateway and a feed of the
  /// same number.
  const std::vector<std::shared_ptr<rpc::Loop>>& loops() const { return loops_; }
  const std::vector<std::unique_ptr<Gateway>>& gateways() const { return gateways_; }
  BatchFeed& feed(std::size_t number) { return *feeds_[number]; }
  /// Of the call's io thread.
  StreamSet& streams(const rpc::ServerCall& call) { return *streams_[NumberOf(call)]; }

  /// The call asks for a leader and there is none.
  bool LacksLeaderFor(const rpc::ServerCall& call) {
    return RequiresLeader(call) && replica().leader() == raft::kNobody;
  }

  Workers& workers() { return workers_; }
  Housekeeper& housekeeper() { return housekeeper_; }
  /// How long batches take to be applied to the store.
  const io::DurationHistogram& applying() const { return applying_; }
  KeyWatch& key_watch() { return key_watch_; }
  ElectionLog& elections() { return elections_; }
  /// Watches under way on each io thread.
  std::vector<std::atomic<std::size_t>>& watches() { return watches_; }
  /// Blocks. Not on an io thread.
  absl::Status ProposeAndWait(const Command& command, std::chrono::milliseconds timeout);

  /// The newest view then has all that was acknowledged before. Blocks likewise.
  absl::Status AwaitReadBarrier(std::chrono::milliseconds timeout);

  // The rest is to be called on the call's, or the gateway's, io thread.

  /// Proposes the command and answers the call with what it came to.
  void Propose(std::shared_ptr<rpc::ServerCall> call, const Command& command);
  /// The same, but `reply` gets the response.
  using Reply = absl::AnyInvocable<void(std::shared_ptr<rpc::ServerCall>, std::string)>;
  void Propose(std::shared_ptr<rpc::ServerCall> call, const Command& command, Reply reply);
  /// For proposals that are no single call's.
  void Propose(Gateway& gateway, const Command& command, Gateway::Patience patience,
               Gateway::Answer answer);
  /// The same for a call: the answer is a response's bytes, or etcd's error.
  void Propose(rpc::ServerCall& call, const Command& command, Gateway::Answer answer);
  /// The io thread of a call.
  const std::shared_ptr<rpc::Loop>& LoopOf(const rpc::ServerCall& call) const {
    return loops_[NumberOf(call)];
  }
  /// `answer` finishes the call from a view that has all that was acknowledged before.
  void ReadLinearizable(std::shared_ptr<rpc::ServerCall> call, std::string request,
                        Gateway::Reading answer);

  std::int64_t LeaseTimeNow() const { return leases_.LeaseTimeNow(); }
  /// The least that is granted, as etcd has it: one and a half election timeouts.
  std::int64_t lease_ttl_min_s() const;
  LeaseId DrawLeaseId();

  /// `done` runs when what a compaction at `revision` made unreadable is gone from the store here.
  void WhenSwept(std::int64_t revision, absl::AnyInvocable<void()> done);

  /// The member cannot go on. Any thread.
  void Fail(const absl::Status& status);
  /// The same, and the call is answered so.
  void Fail(const absl::Status& status, rpc::ServerCall& call);
  /// Not OK: why it cannot.
  absl::Status failure() const;

  /// Hands leadership over, if it has it and another can take it. Waits an election timeout at
  /// most.
  void HandOver();
  /// Ends the calls that would go on for ever.
  void EndStreams();
  /// Ends Raft: what is outstanding is answered. The loops still run.
  void Stop();

 private:
  /// That wait or compute for Workers.
  static constexpr int kWorkerThreads = 3;

  explicit Member(const ServerOptions& options)
      : options_(options),
        leases_(options.election_timeout),
        housekeeper_(*this),
        workers_(kWorkerThreads),
        watches_(static_cast<std::size_t>(std::max(options.io_threads, 1))),
        random_(0) {}
  absl::Status Begin();
  absl::Status OpenMachine();
  absl::Status StartRaft();
  void FlushMachine();
  absl::StatusOr<std::vector<raft::Member>> FirstOfRaft() const;
  static bool Grows(const Command& command);
  std::size_t NumberOf(const rpc::ServerCall& call) const;
  Gateway& gateway(const rpc::ServerCall& call) { return *gateways_[NumberOf(call)]; }
  void KeepLeases();
  void WatchLeader();
  void Sweep();
  void TellSwept();

  bool wants_events() const override;
  void OnApplying() override;
  void OnCommitted(std::shared_ptr<const CommittedBatch> batch) override;
  void OnAnswered() override;
  void OnFailure(const absl::Status& status) override { Fail(status); }
  void OnTimer() override;

  const ServerOptions options_;
  Identity identity_;
  std::uint64_t id_ = 0, cluster_id_ = 0;
  Origin origin_ = 0;
  std::unique_ptr<HeaderWriter> header_;
  Published published_;
  LeaseDriver leases_;
  KeyWatch key_watch_;
  Housekeeper housekeeper_;
  Workers workers_;
  std::vector<std::shared_ptr<rpc::Loop>> loops_;
  std::vector<std::unique_ptr<Gateway>> gateways_;
  std::vector<std::unique_ptr<BatchFeed>> feeds_;
  std::vector<std::unique_ptr<StreamSet>> streams_;
  std::unique_ptr<StoreProvider> stores_;
  std::unique_ptr<raft::StateMachine> machine_;
  std::unique_ptr<raft::Node> node_;
  bool stopped_ = false;
  ElectionLog elections_;
  std::vector<std::atomic<std::size_t>> watches_;

  // Of the thread that applies.
  std::optional<std::chrono::steady_clock::time_point> batch_began_;
  io::DurationHistogram applying_;

  // Of the first loop.
  bool sweeping_ = false;
  std::vector<std::pair<std::int64_t, absl::AnyInvocable<void()>>> sweep_waiters_;
  std::chrono::milliseconds leaderless_{0};

  mutable std::mutex mutex_;
  absl::Status failure_;  // Guarded by mutex_.
  Random random_;         // Guarded by mutex_.
};

}  // namespace trireme::kv::inline engine
