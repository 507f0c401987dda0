#include <memory>
#include <utility>

#include <trireme/kv.h>
#include "base/status_macros.h"
#include "kv/client/core.h"
#include "kv/client/ownership.h"

namespace trireme::kv {

Lock::Lock(std::shared_ptr<internal::Ownership> ownership) : ownership_(std::move(ownership)) {}
Lock::Lock(Lock&&) noexcept = default;
Lock& Lock::operator=(Lock&&) noexcept = default;
Lock::~Lock() = default;

FencingToken Lock::token() const {
  return ownership_->token();
}

const std::string& Lock::key() const {
  return ownership_->key();
}

bool Lock::held() const {
  return ownership_->lease().alive();
}

bool Lock::WaitLost(absl::Duration timeout) const {
  return ownership_->lease().WaitLost(timeout);
}

void Lock::OnLost(absl::AnyInvocable<void()> callback) {
  ownership_->lease().OnLost(std::move(callback));
}

Txn Lock::Fenced(Txn txn) const {
  return txn.Fence(ownership_->Fence());
}

absl::Status Lock::Release(CallOptions options) {
  return ownership_->Leave(options.timeout);
}

namespace {

/// Of one call within a wait of `timeout`.
absl::Duration CallTimeout(const internal::Core& core, absl::Duration timeout) {
  return std::min(timeout, core.options().call_timeout);
}

}  // namespace

absl::StatusOr<Lock> Client::Acquire(std::string_view name, LockOptions options) {
  const absl::Time deadline = absl::Now() + options.timeout;
  TRIREME_ASSIGN_OR_RETURN(auto ownership,
                           internal::Ownership::Enter(core_, name, "", options.ttl,
                                                      CallTimeout(*core_, options.timeout)));
  TRIREME_RETURN_IF_ERROR(ownership->AwaitTurn(deadline - absl::Now(), options.cancelled));
  return Lock(std::move(ownership));
}

absl::StatusOr<std::optional<Lock>> Client::TryAcquire(std::string_view name, LockOptions options) {
  const absl::Duration timeout = CallTimeout(*core_, options.timeout);
  TRIREME_ASSIGN_OR_RETURN(auto ownership,
                           internal::Ownership::Enter(core_, name, "", options.ttl, timeout));
  TRIREME_ASSIGN_OR_RETURN(const bool first, ownership->IsFirst(timeout));
  if (!first) return std::optional<Lock>();
  return std::optional<Lock>(Lock(std::move(ownership)));
}

}  // namespace trireme::kv
