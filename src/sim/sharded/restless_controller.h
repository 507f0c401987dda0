#pragma once

#include <cstdint>
#include <vector>

#include "sim/sharded/agents.h"

namespace trireme::sim::sharded {

/// Changes the configuration at random, all the time; is cut off from everything for a while, or
/// dies and starts again with nothing, at moments of no meaning.
class RestlessController final : public ControllerAgent {
 public:
  /// `groups`: the servers of group 1 and of those after it.
  RestlessController(std::uint64_t number, Surroundings around, std::vector<ServerId> store,
                     std::vector<std::vector<ServerId>> groups);

  /// What has been begun, by whomever, is finished, and if that is nothing, group 1 joins; then
  /// nothing further.
  void BeginLast() override;
  bool finished() const override { return last_begun_ && ControllerAgent::finished(); }

 private:
  void OnIdle() override;
  void OnOwnWake(std::uint64_t turn) override;
  void ScheduleMishap();
  void Mishap();
  void Act();
  Controller::Change DrawChange();

  std::vector<std::vector<ServerId>> groups_;
  std::uint64_t mishap_turn_ = 0;
  std::uint64_t back_turn_ = 0;
  bool last_ = false;
  bool last_begun_ = false;
};

}  // namespace trireme::sim::sharded
