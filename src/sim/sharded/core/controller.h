#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/sharded/core/call.h"
#include "sim/sharded/core/clerk.h"

namespace trireme::sim::sharded {

inline constexpr char kNextKey[] = "next";

/// Changes the configuration. Any number of them may be at it at once, be cut off in the middle and
/// come back: the state of a change is in the store of the configurations and in the groups, never
/// in its controller alone.
///
///   1. Read "current" and "next".
///   2. If "next" is later than "current", somebody has begun a change: go on with that one.
///      Otherwise announce the change that is wanted: put it under "next", if nobody else has.
///   3. Move every shard that changes hands: freeze, install, delete.
///   4. Publish: put it under "current", if nobody else has.
///   5. If it was somebody else's change that was finished, begin again with one's own.
///
/// A controller that has been replaced notices at the latest when it publishes, by the version of
/// "current", and sooner when a group does not answer it; its steps in between have no effect, by
/// their number.
class Controller : public Decider {
 public:
  enum class Outcome : std::uint8_t {
    kPublished,  ///< What was wanted is in force.
    kNothing,    ///< There was nothing to do, or nothing more.
    kReplaced,   ///< Another controller came first; what was wanted is to be asked for anew.
  };
  struct Change {
    std::map<GroupId, std::vector<ServerId>> join;
    std::vector<GroupId> leave;
  };

  explicit Controller(std::vector<ServerId> store) : store_(std::move(store)) {}

  /// Idle. An empty change only finishes what another controller has begun.
  void Begin(Change change);
  void Step(const Returned& returned) override;
  std::vector<Call> TakeCalls() override { return std::exchange(calls_, {}); }
  bool idle() const override { return stage_ == Stage::kIdle; }
  /// Of the change that was begun last, once idle.
  Outcome outcome() const { return outcome_; }
  /// The configuration in force, as it was seen last.
  const ShardConfig& current() const { return current_.config; }
  bool moving() const { return stage_ == Stage::kMoving; }

 private:
  static constexpr std::uint64_t kAgainMs = 20;

  enum class Stage : std::uint8_t {
    kIdle,
    kReadingCurrent,
    kReadingNext,
    kAnnouncing,
    kCheckingNext,  ///< Was it announced by this one?
    kMoving,
    kPublishing,
    kCheckingCurrent,  ///< Is it published?
  };
  enum class Leg : std::uint8_t { kFreeze, kInstall, kDelete };
  struct Move {
    Shard shard = 0;
    Leg leg = Leg::kFreeze;
    std::string content;
  };
  /// A key of the store, as it was seen last.
  struct Stored {
    ShardConfig config;
    std::uint64_t version = 0;
  };

  void Read(Stage stage);
  void TakeRead(const Returned& returned);
  void Decide();
  void Put(Stage stage);
  void TakePut(const Returned& returned);
  void BeginMoves();
  void CallFor(const Move& move, std::uint64_t wait_ms);
  Call CallOf(const Move& move) const;
  void StepMoves(const Returned& returned);
  void Advance(Move move, const Result& result);
  bool IsLast(const Move& move, Code code) const;
  void Published();
  void Finish(Outcome outcome);

  void LookUp();
  void TakeLook(const Returned& returned);

  std::uint64_t Add(Call call);

  std::vector<ServerId> store_;
  Change change_;
  Stage stage_ = Stage::kIdle;
  Outcome outcome_ = Outcome::kNothing;
  Stored current_;
  Stored next_;
  ShardConfig target_;                   ///< That the change under way leads to.
  bool own_ = false;                     ///< It is the one that was wanted.
  std::map<std::uint64_t, Move> moves_;  ///< By the call that is open for each.
  std::uint64_t look_ = 0;               ///< The call that looks whether somebody has published.
  std::uint64_t last_call_ = 0;
  std::vector<Call> calls_;
};

}  // namespace trireme::sim::sharded
