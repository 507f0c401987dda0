#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kv/model/layout.h"
#include "kv/model/lease_table.h"
#include "kv/model/ordered_store.h"
#include "kv/model/requests.h"
#include "kv/model/results.h"
#include "kv/model/view.h"
#include "kv/model/writer.h"

namespace trireme::kv::inline engine {

/// Leases that one Tick ends at most; the next Tick ends the others.
inline constexpr int kLeasesExpiredPerTick = 1000;
/// Changes that one step of a sweep looks at, by default: some milliseconds of work.
inline constexpr std::size_t kSweepChangesDefault = 1000;

struct ModelOptions {
  /// Of the newest versions without their values: a put of a key that is held there reads nothing.
  std::size_t newest_cache_bytes = 40 << 20;
};

/// etcd's data model as a state machine over an ordered store. Equal commands in equal order give
/// equal states, outcomes and, over equal stores, bytes. One thread; views may go to any.
///
/// A status that is not OK comes from the store or from a log that cannot be read. The state is
/// then undefined: the member stops.
class Model {
 public:
  /// `store` is empty or was written by a Model, and outlives this one.
  static absl::StatusOr<std::unique_ptr<Model>> Open(OrderedStore& store,
                                                     const ModelOptions& options = {});

  /// Carries out the log's entry (index, term), the one after the last. `command`'s bytes must
  /// outlive `outcome`, whose events point into them.
  absl::Status Apply(std::uint64_t index, std::uint64_t term, std::string_view command,
                     Outcome* outcome);
  absl::Status Apply(std::uint64_t index, std::uint64_t term, const Command& command,
                     Outcome* outcome);
  /// An entry that holds no command.
  void Skip(std::uint64_t index, std::uint64_t term);
  /// Makes what was applied since the last time visible to View, in one batch. Only then may anyone
  /// be told of it.
  absl::Status Commit();

  /// The last entry applied. After a restart the log is applied from the one after it.
  std::uint64_t applied_index() const { return meta_.applied_index; }
  const Meta& meta() const { return meta_; }
  std::size_t lease_count() const { return leases_.size(); }
  /// A Tick with an earlier time ends no lease.
  std::int64_t next_lease_end_ms() const { return leases_.next_end_ms(); }

  /// What is committed. To be called with nothing pending, by the thread that applies.
  std::shared_ptr<const ReadView> View();

  /// Removes a part of what compaction made unreadable: at most `changes_max` changes are looked
  /// at. True: there is more. To be followed by Commit, between batches.
  absl::StatusOr<bool> Sweep(std::size_t changes_max = kSweepChangesDefault);

 private:
  Model(OrderedStore& store, const ModelOptions& options);
  absl::Status Load();
  absl::Status LoadLeases();
  /// Lets the store remove what compaction made unreadable, if it does so by itself.
  void LetDrop();

  absl::Status Do(const PutRequest& request, Outcome* outcome);
  absl::Status Do(const DeleteRangeRequest& request, Outcome* outcome);
  absl::Status Do(const TxnRequest& request, Outcome* outcome);
  absl::Status Do(const CompactRequest& request, Outcome* outcome);
  absl::Status Do(const LeaseGrantRequest& request, Outcome* outcome);
  absl::Status Do(const LeaseRevokeRequest& request, Outcome* outcome);
  absl::Status Do(const LeaseKeepAliveRequest& request, Outcome* outcome);
  absl::Status Do(const TickRequest& request, Outcome* outcome);
  absl::Status Do(const ExtendLeasesRequest& request, Outcome* outcome);
  absl::Status Do(const NoteRequest& request, Outcome* outcome);

  bool HasLease(LeaseId id) const;
  /// Whether the key exists where it has to.
  absl::StatusOr<Error> CheckPut(const PutRequest& request);
  absl::StatusOr<Error> CheckTxn(const TxnRequest& request, const std::vector<bool>& path);
  absl::Status RunLeaf(Writer& writer, const RequestOp& op, ResponseOp* response);
  absl::Status Revoke(LeaseId id, Outcome* outcome);
  void SetLease(LeaseId id, const LeaseRecord& record);
  void SweepOne(const Revision& at, const RevisionRecord& change);

  OrderedStore& store_;
  std::unique_ptr<StoreIterator> iterator_, newest_iterator_;
  Workspace work_;
  Meta meta_;
  LeaseTable leases_;
  Revision swept_to_;  ///< Where the next step of a sweep begins.
};

}  // namespace trireme::kv::inline engine
