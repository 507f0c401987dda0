#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim/linear/kv_history.h"
#include "sim/sharded/agent.h"
#include "sim/sharded/core/clerk.h"
#include "sim/sharded/core/controller.h"

namespace trireme::sim::sharded {

/// A clerk and what it saw. Told to work, it puts and gets by itself.
class ClerkAgent final : public Agent {
 public:
  ClerkAgent(std::uint64_t number, Surroundings around, std::vector<ServerId> store,
             std::vector<linear::KvCall>* history);

  /// Idle.
  void Get(const std::string& key);
  void Put(const std::string& key, const std::string& value, std::uint64_t version);
  bool idle() const { return clerk_.idle(); }
  const Clerk::Done& done() const { return clerk_.done(); }

  /// One operation after the other, with a pause of think_us between two, on keys "0" to
  /// "keys - 1", until Stop, or until the first put that succeeds after BeginLast.
  void Work();
  void Stop() { working_ = false; }
  void BeginLast() override;
  bool finished() const override { return !working_ && idle(); }
  /// Puts that were answered with success, and those whose outcome is unknown.
  std::uint64_t ok() const { return ok_; }
  std::uint64_t maybe() const { return maybe_; }

 private:
  void OnIdle() override;
  void OnOwnWake(std::uint64_t turn) override;
  void Begin(linear::KvKind kind, const std::string& key, const std::string& value,
             std::uint64_t version);
  void BeginAny();
  void Note();

  Clerk clerk_;
  std::vector<linear::KvCall>& history_;
  std::size_t place_ = 0;  ///< Of the operation in the history.
  bool noted_ = true;
  std::map<std::string, std::uint64_t> versions_;  ///< Seen last.
  std::optional<std::string> unsure_;  ///< The key of a put that did not go through: look it up.
  std::uint64_t sequence_ = 0;
  std::uint64_t ok_ = 0;
  std::uint64_t maybe_ = 0;
  bool working_ = false;
  bool last_ = false;
};

/// A controller.
class ControllerAgent : public Agent {
 public:
  ControllerAgent(std::uint64_t number, Surroundings around, std::vector<ServerId> store)
      : Agent(number, around, &controller_), store_(std::move(store)), controller_(store_) {}

  /// Idle.
  void Begin(Controller::Change change) {
    controller_.Begin(std::move(change));
    Pump();
  }
  void BeginLast() override {}
  bool finished() const override { return controller_.idle(); }
  const Controller& controller() const { return controller_; }

 protected:
  /// Dies, and starts with nothing.
  void StartAnew() {
    HangUp();
    controller_ = Controller(store_);
  }

 private:
  std::vector<ServerId> store_;
  Controller controller_;
};

}  // namespace trireme::sim::sharded
