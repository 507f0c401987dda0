#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

namespace trireme::mapreduce::ledger {

/// Names a batch: they are counted from 1, in the order of Append. 0: none.
enum class Token : std::uint64_t {};

/// Batches that wait to be written, cut into the contents of chunks.
class BatchStream {
 public:
  struct Piece {
    std::string content;     ///< Frames.
    bool continues = false;  ///< See ChunkHeader.
    bool continued = false;
    Token whole{};  ///< The last batch that is complete with this piece; 0: none is.
  };

  void Push(Token token, std::string payload);
  /// The next piece, of at most about `bytes_max` bytes; it has a part of a batch at least.
  Piece Take(std::size_t bytes_max);

  bool empty() const { return batches_.empty(); }
  /// Of all frames that Take would still give.
  std::size_t bytes() const { return bytes_; }

 private:
  struct Batch {
    Token token{};
    std::string payload;
  };
  void TakeWhole(Piece& piece);
  void TakePart(Piece& piece, std::size_t bytes);
  std::string_view Rest() const {
    return std::string_view(batches_.front().payload).substr(taken_);
  }

  std::deque<Batch> batches_;
  std::size_t taken_ = 0;  ///< Of the front's payload.
  std::size_t bytes_ = 0;
};

}  // namespace trireme::mapreduce::ledger
