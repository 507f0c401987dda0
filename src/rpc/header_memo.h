#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace trireme::rpc {

/// Known blocks of one connection, and their bytes; longer ones are read each time.
inline constexpr std::size_t kKnownHeaderBlocksMax = 4;
inline constexpr std::size_t kKnownHeaderBlockBytesMax = 512;

/// Whether an HPACK block (RFC 7541 section 6) leaves the decoder's table as it is. Hostile bytes.
bool LeavesTable(std::string_view block);

/// Remembers what the last header blocks of a connection said. A peer says the same for each call
/// of a method: once HPACK's table has its headers, with the same few bytes, which mean the same
/// until a block changes the table. Such a block is taken out of its HEADERS frame before nghttp2
/// sees it, and need be neither decoded nor understood again. Everything else passes as it came.
/// Not thread-safe.
class HeaderMemo {
 public:
  /// What a stream has made of its headers.
  using Meaning = std::shared_ptr<const void>;

  /// The connection begins with so many bytes that are no frames.
  explicit HeaderMemo(std::size_t preface_bytes) : inside_bytes_(preface_bytes) {}

  /// Goes through the connection's next bytes, hostile ones, and takes known blocks out. Returns
  /// what is left, which begins where `bytes` does.
  std::span<char> Shorten(std::span<char> bytes);

  // While what Shorten returned is decoded:

  /// To be called for each HEADERS frame that is not ignored, when it begins: what its block said;
  /// null when the frame still has it. The result is there until the next Shorten.
  const Meaning* Begin(std::int32_t stream);
  /// Whether the block that began last should be known, and what it said.
  bool wants() const { return begun_ == candidate_at_; }
  void Learn(Meaning meaning);

 private:
  static constexpr std::size_t kFrameHeaderBytes = 9;
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  static constexpr std::size_t kNothingBegun = kNone - 1;
  struct Known {
    std::string block;  // Empty: not known any more.
    Meaning meaning;
  };
  struct Seen {
    std::int32_t stream;
    std::size_t known;  // Of known_; kNone: it has its block.
  };

  void Remember();
  std::size_t FinishOldFrame(std::string_view bytes);
  bool Take(std::string_view frame);
  std::size_t Find(std::string_view block) const;
  void Forget();

  std::size_t inside_bytes_;  // Of a frame that has begun, still to come.
  char split_header_[kFrameHeaderBytes];
  std::size_t split_bytes_ = 0;  // Of split_header_, when a frame's header is not complete.
  bool cut_ = false;             // The frame that has begun may change the table.
  bool blind_ = false;           // So these bytes are only walked over.

  std::array<Known, kKnownHeaderBlocksMax> known_;
  std::size_t oldest_ = 0;  // Of known_.
  std::vector<Seen> seen_;  // HEADERS frames in these bytes, unless blind.
  std::size_t next_ = 0;    // Of seen_, behind the one that began last.
  std::size_t begun_ = kNothingBegun;
  std::size_t candidate_at_ = kNone;  // Of seen_.
  std::string candidate_;
  Meaning learned_;  // Of candidate_; remembered before the next bytes.
};

}  // namespace trireme::rpc
