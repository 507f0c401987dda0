#include "mapreduce/engine/merge.h"

#include <utility>

#include "base/bytes.h"
#include "base/status_macros.h"
#include "mapreduce/engine/hash.h"

namespace trireme::mapreduce {

Merger::Merger(std::vector<std::unique_ptr<BlockSource>> sources)
    : cursors_(sources.size()), ranks_(sources.size()), losers_(sources.size()) {
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
  std::vector<std::uint32_t> winners(2 * k);
  for (std::size_t i = 0; i < k; ++i) winners[k + i] = static_cast<std::uint32_t>(i);
  for (std::size_t node = k - 1; node >= 1; --node) {
    std::uint32_t winner = winners[2 * node], loser = winners[2 * node + 1];
    if (Less(loser, winner)) std::swap(winner, loser);
    winners[node] = winner;
    losers_[node] = loser;
  }
  top_ = winners[1];
}

absl::Status Merger::Pop() {
  TRIREME_RETURN_IF_ERROR(Advance(top_));
  std::uint32_t winner = static_cast<std::uint32_t>(top_);
  for (std::size_t node = (winner + cursors_.size()) / 2; node >= 1; node /= 2) {
    const std::uint32_t challenger = losers_[node];
    const bool lost = Less(challenger, winner);
    losers_[node] = lost ? winner : challenger;
    winner = lost ? challenger : winner;
  }
  top_ = winner;
  done_ = cursors_[top_].exhausted;
  return absl::OkStatus();
}

inline bool Merger::Less(std::size_t a, std::size_t b) const {
  const Rank &x = ranks_[a], &y = ranks_[b];
  const auto wide = [](const Rank& r) {
    return static_cast<unsigned __int128>(r.high) << 64 | r.low;
  };
  if (wide(x) != wide(y)) [[likely]]
    return wide(x) < wide(y);
  return LessSlow(a, b);
}

bool Merger::LessSlow(std::size_t a, std::size_t b) const {
  const Cursor &x = cursors_[a], &y = cursors_[b];
  if (x.exhausted != y.exhausted) return y.exhausted;
  const int order = x.key.compare(y.key);
  return order != 0 ? order < 0 : a < b;
}

inline absl::Status Merger::Advance(std::size_t i) {
  Cursor& cursor = cursors_[i];
  if (cursor.next == cursor.end) {
    TRIREME_RETURN_IF_ERROR(NextBlock(i));
    if (cursor.exhausted) return absl::OkStatus();
  }
  std::uint64_t key_size = 0, value_size = 0;
  const char* at = LoadVarint(cursor.next, cursor.end, &key_size);
  if (at != nullptr) at = LoadVarint(at, cursor.end, &value_size);
  const auto left = at == nullptr ? 0 : static_cast<std::uint64_t>(cursor.end - at);
  if (at == nullptr || key_size > left || value_size > left - key_size) [[unlikely]] {
    failed_ = i;
    return absl::DataLossError("an intermediate record leaves its block");
  }
  cursor.key = {at, key_size};
  cursor.value = {at + key_size, value_size};
  cursor.next = at + key_size + value_size;
  const internal::KeyPrefix prefix = PrefixOf(cursor.key);
  ranks_[i] = {__builtin_bswap64(prefix.k0), __builtin_bswap64(prefix.k1)};
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
    ranks_[i] = {~0ull, ~0ull};
    cursor.source.reset();
  }
  return absl::OkStatus();
}

}  // namespace trireme::mapreduce
