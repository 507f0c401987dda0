#include "sim/sharded/restless_controller.h"

#include <utility>

#include "sim/describe.h"
#include "sim/distributions.h"
#include "sim/event_queue.h"
#include "sim/options.h"
#include "sim/trace.h"

namespace trireme::sim::sharded {

namespace {

constexpr Micros kThinkMean = 300 * kMillisecond;

}  // namespace

RestlessController::RestlessController(std::uint64_t number, Surroundings around,
                                       std::vector<ServerId> store,
                                       std::vector<std::vector<ServerId>> groups)
    : ControllerAgent(number, around, std::move(store)), groups_(std::move(groups)) {
  WakeAfter(Exponential(random_, kThinkMean));
  ScheduleMishap();
}

void RestlessController::ScheduleMishap() {
  const Options::Number mean_ms = around_.options->controller_away_ms;
  if (mean_ms != 0) mishap_turn_ = WakeAfter(Exponential(random_, mean_ms * kMillisecond));
}

void RestlessController::OnIdle() {
  WakeAfter(last_ ? 0 : Exponential(random_, kThinkMean));
}

void RestlessController::OnOwnWake(std::uint64_t turn) {
  if (turn == mishap_turn_) return Mishap();
  if (turn == back_turn_) return around_.network->BringBack(address());
  if (controller().idle() && !finished()) Act();
}

void RestlessController::Mishap() {
  if (last_) return;
  const bool dies = random_.OneIn(2);
  around_.trace->Line("{} {}", Name(address()), dies ? "dies and starts" : "is cut off");
  if (dies) {
    StartAnew();
    WakeAfter(Exponential(random_, kThinkMean));
  } else {
    around_.network->CutOff(address());
    back_turn_ = WakeAfter(Exponential(random_, around_.options->fault_mean_ms * kMillisecond));
  }
  ScheduleMishap();
}

void RestlessController::Act() {
  last_begun_ = last_;
  if (!last_) return Begin(DrawChange());
  const bool none_yet = controller().current().number == 0;
  Begin(none_yet ? Controller::Change{.join = {{GroupId{1}, groups_[0]}}} : Controller::Change{});
}

Controller::Change RestlessController::DrawChange() {
  const std::uint64_t place = random_.Below(groups_.size());
  const auto group = static_cast<GroupId>(place + 1);
  if (random_.OneIn(2)) return {.leave = {group}};
  return {.join = {{group, groups_[place]}}};
}

void RestlessController::BeginLast() {
  last_ = true;
  around_.network->BringBack(address());
  if (controller().idle()) Act();
}

}  // namespace trireme::sim::sharded
