#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <trireme/raft/bytes.h>
#include <trireme/raft/state_machine.h>
#include <trireme/raft/types.h>
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kv/model/model.h"
#include "kv/model/ordered_store.h"
#include "kv/model/results.h"
#include "kv/model/view.h"
#include "kv/server/entry.h"
#include "kv/server/response_wire.h"

namespace trireme::kv::inline engine {

/// The store that a machine's state is in, and the empty ones that take its place.
class StoreProvider {
 public:
  virtual ~StoreProvider() = default;
  /// Open finds what was flushed before the process began.
  virtual bool durable() const = 0;
  /// The store as the last run left it, or an empty one.
  virtual absl::StatusOr<std::shared_ptr<OrderedStore>> Open() = 0;
  /// An empty store beside the present one, to be filled.
  virtual absl::StatusOr<std::shared_ptr<OrderedStore>> OpenEmpty() = 0;
  /// The same, filled with what the Capture of another's store wrote; of stores in files.
  virtual absl::StatusOr<std::shared_ptr<OrderedStore>> Receive(raft::SnapshotSource& from) = 0;
  /// What OpenEmpty or Receive gave, now whole and flushed, is from now on what Open gives.
  virtual absl::Status Adopt() = 0;
};

/// What one batch of entries changed, for those who watch. Shared, never changed once made.
struct CommittedBatch {
  std::shared_ptr<const ReadView> view;
  /// Hold what the events' views point into.
  std::vector<SharedBytes> commands;
  std::vector<Outcome> outcomes;  ///< Those with events, by revision.
  /// False: they were not wanted, or the state was replaced: what happened since the last batch is
  /// to be read from the view.
  bool has_events = false;
  std::size_t lease_count = 0;
  /// Of the lease time: no lease ends before it.
  std::int64_t next_lease_end_ms = 0;
};

/// Told by the machine, on the thread that applies.
class MachineObserver {
 public:
  virtual ~MachineObserver() = default;
  /// Whether CommittedBatch should carry events.
  virtual bool wants_events() const = 0;
  /// A batch begins to be applied; OnCommitted ends it.
  virtual void OnApplying() {}
  /// Before anyone is answered.
  virtual void OnCommitted(std::shared_ptr<const CommittedBatch> batch) = 0;
  /// The results of a batch have gone to their proposers.
  virtual void OnAnswered() = 0;
  /// The state cannot go on: the member must stop.
  virtual void OnFailure(const absl::Status& status) = 0;
};

/// What a proposer is told of its entry: a response's bytes, or an error and no bytes.
struct EntryResult {
  Error error = Error::kNone;
  std::string_view response;
};
/// nullopt: of an entry that this machine did not answer.
std::optional<EntryResult> ParseEntryResult(std::string_view result);

/// etcd's model as Raft's state machine. Only the member that proposed an entry encodes what it
/// came to. No threads, no clock: runs in the simulator too.
class KvMachine final : public raft::StateMachine {
 public:
  struct Options {
    Origin origin = 0;
    std::uint64_t cluster_id = 0, member_id = 0;
  };

  /// Both outlive the machine.
  static absl::StatusOr<std::unique_ptr<KvMachine>> Open(const Options& options,
                                                         StoreProvider* stores,
                                                         MachineObserver* observer);

  void Apply(std::span<const raft::Entry> entries, std::span<std::string> results) override;
  raft::SnapshotWork Capture() override;
  absl::Status Restore(raft::SnapshotSource& from) override;
  /// Takes one step of removing what compaction made unreadable, and a new view; no client sees a
  /// difference.
  absl::StatusOr<std::string> Query(std::string_view request) override;
  void Answered() override { observer_->OnAnswered(); }

  /// An entry of Raft's own.
  void Skip(raft::LogPosition at);
  /// Lets what is applied be made durable; see OrderedStore::StartFlush. Any thread may run it.
  raft::FlushWork Flush();

  const Model& model() const { return *model_; }
  std::shared_ptr<const ReadView> view() const { return view_; }

 private:
  class Peeked;

  KvMachine(const Options& options, StoreProvider* stores, MachineObserver* observer)
      : options_(options),
        header_(options.cluster_id, options.member_id),
        stores_(stores),
        observer_(observer) {}

  absl::Status ApplyAll(std::span<const raft::Entry> entries, std::span<std::string> results);
  absl::Status ApplyOne(const raft::Entry& entry, std::string* result);
  Outcome& NewOutcome();
  void KeepEvents(const raft::Entry& entry, Outcome& outcome);
  absl::Status Publish(bool has_events);
  void TakeView();
  absl::StatusOr<std::shared_ptr<OrderedStore>> Receive(raft::SnapshotSource& from);
  void Fail(const absl::Status& status);

  const Options options_;
  const HeaderWriter header_;
  StoreProvider* const stores_;
  MachineObserver* const observer_;
  std::shared_ptr<OrderedStore> store_;  ///< Outlives model_ and, through views, this.
  std::unique_ptr<Model> model_;
  std::shared_ptr<const ReadView> view_;
  std::shared_ptr<CommittedBatch> batch_ = std::make_shared<CommittedBatch>();
  Outcome outcome_;  ///< Of the entry that is being applied.
  bool wants_events_ = false;
  bool failed_ = false;
};

/// The same over stores that last: Raft keeps its log only until they have been flushed, and no
/// snapshots. Of a store that was just opened.
class DurableKvMachine final : public raft::DurableStateMachine {
 public:
  explicit DurableKvMachine(std::unique_ptr<KvMachine> machine) : machine_(std::move(machine)) {}

  absl::StatusOr<raft::LogPosition> DurablyApplied() override;
  void Apply(std::span<const raft::Entry> entries, std::span<std::string> results) override {
    machine_->Apply(entries, results);
  }
  void Skip(raft::LogPosition at) override { machine_->Skip(at); }
  raft::FlushWork Flush() override { return machine_->Flush(); }
  raft::SnapshotWork Capture() override { return machine_->Capture(); }
  absl::Status Restore(raft::SnapshotSource& from) override { return machine_->Restore(from); }
  absl::StatusOr<std::string> Query(std::string_view request) override {
    return machine_->Query(request);
  }
  void Answered() override { machine_->Answered(); }

 private:
  const std::unique_ptr<KvMachine> machine_;
};

}  // namespace trireme::kv::inline engine
