#pragma once

#include <cstdint>
#include <vector>

#include "sim/sharded/core/command.h"

namespace trireme::sim::sharded {

/// A command that a group is to carry out.
struct Call {
  std::uint64_t id = 0;  ///< Its decider's.
  GroupId group{};
  std::vector<ServerId> servers;
  Command command;
  std::uint64_t wait_ms = 0;  ///< Before it is made.
};

/// What came of a call.
struct Returned {
  std::uint64_t id = 0;
  bool answered = false;  ///< False: nobody answered, often enough to think again.
  /// An attempt went unanswered before this: it may have been carried out, or still be.
  bool maybe = false;
  Result result;  ///< Of the last attempt, if answered.
};

/// Decides which calls to make. Pure: what comes back goes in by Step, what is to be done comes out
/// by TakeCalls, and nothing else happens.
class Decider {
 public:
  virtual ~Decider() = default;
  virtual void Step(const Returned& returned) = 0;
  virtual std::vector<Call> TakeCalls() = 0;
  /// There is nothing to wait for: calls that are still open are of no interest.
  virtual bool idle() const = 0;
};

/// Which server of a group to ask, one after the other, until it is found who leads it.
class Attempts {
 public:
  /// So many times each server is asked before nobody is taken to answer.
  static constexpr std::size_t kRoundsMax = 2;

  /// `first`: who led the group when last asked; 0: unknown.
  Attempts(std::vector<ServerId> servers, ServerId first);

  ServerId target() const { return servers_[place_]; }
  bool maybe() const { return maybe_; }
  bool over() const { return made_ >= kRoundsMax * servers_.size(); }

  /// It said that it does not lead: the command was not carried out there and never will be.
  void OnRefused(ServerId leader);
  /// In time.
  void OnNoAnswer();

 private:
  bool Aim(ServerId server);
  void Next() { place_ = (place_ + 1) % servers_.size(); }

  std::vector<ServerId> servers_;
  std::size_t place_ = 0;
  std::size_t made_ = 0;
  bool maybe_ = false;
};

}  // namespace trireme::sim::sharded
