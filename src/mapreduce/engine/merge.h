#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "mapreduce/engine/run_file.h"

namespace trireme::mapreduce {

/// Merges sorted streams of records with a tournament tree of losers (Knuth, vol. 3,
/// section 5.4.1): one comparison per level and record, most of them of 16 key bytes held beside
/// the tree. Records of equal keys come in the order of their sources. One thread.
class Merger {
 public:
  explicit Merger(std::vector<std::unique_ptr<BlockSource>> sources);

  /// Reads the first records. To be called once, before anything else.
  [[nodiscard]] absl::Status Start();

  bool done() const { return done_; }
  /// The least record; valid until Pop.
  std::string_view key() const { return cursors_[top_].key; }
  std::string_view value() const { return cursors_[top_].value; }
  /// The key's first 16 bytes, zero-padded, as a number in the order of keys: when two keys' differ
  /// (most do), the keys differ.
  unsigned __int128 key_rank() const { return cursors_[top_].rank; }
  /// Which source it came from.
  std::size_t source() const { return top_; }
  /// Passes to the next record.
  [[nodiscard]] absl::Status Pop();

  /// After an error: the source whose bytes were bad.
  std::size_t failed_source() const { return failed_; }

 private:
  /// A source in the tree, with what decides most comparisons. The loop through the tree touches
  /// one node per level and nothing else.
  struct Node {
    unsigned __int128 rank = 0;
    std::uint64_t tie = 0;  // the key's length up to kLongKey, then the source's number
    std::size_t source() const { return static_cast<std::uint32_t>(tie); }
    std::uint64_t length() const { return tie >> 32; }
  };
  /// Of keys whose prefixes are equal, zero-padded, the shorter is less, while the prefix is all.
  static constexpr std::uint64_t kLongKey = internal::kInlineKeyBytes + 1;
  static constexpr std::uint64_t kExhausted = kLongKey + 1;
  struct Cursor {
    std::string_view key, value;
    unsigned __int128 rank = 0;
    const char* next = nullptr;
    const char* end = nullptr;
    bool exhausted = false;
    std::unique_ptr<BlockSource> source;
  };

  [[nodiscard]] absl::Status Advance(std::size_t i);
  [[nodiscard]] absl::Status NextBlock(std::size_t i);
  bool Less(const Node& a, const Node& b) const;
  bool LessLong(std::size_t a, std::size_t b) const;
  Node NodeOf(std::size_t i) const;
  void Build();

  std::vector<Cursor> cursors_;
  std::vector<Node> losers_;  // node n's children are 2n and 2n+1; leaf i is node i + k
  std::size_t top_ = 0;
  bool done_ = false;
  std::size_t failed_ = 0;
};

}  // namespace trireme::mapreduce
