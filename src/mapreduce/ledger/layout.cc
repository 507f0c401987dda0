#include "mapreduce/ledger/layout.h"

#include "base/bytes.h"
#include "base/crc32c.h"
#include "fmt/format.h"

namespace trireme::mapreduce::ledger {
namespace {

constexpr std::uint32_t kHeadMagic = 0x31485254;   // "TRH1"
constexpr std::uint32_t kChunkMagic = 0x31435254;  // "TRC1"
constexpr std::uint8_t kContinues = 1;
constexpr std::uint8_t kContinued = 2;

absl::Status Damaged(std::string_view key, std::string_view what) {
  return absl::DataLossError(
      fmt::format("key {}: {}; if the prefix is right, restore the store from a backup, or delete "
                  "the keys of this journal to start without any jobs",
                  key, what));
}

/// Takes the checksum off the end; false if there is none or it is wrong.
bool TakeChecksum(std::string_view* bytes, std::uint32_t before, std::uint32_t* checksum) {
  if (bytes->size() < sizeof *checksum) return false;
  const std::size_t size = bytes->size() - sizeof *checksum;
  *checksum = LoadLittle<std::uint32_t>(bytes->data() + size);
  *bytes = bytes->substr(0, size);
  return *checksum == Crc32c(*bytes, before);
}

bool ReadHeader(ByteReader& reader, ChunkHeader* to) {
  std::uint32_t magic = 0;
  std::uint8_t flags = 0;
  if (!reader.Little(&magic) || magic != kChunkMagic || !reader.Little(&flags)) return false;
  to->continues = (flags & kContinues) != 0;
  to->continued = (flags & kContinued) != 0;
  return flags <= (kContinues | kContinued) && reader.Little(&to->generation) &&
         reader.Little(&to->sequence) && reader.Little(&to->fence);
}

}  // namespace

std::string Layout::Folder(std::uint64_t generation) const {
  return fmt::format("{}{:016x}", journal_, generation);
}

std::string Layout::Chunk(std::uint64_t generation, std::uint64_t sequence) const {
  return fmt::format("{}/{:016x}", Folder(generation), sequence);
}

// '0' is the byte behind '/', and 'g' that behind the last hexadecimal digit.
Range Layout::Generation(std::uint64_t generation) const {
  return {Folder(generation) + "/", Folder(generation) + "0"};
}

Range Layout::Before(std::uint64_t generation) const {
  return {journal_ + "0", Folder(generation) + "/"};
}

Range Layout::After(std::uint64_t generation) const {
  return {Folder(generation) + "0", journal_ + "g"};
}

Range Layout::Chunks() const {
  return {journal_ + "0", journal_ + "g"};
}

std::string EncodeHead(const Head& head) {
  std::string bytes;
  AppendLittle(bytes, kHeadMagic);
  AppendLittle(bytes, head.generation);
  AppendLittle(bytes, head.fence);
  AppendLittle(bytes, Crc32c(bytes));
  return bytes;
}

absl::StatusOr<Head> DecodeHead(std::string_view key, std::string_view bytes) {
  std::uint32_t checksum = 0, magic = 0;
  Head head;
  const bool whole = TakeChecksum(&bytes, 0, &checksum);
  ByteReader reader(bytes);
  if (!whole || !reader.Little(&magic) || magic != kHeadMagic || !reader.Little(&head.generation) ||
      !reader.Little(&head.fence) || !reader.empty() || head.generation == 0) {
    return Damaged(key, "is not the head of a coordinator's journal");
  }
  return head;
}

void AppendFrame(std::string& content, std::string_view frame) {
  AppendSized(content, frame);
}

std::size_t FrameBytes(std::size_t bytes) {
  char buffer[kVarintBytesMax];
  return static_cast<std::size_t>(StoreVarint(buffer, bytes) - buffer) + bytes;
}

std::string EncodeChunk(const ChunkHeader& header, std::string_view content, std::uint32_t before,
                        std::uint32_t* checksum) {
  std::string bytes;
  bytes.reserve(content.size() + kChunkOverheadBytes);
  AppendLittle(bytes, kChunkMagic);
  bytes +=
      static_cast<char>((header.continues ? kContinues : 0) | (header.continued ? kContinued : 0));
  AppendLittle(bytes, header.generation);
  AppendLittle(bytes, header.sequence);
  AppendLittle(bytes, header.fence);
  bytes += content;
  AppendLittle(bytes, *checksum = Crc32c(bytes, before));
  return bytes;
}

absl::StatusOr<Chunk> DecodeChunk(std::string_view key, std::string_view bytes,
                                  std::uint32_t before) {
  Chunk chunk;
  const bool whole = TakeChecksum(&bytes, before, &chunk.checksum);
  ByteReader reader(bytes);
  if (!ReadHeader(reader, &chunk.header)) {
    return Damaged(key, "is not a chunk of a coordinator's journal");
  }
  if (!whole) {
    return Damaged(key, "its checksum is wrong: it, or the chunk before it, is damaged");
  }
  while (!reader.empty()) {
    if (!reader.Sized(&chunk.frames.emplace_back())) {
      return Damaged(key, "its frames are longer than the value");
    }
  }
  const std::size_t least = chunk.header.continues && chunk.header.continued ? 1 : 0;
  if (chunk.frames.size() < least || (chunk.frames.empty() && chunk.header.continues)) {
    return Damaged(key, "it continues a batch and has no part of it");
  }
  return chunk;
}

}  // namespace trireme::mapreduce::ledger
