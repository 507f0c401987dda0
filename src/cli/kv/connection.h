#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <trireme/kv.h>
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/kv/options.h"
#include "kv/client/verdict.h"
#include "rpc/channel.h"

namespace trireme::kvcli {

/// A longer answer ends its call: what a length of gRPC's may say in Go's clients.
inline constexpr std::size_t kAnswerBytesMax = (1u << 31) - 1;
/// One try of a call that may be repeated, when there are other members to ask.
inline constexpr absl::Duration kTryTimeout = absl::Seconds(2);
/// Between two rounds over all members.
inline constexpr absl::Duration kRoundWait = absl::Milliseconds(100);

/// The members of one cluster. A call goes to one of them until it fails there.
class Connection {
 public:
  /// kBadConnection: no endpoint; kBadArguments: TLS files that do not load.
  static absl::StatusOr<std::unique_ptr<Connection>> Create(
      const std::vector<std::string>& endpoints, const GlobalOptions& options);

  const std::vector<std::string>& endpoints() const { return endpoints_; }
  absl::Duration timeout() const { return timeout_; }
  const std::shared_ptr<rpc::Channel>& channel(std::size_t index) const { return channels_[index]; }
  /// Where the last call was answered.
  const std::shared_ptr<rpc::Channel>& current() const { return channels_[current_]; }
  std::size_t current_index() const { return current_; }
  void MoveOn() { current_ = (current_ + 1) % channels_.size(); }

  /// `call(channel, options)` gives a StatusOr. It is tried on all members, and again, until one
  /// answers or the command's time is over; a call that is not `repeatable` not once a try may have
  /// been executed.
  template <class Call>
  auto Do(bool repeatable, Call call) {
    Tries tries(*this, repeatable);
    while (true) {
      auto result = call(current(), tries.Next());
      if (result.ok() || tries.IsLast(result.status())) return result;
    }
  }

 private:
  class Tries {
   public:
    Tries(Connection& connection, bool repeatable);
    rpc::CallOptions Next();
    /// After a failure: whether it is the answer. If not, the next member is up, at its time.
    bool IsLast(const absl::Status& status);

   private:
    Connection& connection_;
    const bool repeatable_;
    const absl::Time deadline_;
    std::size_t failures_ = 0;
  };

  std::vector<std::string> endpoints_;
  std::vector<std::shared_ptr<rpc::Channel>> channels_;
  std::size_t current_ = 0;
  absl::Duration timeout_;
};

/// The options of <trireme/kv.h> for the same members.
absl::StatusOr<kv::ClientOptions> ClientOptionsOf(const std::vector<std::string>& endpoints,
                                                  const GlobalOptions& options);

}  // namespace trireme::kvcli
