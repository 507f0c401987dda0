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
  /// Which source it came from.
  std::size_t source() const { return top_; }
  /// Passes to the next record.
  [[nodiscard]] absl::Status Pop();

  /// After an error: the source whose bytes were bad.
  std::size_t failed_source() const { return failed_; }

 private:
  struct Rank {
    std::uint64_t high = 0, low = 0;
  };
  struct Cursor {
    std::string_view key, value;
    const char* next = nullptr;
    const char* end = nullptr;
    bool exhausted = false;
    std::unique_ptr<BlockSource> source;
  };

  [[nodiscard]] absl::Status Advance(std::size_t i);
  [[nodiscard]] absl::Status NextBlock(std::size_t i);
  bool Less(std::size_t a, std::size_t b) const;
  bool LessSlow(std::size_t a, std::size_t b) const;
  void Build();

  std::vector<Cursor> cursors_;
  std::vector<Rank> ranks_;            // of each cursor's record: its key's first bytes, big-endian
  std::vector<std::uint32_t> losers_;  // node n's children are 2n and 2n+1; leaf i is node i + k
  std::size_t top_ = 0;
  bool done_ = false;
  std::size_t failed_ = 0;
};

}  // namespace trireme::mapreduce
