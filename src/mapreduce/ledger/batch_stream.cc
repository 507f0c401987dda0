#include "mapreduce/ledger/batch_stream.h"

#include <algorithm>
#include <utility>

#include "mapreduce/ledger/layout.h"

namespace trireme::mapreduce::ledger {
namespace {

/// Room enough to get on with a batch.
constexpr std::size_t kPieceBytesMin = 16;

}  // namespace

void BatchStream::Push(Token token, std::string payload) {
  bytes_ += FrameBytes(payload.size());
  batches_.push_back({token, std::move(payload)});
}

BatchStream::Piece BatchStream::Take(std::size_t bytes_max) {
  bytes_max = std::max(bytes_max, kPieceBytesMin);
  Piece piece;
  piece.continues = taken_ > 0;
  while (!batches_.empty()) {
    const std::size_t used = piece.content.size();
    if (used + FrameBytes(Rest().size()) <= bytes_max) {
      TakeWhole(piece);
    } else if (used == 0) {
      TakePart(piece, bytes_max);
      return piece;
    } else {
      return piece;
    }
  }
  return piece;
}

void BatchStream::TakeWhole(Piece& piece) {
  bytes_ -= FrameBytes(Rest().size());
  AppendFrame(piece.content, Rest());
  piece.whole = batches_.front().token;
  batches_.pop_front();
  taken_ = 0;
}

/// `bytes` is fewer than there are, or it would have been taken whole; the last stays for the next.
void BatchStream::TakePart(Piece& piece, std::size_t bytes) {
  const std::string_view rest = Rest();
  bytes_ -= FrameBytes(rest.size());
  const std::size_t part = std::min(bytes, rest.size() - 1);
  AppendFrame(piece.content, rest.substr(0, part));
  taken_ += part;
  piece.continued = true;
  bytes_ += FrameBytes(rest.size() - part);
}

}  // namespace trireme::mapreduce::ledger
