#include "sim/sharded/core/controller.h"

#include <utility>

#include "sim/sharded/core/versioned_map.h"

namespace trireme::sim::sharded {

void Controller::Begin(Change change) {
  change_ = std::move(change);
  Read(Stage::kReadingCurrent);
}

std::uint64_t Controller::Add(Call call) {
  call.id = ++last_call_;
  calls_.push_back(std::move(call));
  return last_call_;
}

void Controller::Read(Stage stage) {
  stage_ = stage;
  const bool next = stage == Stage::kReadingNext || stage == Stage::kCheckingNext;
  Add({0, kStore, store_, Get{next ? kNextKey : kCurrentKey}, 0});
}

void Controller::Step(const Returned& returned) {
  if (stage_ == Stage::kMoving) return StepMoves(returned);
  if (idle() || returned.id != last_call_) return;
  if (stage_ == Stage::kAnnouncing || stage_ == Stage::kPublishing) return TakePut(returned);
  TakeRead(returned);
}

void Controller::TakeRead(const Returned& returned) {
  if (!returned.answered) return Read(stage_);
  Stored seen;
  seen.version = returned.result.version;
  if (returned.result.code == Code::kOk) {
    seen.config = ShardConfig::Decode(returned.result.value).value_or(ShardConfig{});
  }
  const bool expected = seen.config == target_;
  switch (stage_) {
    case Stage::kReadingCurrent:
      current_ = std::move(seen);
      return Read(Stage::kReadingNext);
    case Stage::kReadingNext:
      next_ = std::move(seen);
      return Decide();
    case Stage::kCheckingNext:
      return expected ? BeginMoves() : Finish(Outcome::kReplaced);
    default:
      current_ = std::move(seen);
      return expected ? Published() : Finish(Outcome::kReplaced);
  }
}

/// The two were read one after the other: if more than one change lies between them, others are at
/// work, and nothing would be known of who serves what now.
void Controller::Decide() {
  if (next_.config.number > current_.config.number + 1) return Read(Stage::kReadingCurrent);
  own_ = next_.config.number <= current_.config.number;
  if (!own_) {
    target_ = next_.config;
    return BeginMoves();
  }
  const std::optional<ShardConfig> wanted = current_.config.With(change_.join, change_.leave);
  if (!wanted) return Finish(Outcome::kNothing);
  target_ = *wanted;
  Put(Stage::kAnnouncing);
}

void Controller::Put(Stage stage) {
  stage_ = stage;
  const bool next = stage == Stage::kAnnouncing;
  Add({0, kStore, store_,
       sharded::Put{next ? kNextKey : kCurrentKey, target_.Encode(),
                    next ? next_.version : current_.version},
       0});
}

/// What was refused may have been done by an attempt before that was not answered: look.
void Controller::TakePut(const Returned& returned) {
  if (!returned.answered) return Put(stage_);
  const bool next = stage_ == Stage::kAnnouncing;
  if (returned.result.code != Code::kOk) {
    return Read(next ? Stage::kCheckingNext : Stage::kCheckingCurrent);
  }
  if (next) return BeginMoves();
  current_ = {target_, returned.result.version};
  Published();
}

void Controller::BeginMoves() {
  stage_ = Stage::kMoving;
  moves_.clear();
  look_ = 0;
  for (Shard shard = 0; shard < kShards; ++shard) {
    const GroupId from = current_.config.owners[shard];
    if (from == target_.owners[shard]) continue;
    if (from != kNoGroup) {
      CallFor({shard, Leg::kFreeze, ""}, 0);
    } else {
      CallFor({shard, Leg::kInstall, VersionedMap().Encode()}, 0);
    }
  }
  if (moves_.empty()) Put(Stage::kPublishing);
}

void Controller::CallFor(const Move& move, std::uint64_t wait_ms) {
  Call call = CallOf(move);
  call.wait_ms = wait_ms;
  moves_.emplace(Add(std::move(call)), move);
}

Call Controller::CallOf(const Move& move) const {
  const ShardConfig& at = move.leg == Leg::kInstall ? target_ : current_.config;
  const GroupId group = at.owners[move.shard];
  Call call{0, group, at.groups.at(group), {}, 0};
  switch (move.leg) {
    case Leg::kFreeze:
      call.command = Freeze{move.shard, target_.number};
      break;
    case Leg::kInstall:
      call.command = Install{move.shard, target_.number, move.content};
      break;
    case Leg::kDelete:
      call.command = Delete{move.shard, target_.number};
      break;
  }
  return call;
}

void Controller::StepMoves(const Returned& returned) {
  if (returned.id == look_) return TakeLook(returned);
  auto found = moves_.extract(returned.id);
  if (found.empty()) return;
  if (returned.answered) return Advance(std::move(found.mapped()), returned.result);
  CallFor(found.mapped(), kAgainMs);
  if (look_ == 0) look_ = Add({0, kStore, store_, Get{kCurrentKey}, 0});
}

/// A group that does not answer may have left long ago, and be gone for good.
void Controller::TakeLook(const Returned& returned) {
  look_ = 0;
  if (!returned.answered || returned.result.version == current_.version) return;
  Read(Stage::kCheckingCurrent);
}

void Controller::Advance(Move move, const Result& result) {
  if (result.code == Code::kStale || result.code == Code::kWrongGroup) {
    return Finish(Outcome::kReplaced);
  }
  if (IsLast(move, result.code)) {
    if (moves_.empty()) Put(Stage::kPublishing);
    return;
  }
  if (move.leg == Leg::kFreeze) move.content = result.value;
  move.leg = move.leg == Leg::kFreeze ? Leg::kInstall : Leg::kDelete;
  CallFor(move, 0);
}

/// A shard that is gone was installed before. One that came from nobody has nothing to delete.
bool Controller::IsLast(const Move& move, Code code) const {
  const bool from_nobody = current_.config.owners[move.shard] == kNoGroup;
  return move.leg == Leg::kDelete || code == Code::kGone ||
         (move.leg == Leg::kInstall && from_nobody);
}

/// In force. One's own change is done with that; another one's was in its way.
void Controller::Published() {
  if (own_) return Finish(Outcome::kPublished);
  Read(Stage::kReadingCurrent);
}

void Controller::Finish(Outcome outcome) {
  stage_ = Stage::kIdle;
  outcome_ = outcome;
  calls_.clear();
}

}  // namespace trireme::sim::sharded
