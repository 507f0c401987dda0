#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/sharded/core/call.h"

namespace trireme::sim::sharded {

/// Where configurations are kept: a group that serves every key.
inline constexpr GroupId kStore{0xffff};
inline constexpr char kCurrentKey[] = "current";

/// A client's one operation after the other. It asks the group that serves the key by the latest
/// configuration that it knows; "wrong group" and silence make it ask for the configuration again.
class Clerk : public Decider {
 public:
  enum class Outcome : std::uint8_t {
    kOk,
    kNoKey,
    kWrongVersion,
    /// A put's first attempt went unanswered and a later one came too late: it may have been that
    /// first one that it came too late for.
    kMaybe,
  };
  struct Done {
    Outcome outcome = Outcome::kOk;
    std::string value;
    std::uint64_t version = 0;
  };

  explicit Clerk(std::vector<ServerId> store) : store_(std::move(store)) {}

  /// Get or Put; idle.
  void Begin(Command command);
  void Step(const Returned& returned) override;
  std::vector<Call> TakeCalls() override { return std::exchange(calls_, {}); }
  bool idle() const override { return !command_.has_value(); }
  /// Of the operation that was begun last, once idle.
  const Done& done() const { return done_; }

 private:
  static constexpr std::uint64_t kAgainMs = 20;

  void AskGroup();
  void AskForConfig(std::uint64_t wait_ms);
  void TakeConfig(const Returned& returned);
  void Finish(const Result& result);
  void CallTo(GroupId group, const std::vector<ServerId>& servers, Command command,
              std::uint64_t wait_ms);

  std::vector<ServerId> store_;
  ShardConfig config_;
  std::optional<Command> command_;
  Shard shard_ = 0;
  bool maybe_ = false;   ///< An attempt went unanswered.
  bool asking_ = false;  ///< For the configuration.
  std::uint64_t call_ = 0;
  std::vector<Call> calls_;
  Done done_;
};

}  // namespace trireme::sim::sharded
