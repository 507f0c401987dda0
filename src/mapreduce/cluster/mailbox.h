#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>
#include <variant>

#include "absl/status/statusor.h"
#include "io/process.h"
#include "mapreduce/cluster/attempt.h"

namespace trireme::mapreduce {

/// What the owner of a running attempt says to it.
struct CancelWord {};
struct CommitWord {};
struct MapWord {
  std::uint32_t map = 0;
  absl::StatusOr<MapInput> input;
};
using Word = std::variant<CancelWord, CommitWord, MapWord>;

/// A queue of words whose reader can wait for it together with other descriptors.
class Mailbox {
 public:
  Mailbox();

  void Push(Word word);
  std::optional<Word> TryPop();
  /// Blocks until there is a word.
  Word Pop();
  void Clear();
  /// Readable while there may be words.
  int fd() const { return event_.get(); }

 private:
  std::mutex mutex_;
  std::deque<Word> words_;
  io::Fd event_;
};

}  // namespace trireme::mapreduce
