#pragma once

#include <memory>
#include <string>

#include "kv/client/core.h"

namespace trireme::kv::internal {

/// The life of one CallPlan: tries, moves to other endpoints, waits, answers. On the loop thread.
class RetryingCall final : public Activity,
                           public rpc::Loop::Timer,
                           public std::enable_shared_from_this<RetryingCall> {
 public:
  RetryingCall(std::shared_ptr<Core> core, CallPlan plan);

  void Begin();
  void Stop() override;

 private:
  using Clock = rpc::Loop::Clock;

  void OnTimer() override { Try(); }
  void Try();
  void OnReply(absl::StatusOr<std::string> reply, const rpc::ReplyMetadata& metadata);
  void TryAgain(const rpc::ReplyMetadata& metadata);
  absl::Duration Remaining() const;
  absl::Status OutOfTime() const;
  void Finish(absl::StatusOr<std::string> reply);

  const std::shared_ptr<Core> core_;
  CallPlan plan_;
  const Clock::time_point deadline_;
  std::size_t endpoint_ = 0;  // Of the try under way.
  int failures_ = 0;
  bool under_way_ = false;  // A try whose end is not known yet.
  bool tainted_ = false;
  bool finished_ = false;
  absl::Status last_error_;
};

}  // namespace trireme::kv::internal
