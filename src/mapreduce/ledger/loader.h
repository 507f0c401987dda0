#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "mapreduce/ledger/layout.h"
#include "mapreduce/ledger/limits.h"
#include "mapreduce/ledger/transaction.h"

namespace trireme::mapreduce::ledger {

/// Where a journal ends, for who goes on writing it.
struct Position {
  std::uint64_t generation = 1;
  std::uint64_t next_sequence = 0;
  std::uint32_t checksum = 0;      ///< Of the chunk before the next.
  std::int64_t head_modified = 0;  ///< 0: there is no head.
  std::size_t bytes = 0;           ///< Of the generation's chunks.
};

struct Loaded {
  std::vector<std::string> batches;  ///< Oldest first.
  Position position;
  std::uint64_t dropped = 0;  ///< Batches whose writer died while it wrote them.
};

/// Reads the journal below a prefix. Only a leader may, after its election: others' writes end
/// with their leadership.
///
///   while (std::optional<Read> read = loader.Next()) {
///     status = loader.Step(page of *read);
///   }
///   Loaded loaded = loader.Take();
class Loader {
 public:
  explicit Loader(std::string_view prefix, const Limits& limits = {});

  /// What to read now; nothing: all has been read.
  std::optional<Read> Next() const;
  /// What Next asked for. DATA_LOSS, with the key, for what no crash explains.
  [[nodiscard]] absl::Status Step(Page page);
  [[nodiscard]] Loaded Take();

 private:
  enum class Stage { kHead, kStrays, kChunks, kDone };

  absl::Status StepHead(const Page& page);
  absl::Status StepChunk(const FoundKey& found);
  absl::Status AddFrames(const FoundKey& found, const Chunk& chunk);
  absl::Status CheckPlace(const FoundKey& found, const Chunk& chunk) const;
  void Drop();

  const Layout layout_;
  const Limits limits_;
  Stage stage_ = Stage::kHead;
  std::int64_t revision_ = 0;
  std::string from_;  ///< The first key of the next page.
  std::optional<std::string> partial_;
  std::int64_t fence_ = 0;  ///< Of the chunk before.
  Loaded loaded_;
};

}  // namespace trireme::mapreduce::ledger
