#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "mapreduce/ledger/transaction.h"

/// Keys and values of the journal; docs/formats/kv-journal.md defines them.
namespace trireme::mapreduce::ledger {

/// Of a chunk beside its frames.
inline constexpr std::size_t kChunkOverheadBytes = 4 + 1 + 8 + 8 + 8 + 4;

/// The names below one prefix.
class Layout {
 public:
  explicit Layout(std::string_view prefix) : journal_(std::string(prefix) + "/journal/") {}

  std::string Head() const { return journal_ + "head"; }
  std::string Chunk(std::uint64_t generation, std::uint64_t sequence) const;
  /// All chunks of one generation, of those before it, of those after it, and of all.
  Range Generation(std::uint64_t generation) const;
  Range Before(std::uint64_t generation) const;
  Range After(std::uint64_t generation) const;
  Range Chunks() const;

 private:
  std::string Folder(std::uint64_t generation) const;
  const std::string journal_;
};

struct Head {
  std::uint64_t generation = 0;
  std::int64_t fence = 0;
};

std::string EncodeHead(const Head& head);
/// DATA_LOSS: these bytes are none.
absl::StatusOr<Head> DecodeHead(std::string_view key, std::string_view bytes);

struct ChunkHeader {
  bool continues = false;  ///< The first frame goes on with the last of the chunk before.
  bool continued = false;  ///< The last frame goes on in the chunk behind.
  std::uint64_t generation = 0;
  std::uint64_t sequence = 0;
  std::int64_t fence = 0;
};

struct Chunk {
  ChunkHeader header;
  std::vector<std::string_view> frames;  ///< Within the decoded bytes.
  std::uint32_t checksum = 0;
};

void AppendFrame(std::string& content, std::string_view frame);
/// Bytes of a frame of so many.
std::size_t FrameBytes(std::size_t bytes);
/// `before`: the checksum of the chunk before. `*checksum` is this one's.
std::string EncodeChunk(const ChunkHeader& header, std::string_view content, std::uint32_t before,
                        std::uint32_t* checksum);
absl::StatusOr<Chunk> DecodeChunk(std::string_view key, std::string_view bytes,
                                  std::uint32_t before);

}  // namespace trireme::mapreduce::ledger
