#include "kv/client/ownership.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "kv/client/granting.h"
#include "kv/client/limits.h"
#include "kv/client/transactions.h"
#include "kv/client/verdict.h"
#include "kv/client/watch_feed.h"

namespace trireme::kv::internal {
namespace {

/// Whether another try may help: nobody answered, which says nothing of the question.
bool IsPassing(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

}  // namespace

std::string OwnershipPrefix(std::string_view name) {
  return fmt::format("{}/", name);
}

Ownership::Ownership(std::shared_ptr<Core> core, std::string_view name,
                     std::shared_ptr<HeldLease> lease)
    : core_(std::move(core)),
      prefix_(OwnershipPrefix(name)),
      lease_(std::move(lease)),
      key_(fmt::format("{}{:x}", prefix_, lease_->id().value)) {}

Ownership::~Ownership() {
  lease_->Abandon();
}

absl::StatusOr<std::shared_ptr<Ownership>> Ownership::Enter(std::shared_ptr<Core> core,
                                                            std::string_view name,
                                                            std::string_view value,
                                                            absl::Duration ttl,
                                                            absl::Duration timeout) {
  TRIREME_ASSIGN_OR_RETURN(auto lease, Grant(core, ttl, timeout));
  std::shared_ptr<Ownership> result(new Ownership(std::move(core), name, std::move(lease)));
  TRIREME_RETURN_IF_ERROR(result->WriteKey(value, timeout));
  return result;
}

/// May be repeated: the key is the lease's own, so that one that is there has been written by this.
absl::Status Ownership::WriteKey(std::string_view value, absl::Duration timeout) {
  Txn txn;
  txn.If(CreatedOf(key_) == Revision{}).Then(Put(key_, value, lease_->id())).Else(Get(key_));
  TRIREME_ASSIGN_OR_RETURN(const TxnResult result, Commit(core_, txn, timeout, true));
  if (result.succeeded) {
    token_ = {result.revision.value};
    return absl::OkStatus();
  }
  const RangeResult* found = result.results.front().range();
  if (found->keys.empty()) return Lost();
  token_ = {found->keys.front().created.value};
  return absl::OkStatus();
}

absl::StatusOr<Ownership::Turn> Ownership::LookBefore(absl::Duration timeout) {
  RangeQuery before{.range = KeyRange::Prefix(prefix_),
                    .limit = 1,
                    .order = Order::kDescending,
                    .sort_by = SortBy::kCreated,
                    .keys_only = true,
                    .created_max = Revision{token_.value - 1}};
  Txn txn;
  txn.If(Fence()).Then(Get(std::move(before)));
  TRIREME_ASSIGN_OR_RETURN(const TxnResult result, Commit(core_, txn, timeout, true));
  if (!result.succeeded) return Lost();
  const RangeResult* found = result.results.front().range();
  if (found->keys.empty()) return Turn{std::nullopt, result.revision};
  return Turn{found->keys.front().key, result.revision};
}

absl::StatusOr<bool> Ownership::IsFirst(absl::Duration timeout) {
  TRIREME_ASSIGN_OR_RETURN(const Turn turn, LookBefore(timeout));
  return !turn.before.has_value();
}

absl::Status Ownership::AwaitTurn(absl::Duration timeout, const std::atomic<bool>* cancelled) {
  const absl::Time deadline = absl::Now() + timeout;
  while (true) {
    const absl::Duration remaining = deadline - absl::Now();
    if (remaining <= absl::ZeroDuration()) {
      return absl::DeadlineExceededError(fmt::format("'{}' was held by others for all of {}",
                                                     prefix_.substr(0, prefix_.size() - 1),
                                                     absl::FormatDuration(timeout)));
    }
    if (cancelled != nullptr && *cancelled) return absl::CancelledError("the wait was given up");
    if (!lease_->alive()) return Lost();
    const absl::StatusOr<Turn> turn = LookBefore(std::min(remaining, lease_->ttl()));
    if (!turn.ok() && !IsPassing(turn.status())) return turn.status();
    if (!turn.ok()) continue;
    if (!turn->before) return lease_->alive() ? absl::OkStatus() : Lost();
    AwaitDeletion(*turn, std::min(remaining, kOwnershipRecheck));
  }
}

void Ownership::AwaitDeletion(const Turn& turn, absl::Duration timeout) {
  WatchOptions options{.from = Revision{turn.revision.value + 1}, .puts = false};
  auto feed = std::make_shared<WatchFeed>(core_, KeyRange::Single(*turn.before), options);
  feed->Begin();
  // Whatever comes, the keys are read again.
  static_cast<void>(feed->Next(std::min(timeout, lease_->ttl() / kRenewalsPerTtl)));
  feed->Cancel();
}

Compare Ownership::Fence() const {
  return CreatedOf(key_) == Revision{token_.value};
}

absl::Status Ownership::Lost() const {
  return absl::FailedPreconditionError(
      fmt::format("'{}' is not held any more: its lease of {} was lost", key_,
                  absl::FormatDuration(lease_->ttl())));
}

/// Only this writes the key, so that another version than the expected one is from a call whose end
/// was not known. The version keeps a late try from undoing a later Rewrite.
absl::Status Ownership::Rewrite(std::string_view value, absl::Duration timeout) {
  const std::lock_guard lock(mutex_);
  timeout = core_->TimeoutOf(timeout);
  while (true) {
    Txn txn;
    txn.If(Fence(), VersionOf(key_) == version_)
        .Then(Put(key_, value, lease_->id()))
        .Else(Get(key_));
    TRIREME_ASSIGN_OR_RETURN(const TxnResult result, Commit(core_, txn, timeout, true));
    if (result.succeeded) {
      ++version_.value;
      return absl::OkStatus();
    }
    const RangeResult* found = result.results.front().range();
    if (found->keys.empty() || found->keys.front().created.value != token_.value) return Lost();
    version_ = found->keys.front().version;
    if (found->keys.front().value == value) return absl::OkStatus();
  }
}

absl::Status Ownership::Leave(absl::Duration timeout) {
  return lease_->Revoke(timeout);
}

}  // namespace trireme::kv::internal
