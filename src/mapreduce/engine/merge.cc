#include "mapreduce/engine/merge.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/status_macros.h"
#include "mapreduce/engine/hash.h"

namespace trireme::mapreduce {
namespace {

/// Two varints, which are nearly always a byte each.
inline const char* LoadSizes(const char* from, const char* end, std::uint64_t* key_size,
                             std::uint64_t* value_size) {
  if (end - from >= 2 && ((from[0] | from[1]) & 0x80) == 0) [[likely]] {
    *key_size = static_cast<unsigned char>(from[0]);
    *value_size = static_cast<unsigned char>(from[1]);
    return from + 2;
  }
  const char* at = LoadVarint(from, end, key_size);
  return at == nullptr ? nullptr : LoadVarint(at, end, value_size);
}

}  // namespace

Merger::Merger(std::vector<std::unique_ptr<BlockSource>> sources)
    : cursors_(sources.size()), losers_(sources.size()) {
  for (std::size_t i = 0; i < sources.size(); ++i) cursors_[i].source = std::move(sources[i]);
}

absl::Status Merger::Start() {
  for (std::size_t i = 0; i < cursors_.size(); ++i) TRIREME_RETURN_IF_ERROR(Advance(i));
  if (cursors_.empty()) {
    done_ = true;
    return absl::OkStatus();
  }
  Build();
  done_ = cursors_[top_].exhausted;
  return absl::OkStatus();
}

void Merger::Build() {
  const std::size_t k = cursors_.size();
  std::vector<Node> winners(2 * k);
  for (std::size_t i = 0; i < k; ++i) winners[k + i] = NodeOf(i);
  for (std::size_t node = k - 1; node >= 1; --node) {
    Node winner = winners[2 * node], loser = winners[2 * node + 1];
    if (Less(loser, winner)) std::swap(winner, loser);
    winners[node] = winner;
    losers_[node] = loser;
  }
  top_ = winners[1].source();
}

inline Merger::Node Merger::NodeOf(std::size_t i) const {
  const Cursor& cursor = cursors_[i];
  const std::uint64_t length =
      cursor.exhausted ? kExhausted : std::min<std::uint64_t>(cursor.key.size(), kLongKey);
  return {cursor.rank, length << 32 | i};
}

absl::Status Merger::Pop() {
  TRIREME_RETURN_IF_ERROR(Advance(top_));
  Node winner = NodeOf(top_);
  for (std::size_t node = (top_ + cursors_.size()) / 2; node >= 1; node /= 2) {
    Node& loser = losers_[node];
    // Which of the two wins is a coin's toss: exchanged by arithmetic, not by a branch.
    const auto swap = -static_cast<std::uint64_t>(Less(loser, winner));
    const auto wide_swap = static_cast<unsigned __int128>(swap) << 64 | swap;
    const unsigned __int128 rank = (loser.rank ^ winner.rank) & wide_swap;
    const std::uint64_t tie = (loser.tie ^ winner.tie) & swap;
    loser = {loser.rank ^ rank, loser.tie ^ tie};
    winner = {winner.rank ^ rank, winner.tie ^ tie};
  }
  top_ = winner.source();
  done_ = cursors_[top_].exhausted;
  return absl::OkStatus();
}

inline bool Merger::Less(const Node& a, const Node& b) const {
  if (a.rank != b.rank) [[likely]]
    return a.rank < b.rank;
  if (a.length() == kLongKey && b.length() == kLongKey) return LessLong(a.source(), b.source());
  return a.tie < b.tie;
}

bool Merger::LessLong(std::size_t a, std::size_t b) const {
  const int order = cursors_[a].key.compare(cursors_[b].key);
  return order != 0 ? order < 0 : a < b;
}

inline absl::Status Merger::Advance(std::size_t i) {
  Cursor& cursor = cursors_[i];
  if (cursor.next == cursor.end) {
    TRIREME_RETURN_IF_ERROR(NextBlock(i));
    if (cursor.exhausted) return absl::OkStatus();
  }
  std::uint64_t key_size = 0, value_size = 0;
  const char* at = LoadSizes(cursor.next, cursor.end, &key_size, &value_size);
  const auto left = at == nullptr ? 0 : static_cast<std::uint64_t>(cursor.end - at);
  if (at == nullptr || key_size > left || value_size > left - key_size) [[unlikely]] {
    failed_ = i;
    return absl::DataLossError("an intermediate record leaves its block");
  }
  cursor.key = {at, key_size};
  cursor.value = {at + key_size, value_size};
  cursor.next = at + key_size + value_size;
  const internal::KeyPrefix prefix = PrefixOf(cursor.key);
  cursor.rank = static_cast<unsigned __int128>(__builtin_bswap64(prefix.k0)) << 64 |
                __builtin_bswap64(prefix.k1);
  return absl::OkStatus();
}

absl::Status Merger::NextBlock(std::size_t i) {
  Cursor& cursor = cursors_[i];
  auto block = cursor.source->Next();
  if (!block.ok()) {
    failed_ = i;
    return block.status();
  }
  cursor.next = block->data();
  cursor.end = block->data() + block->size();
  if (block->empty()) {
    cursor.exhausted = true;
    cursor.key = cursor.value = {};  // they lie in the source, and two exhausted ones are compared
    cursor.next = cursor.end = nullptr;
    cursor.rank = ~static_cast<unsigned __int128>(0);
    cursor.source.reset();
  }
  return absl::OkStatus();
}

}  // namespace trireme::mapreduce
