#include "kv/client/core.h"

#include <algorithm>
#include <random>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "kv/client/lease_keeper.h"
#include "kv/client/limits.h"
#include "kv/client/operations.h"
#include "kv/client/retrying_call.h"

namespace trireme::kv::internal {
namespace {

std::uint64_t Seed() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

}  // namespace

absl::Status ClientClosed() {
  return absl::CancelledError("the client was destroyed");
}

absl::Status UnparsableReply(std::string_view method) {
  return absl::InternalError(
      fmt::format("the reply of {} does not parse as its message type", method));
}

absl::StatusOr<std::shared_ptr<Core>> Core::Create(ClientOptions options) {
  const std::uint64_t seed = Seed();
  auto loop = rpc::Loop::Create();
  TRIREME_ASSIGN_OR_RETURN(Endpoints endpoints, Endpoints::Create(options, loop, seed >> 32));
  std::shared_ptr<Core> core(
      new Core(std::move(options), std::move(loop), std::move(endpoints), seed));
  core->leases_ = std::make_unique<LeaseKeeper>(*core);
  core->operations_ = std::make_unique<Operations>(*core);
  return core;
}

Core::Core(ClientOptions options, std::shared_ptr<rpc::Loop> loop, Endpoints endpoints,
           std::uint64_t seed)
    : options_(std::move(options)),
      loop_(std::move(loop)),
      endpoints_(std::move(endpoints)),
      random_(seed) {}

Core::~Core() = default;

rpc::Metadata Core::CallMetadata() {
  return {{"hasleader", "true"}};
}

absl::Duration Core::BackoffAfter(int failures) {
  const int rounds = failures / static_cast<int>(endpoints_.size());
  if (rounds == 0) return absl::ZeroDuration();
  absl::Duration wait = options_.backoff_min;
  for (int i = 1; i < rounds && wait < options_.backoff_max; ++i) wait *= 2;
  return std::min(wait, options_.backoff_max) * (0.5 + random_.Unit());
}

void Core::Start(CallPlan plan) {
  auto call = std::make_shared<RetryingCall>(shared_from_this(), std::move(plan));
  Post([call] { call->Begin(); });
}

void Core::StartLast(CallPlan plan) {
  {
    const std::lock_guard lock(mutex_);
    ++last_calls_;
  }
  plan.done = [self = shared_from_this(), done = std::move(plan.done)](
                  absl::StatusOr<std::string> reply, bool tainted) mutable {
    if (done) done(std::move(reply), tainted);
    const std::lock_guard lock(self->mutex_);
    if (--self->last_calls_ == 0) self->last_call_over_.notify_all();
  };
  Start(std::move(plan));
}

void Core::Add(std::shared_ptr<Activity> activity) {
  Activity* const key = activity.get();
  activities_.emplace(key, std::move(activity));
}

void Core::Remove(Activity* activity) {
  activities_.erase(activity);
}

void Core::Close() {
  Await<bool>(*this, [this](auto done) {
    Post([this, done]() mutable {
      operations_->Release();
      done(true);
    });
  });
  {
    std::unique_lock lock(mutex_);
    last_call_over_.wait_for(lock, absl::ToChronoMilliseconds(kCloseGrace),
                             [&] { return last_calls_ == 0; });
  }
  Await<bool>(*this, [this](auto done) {
    Post([this, done]() mutable {
      CloseOnLoop();
      done(true);
    });
  });
}

void Core::CloseOnLoop() {
  if (std::exchange(closed_, true)) return;
  leases_->Stop();
  for (const auto& [_, activity] : std::exchange(activities_, {})) activity->Stop();
  endpoints_.Close();
}

}  // namespace trireme::kv::internal
