#include <memory>
#include <utility>

#include <trireme/kv.h>
#include "base/status_macros.h"
#include "fmt/format.h"
#include "kv/client/core.h"
#include "kv/client/ownership.h"
#include "kv/client/watch_feed.h"

namespace trireme::kv {

Leadership::Leadership(std::shared_ptr<internal::Ownership> ownership)
    : ownership_(std::move(ownership)) {}
Leadership::Leadership(Leadership&&) noexcept = default;
Leadership& Leadership::operator=(Leadership&&) noexcept = default;
Leadership::~Leadership() = default;

FencingToken Leadership::token() const {
  return ownership_->token();
}

const std::string& Leadership::key() const {
  return ownership_->key();
}

bool Leadership::held() const {
  return ownership_->lease().alive();
}

bool Leadership::WaitLost(absl::Duration timeout) const {
  return ownership_->lease().WaitLost(timeout);
}

void Leadership::OnLost(absl::AnyInvocable<void()> callback) {
  ownership_->lease().OnLost(std::move(callback));
}

Txn Leadership::Fenced(Txn txn) const {
  return txn.Fence(ownership_->Fence());
}

absl::Status Leadership::Proclaim(std::string_view value, CallOptions options) {
  return ownership_->Rewrite(value, options.timeout);
}

absl::Status Leadership::Resign(CallOptions options) {
  return ownership_->Leave(options.timeout);
}

absl::StatusOr<Leadership> Client::Campaign(std::string_view name, std::string_view value,
                                            LockOptions options) {
  const absl::Time deadline = absl::Now() + options.timeout;
  TRIREME_ASSIGN_OR_RETURN(
      auto ownership,
      internal::Ownership::Enter(core_, name, value, options.ttl,
                                 std::min(options.timeout, core_->options().call_timeout)));
  TRIREME_RETURN_IF_ERROR(ownership->AwaitTurn(deadline - absl::Now(), options.cancelled));
  return Leadership(std::move(ownership));
}

namespace {

RangeQuery OldestKey(std::string_view name) {
  return {.range = KeyRange::Prefix(internal::OwnershipPrefix(name)),
          .limit = 1,
          .order = Order::kAscending,
          .sort_by = SortBy::kCreated};
}

}  // namespace

absl::StatusOr<KeyValue> Client::Leader(std::string_view name, CallOptions options) {
  TRIREME_ASSIGN_OR_RETURN(RangeResult found, Range(OldestKey(name), options));
  if (found.keys.empty()) {
    return absl::NotFoundError(fmt::format("nobody leads election '{}'", name));
  }
  return std::move(found.keys.front());
}

// ---- Observing.

/// Any change under the election's prefix makes it look again who is the oldest.
class LeaderObserver::State {
 public:
  State(std::shared_ptr<internal::WatchFeed> feed,
        std::function<absl::StatusOr<RangeResult>()> look)
      : feed_(std::move(feed)), look_(std::move(look)) {}
  ~State() { feed_->Cancel(); }

  absl::StatusOr<KeyValue> Next(absl::Duration timeout) {
    const absl::Time deadline = absl::Now() + timeout;
    while (true) {
      TRIREME_RETURN_IF_ERROR(LookIfChanged());
      if (leader_ && leader_ != given_) {
        given_ = leader_;
        return *leader_;
      }
      TRIREME_ASSIGN_OR_RETURN(const WatchBatch batch, feed_->Next(deadline - absl::Now()));
      looked_ = batch.revision <= seen_;
    }
  }

 private:
  absl::Status LookIfChanged() {
    if (looked_) return absl::OkStatus();
    TRIREME_ASSIGN_OR_RETURN(RangeResult found, look_());
    looked_ = true;
    seen_ = found.revision;
    leader_.reset();
    if (!found.keys.empty()) leader_ = std::move(found.keys.front());
    return absl::OkStatus();
  }

  const std::shared_ptr<internal::WatchFeed> feed_;
  const std::function<absl::StatusOr<RangeResult>()> look_;
  bool looked_ = false;
  Revision seen_;  // Of the last look.
  std::optional<KeyValue> leader_, given_;
};

LeaderObserver::LeaderObserver(std::unique_ptr<State> state) : state_(std::move(state)) {}
LeaderObserver::LeaderObserver(LeaderObserver&&) noexcept = default;
LeaderObserver::~LeaderObserver() = default;

absl::StatusOr<KeyValue> LeaderObserver::Next(absl::Duration timeout) {
  return state_->Next(timeout);
}

absl::StatusOr<LeaderObserver> Client::Observe(std::string_view name, CallOptions options) {
  auto feed = std::make_shared<internal::WatchFeed>(
      core_, KeyRange::Prefix(internal::OwnershipPrefix(name)), WatchOptions{});
  feed->Begin();
  // The watch stands before the first look, so that no change falls between them.
  if (absl::Status status = feed->AwaitAccepted(core_->TimeoutOf(options.timeout)); !status.ok()) {
    feed->Cancel();
    return status;
  }
  return LeaderObserver(std::make_unique<LeaderObserver::State>(
      std::move(feed), [this, query = OldestKey(name)] { return Range(query); }));
}

}  // namespace trireme::kv
