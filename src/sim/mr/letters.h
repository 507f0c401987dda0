#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>

#include "fmt/format.h"
#include "mapreduce/plan/actions.h"
#include "mapreduce/plan/describe.h"
#include "mapreduce/plan/events.h"
#include "sim/network.h"

/// What workers, submitters and coordinators tell each other.
namespace trireme::sim {

namespace plan = mapreduce::plan;

/// An event for whoever leads. Answered under its sequence.
struct ToCoordinator final : Letter {
  std::uint64_t sequence = 0;
  plan::Event event;

  std::string Text() const override {
    return fmt::format("{}: {}", sequence, plan::Describe(event));
  }
};

struct FromCoordinator final : Letter {
  struct NotLeading {};
  struct Answer {
    std::uint64_t sequence = 0;
    plan::Outcome outcome = plan::Outcome::kOk;
  };

  std::variant<NotLeading, Answer, plan::Action> what;
  /// Where map outputs lie: all with a reduce's assignment, the one asked for with the answer to a
  /// fetch that failed.
  std::map<std::uint32_t, plan::MapOutput> places;

  std::string Text() const override {
    if (const auto* answer = std::get_if<Answer>(&what)) {
      return fmt::format("{}: {}", answer->sequence, plan::Name(answer->outcome));
    }
    const auto* action = std::get_if<plan::Action>(&what);
    return action != nullptr ? plan::Describe(*action) : "does not lead";
  }
};

}  // namespace trireme::sim
