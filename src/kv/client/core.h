#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include <trireme/kv.h>
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "base/check.h"
#include "base/random.h"
#include "kv/client/endpoints.h"
#include "rpc/codec.h"
#include "rpc/loop.h"
#include "rpc/metadata.h"
#include "rpc/payload.h"

namespace trireme::kv::internal {

class LeaseKeeper;
class Operations;

/// Something that runs on the loop thread until it is done or the client ends.
class Activity {
 public:
  virtual ~Activity() = default;
  /// The client ends: fail whoever waits with CANCELLED. Called once, on the loop thread.
  virtual void Stop() = 0;
};

/// A call with one request and one reply, tried until it is answered or its time is over.
struct CallPlan {
  /// How one try differs from the one before: `tainted`, an earlier one may have been executed.
  using Request = std::function<rpc::Payload(bool tainted)>;
  /// `tainted`: with a reply, a try before the answered one may have been executed, or may yet be;
  /// with an error, any try.
  using Done = absl::AnyInvocable<void(absl::StatusOr<std::string> reply, bool tainted)>;

  std::string_view method;  ///< Outlives the call: a literal of the namespace.
  Request request;
  /// Whether to try again though an earlier try may have been executed.
  bool repeatable = false;
  absl::Duration timeout;
  Done done;  ///< On the loop thread, once.
};

/// What all parts of one client share. Everything happens on the thread of one loop, so nothing of
/// it needs a lock; methods not marked otherwise are called there.
class Core : public std::enable_shared_from_this<Core> {
 public:
  static absl::StatusOr<std::shared_ptr<Core>> Create(ClientOptions options);
  ~Core();

  /// Any thread.
  const ClientOptions& options() const { return options_; }
  const std::shared_ptr<rpc::Loop>& loop() const { return loop_; }
  void Post(absl::AnyInvocable<void()> task) { loop_->Post(std::move(task)); }
  /// Any thread. Zero stands for the client's own.
  absl::Duration TimeoutOf(absl::Duration given) const {
    return given == absl::ZeroDuration() ? options_.call_timeout : given;
  }
  /// Any thread.
  void Start(CallPlan plan);
  /// Any thread: a call that Close waits for a moment.
  void StartLast(CallPlan plan);
  /// Any thread but the loop's. Idempotent.
  void Close();

  bool closed() const { return closed_; }
  Endpoints& endpoints() { return endpoints_; }
  LeaseKeeper& leases() { return *leases_; }
  Operations& operations() { return *operations_; }
  Random& random() { return random_; }
  /// The wait before the try after `failures` failed ones, zero until each endpoint had its turn.
  absl::Duration BackoffAfter(int failures);
  /// Metadata of every call: a member without a leader refuses it rather than to let it wait.
  static rpc::Metadata CallMetadata();

  /// Held until Remove, or the client's end.
  void Add(std::shared_ptr<Activity> activity);
  void Remove(Activity* activity);

 private:
  Core(ClientOptions options, std::shared_ptr<rpc::Loop> loop, Endpoints endpoints,
       std::uint64_t seed);
  void CloseOnLoop();

  const ClientOptions options_;
  const std::shared_ptr<rpc::Loop> loop_;
  Endpoints endpoints_;
  Random random_;
  bool closed_ = false;
  absl::flat_hash_map<Activity*, std::shared_ptr<Activity>> activities_;
  std::unique_ptr<LeaseKeeper> leases_;
  std::unique_ptr<Operations> operations_;

  std::mutex mutex_;
  std::condition_variable last_call_over_;
  int last_calls_ = 0;  // Guarded by mutex_.
};

absl::Status ClientClosed();

/// A plan whose request is the same in each try.
template <class Request>
CallPlan PlanOf(std::string_view method, const Request& request, bool repeatable,
                absl::Duration timeout) {
  rpc::Payload payload = rpc::Codec<Request>::Serialize(request);
  return {method, [payload = std::move(payload)](bool) { return payload; }, repeatable, timeout,
          nullptr};
}

absl::Status UnparsableReply(std::string_view method);

/// `done(absl::StatusOr<Reply>, bool tainted)`.
template <class Reply, class Done>
CallPlan::Done Parsing(std::string_view method, Done done) {
  return [method, done = std::move(done)](absl::StatusOr<std::string> bytes, bool tainted) mutable {
    if (!bytes.ok()) return done(absl::StatusOr<Reply>(bytes.status()), tainted);
    Reply reply;
    if (!rpc::Codec<Reply>::Parse(*std::move(bytes), &reply)) {
      return done(absl::StatusOr<Reply>(UnparsableReply(method)), true);
    }
    done(absl::StatusOr<Reply>(std::move(reply)), tainted);
  };
}

/// Waits for what `start(callback)` gives to its callback. Never on the loop thread.
template <class Result, class Start>
Result Await(const Core& core, Start start) {
  TRIREME_CHECK(!core.loop()->InThread());
  auto promise = std::make_shared<std::promise<Result>>();
  auto future = promise->get_future();
  start([promise](Result result) { promise->set_value(std::move(result)); });
  return future.get();
}

inline std::chrono::steady_clock::time_point After(absl::Duration duration) {
  const auto now = std::chrono::steady_clock::now();
  return duration >= absl::Hours(24 * 365 * 10) ? std::chrono::steady_clock::time_point::max()
                                                : now + absl::ToChronoNanoseconds(duration);
}

}  // namespace trireme::kv::internal
