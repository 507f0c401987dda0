#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.h"
#include "sim/distributions.h"
#include "sim/event_queue.h"
#include "sim/kv/letters.h"
#include "sim/kv/record.h"
#include "sim/options.h"
#include "sim/service.h"
#include "sim/trace.h"

namespace trireme::sim {

/// What the clients of a KV world have in common: one call at a time, asked of any node, asked
/// again elsewhere when it was certainly not executed, and of unknown outcome when no answer comes.
class KvCustomer : public Customer {
 public:
  KvCustomer(std::uint64_t number, Surroundings around, Record* record);

  void OnWake(std::uint64_t turn) final;
  void OnMessage(Address from, Payload& payload) override;
  void BeginLast() override { finishing_ = true; }
  bool finished() const override { return finished_; }
  std::uint64_t number() const final { return number_; }

 protected:
  /// A call was answered: kDone or kError.
  virtual void Answer(const Answered& answer) = 0;
  /// No answer came: it may have been executed, or may yet be.
  virtual void Unknown() = 0;
  /// Time for the next step.
  virtual void Step() = 0;

  /// One call; Answer or Unknown follows. Nothing is under way.
  void Call(KvMethod method, std::string bytes);
  bool calling() const { return calling_; }
  /// When the call began.
  Micros called() const { return called_; }
  /// Step comes then, and not before, unless a call is under way.
  void StepAfter(Micros delay);
  /// No response that shows what it cannot show: a revision of a linearizable answer is never lower
  /// than one that was answered before the call.
  void Saw(std::int64_t revision);

  bool Chance(std::uint64_t ppm) { return sim::Chance(random_, ppm); }
  Address AnyNode();
  Address NextNode(Address after) const { return after % NodeCount() + 1; }
  void SendTo(Address node, std::shared_ptr<const Letter> letter);
  std::string Name() const;

  const std::uint64_t number_;
  Surroundings around_;
  Record& record_;
  Random random_;
  bool finishing_ = false;
  bool finished_ = false;

 private:
  Address NodeCount() const {
    return static_cast<Address>(around_.options->voters + around_.options->spares);
  }
  void Send();
  void WakeAfter(Micros delay);

  std::uint64_t turn_ = 0;  ///< Of its wake-ups only the latest counts.
  Address target_ = 1;
  std::uint64_t call_ = 0;
  bool calling_ = false;
  bool retrying_ = false;
  Micros called_ = 0, deadline_ = 0;
  KvMethod method_ = KvMethod::kRange;
  std::string bytes_;
  std::int64_t seen_ = 0;
};

}  // namespace trireme::sim
