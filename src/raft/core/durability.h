#pragma once

#include <algorithm>

#include "base/ring.h"
#include "raft/core/types.h"

namespace trireme::raft {

/// What of term, vote and log is on stable storage, and which batch has what is not. Batches become
/// durable in order. A truncation takes entries back out of batches under way: that such a batch
/// completes later must not make the entries that replaced them look durable.
class Durability {
 public:
  explicit Durability(Index durable) : durable_(durable), unsealed_first_(durable + 1) {}

  /// The log up to here is durable.
  Index durable() const { return durable_; }
  /// The batch that the next Seal closes.
  Token building() const { return Token{sealed_.value + 1}; }
  /// Log entries from here on are in no sealed batch.
  Index unsealed_first() const { return unsealed_first_; }
  bool hard_state_changed() const { return hard_state_ == building(); }

  void ChangeHardState() { hard_state_ = building(); }
  void TruncateFrom(Index from) { ClipTo(from - 1); }
  /// A snapshot takes the place of the log up to `index`. Unless `kept`, of what the log held only
  /// `valid_to` still counts.
  void ReplaceBy(Index index, bool kept, Index valid_to) {
    if (!kept) ClipTo(valid_to);
    unsealed_first_ = std::max(unsealed_first_, index + 1);
    snapshot_ = index;
  }
  /// Closes the batch being built, which has the log up to `last`.
  Token Seal(Index last) {
    sealed_ = building();
    if (snapshot_ > Index{}) under_way_.push_back({sealed_, snapshot_});
    if (unsealed_first_ <= last) under_way_.push_back({sealed_, last});
    unsealed_first_ = std::max(unsealed_first_, last + 1);
    snapshot_ = Index{};
    return sealed_;
  }
  void Complete(Token token) {
    complete_ = std::max(complete_, std::min(token, sealed_));
    while (!under_way_.empty() && under_way_.front().token <= complete_) {
      durable_ = std::max(durable_, under_way_.front().last);
      under_way_.pop_front();
    }
  }
  bool IsComplete(Token token) const { return token <= complete_; }

  /// What a message that tells of our term or vote must wait for.
  Token AfterHardState() const { return IsComplete(hard_state_) ? kNothing : hard_state_; }
  /// What a message must wait for that says we hold the log up to `index`.
  Token AfterLog(Index index) const {
    if (index <= durable_) return kNothing;
    for (std::size_t i = 0; i < under_way_.size(); ++i) {
      if (under_way_[i].last >= index) return under_way_[i].token;
    }
    return building();
  }

 private:
  struct Batch {
    Token token;
    Index last;
  };

  void ClipTo(Index last) {
    durable_ = std::min(durable_, last);
    unsealed_first_ = std::min(unsealed_first_, last + 1);
    for (std::size_t i = 0; i < under_way_.size(); ++i) {
      under_way_[i].last = std::min(under_way_[i].last, last);
    }
  }

  Index durable_;
  Index unsealed_first_;
  Index snapshot_;         // of the batch being built; 0: none
  Token sealed_;           // the latest
  Token complete_;         // all up to here are durable
  Token hard_state_;       // the batch with the latest term and vote
  Ring<Batch> under_way_;  // sealed, not complete
};

}  // namespace trireme::raft
