#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "sim/kv/customer.h"
#include "sim/mr/books.h"
#include "sim/mr/letters.h"

namespace trireme::sim {

/// Whoever talks to the leading coordinator: asks one after the other until one leads. (Real ones
/// look into the store; what matters here is that they may be wrong.)
class Follower : public KvCustomer {
 public:
  Follower(std::uint64_t number, Surroundings around, Record* record, Books* books)
      : KvCustomer(number, around, record), books_(*books), leader_(1) {}

  void OnMessage(Address from, Payload& payload) final;

 protected:
  static constexpr Micros kTurn = 100 * kMillisecond;

  /// Sent once; it may be lost.
  void Tell(std::uint64_t sequence, const plan::Event& event);
  virtual void Hear(const FromCoordinator& letter) = 0;
  /// Another coordinator will be asked from now on.
  virtual void Moved() {}
  /// Nobody answered for long.
  void MoveOnWhenSilent();
  /// It stands still until then: what comes meanwhile waits.
  void PauseUntil(Micros until) { paused_until_ = until; }
  bool paused() const { return around_.queue->now() < paused_until_; }
  /// Messages neither come nor go until then.
  void CutUntil(Micros until) { cut_until_ = until; }
  bool cut() const { return around_.queue->now() < cut_until_; }

  std::uint64_t NowMs() const { return around_.queue->now() / kMillisecond; }

  Books& books_;

 private:
  void Answer(const Answered&) final {}
  void Unknown() final {}
  void MoveOn();

  std::uint64_t leader_;  ///< Whom it asks.
  Micros heard_ = 0;
  Micros paused_until_ = 0, cut_until_ = 0;
};

}  // namespace trireme::sim
