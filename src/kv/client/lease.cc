#include <memory>
#include <utility>

#include <trireme/kv.h>
#include "base/status_macros.h"
#include "kv/client/core.h"
#include "kv/client/granting.h"
#include "kv/client/held_lease.h"

namespace trireme::kv {

Lease::Lease(std::shared_ptr<internal::HeldLease> held) : held_(std::move(held)) {}
Lease::Lease(Lease&&) noexcept = default;

Lease& Lease::operator=(Lease&& other) noexcept {
  Lease old(std::move(held_));  // Revoked on return.
  held_ = std::move(other.held_);
  return *this;
}

Lease::~Lease() {
  if (held_) held_->Abandon();
}

LeaseId Lease::id() const {
  return held_->id();
}

absl::Duration Lease::ttl() const {
  return held_->ttl();
}

bool Lease::alive() const {
  return held_->alive();
}

bool Lease::WaitLost(absl::Duration timeout) const {
  return held_->WaitLost(timeout);
}

void Lease::OnLost(absl::AnyInvocable<void()> callback) {
  held_->OnLost(std::move(callback));
}

absl::Status Lease::Revoke(CallOptions options) {
  return held_->Revoke(options.timeout);
}

absl::StatusOr<Lease> Client::Grant(LeaseOptions options) {
  TRIREME_ASSIGN_OR_RETURN(auto held,
                           internal::Grant(core_, options.ttl, core_->TimeoutOf(options.timeout)));
  return Lease(std::move(held));
}

}  // namespace trireme::kv
