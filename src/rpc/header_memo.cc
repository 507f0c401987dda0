#include "rpc/header_memo.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

namespace trireme::rpc {
namespace {

// RFC 9113 section 6.
constexpr unsigned char kHeaders = 1, kPushPromise = 5, kContinuation = 9;
constexpr unsigned char kEndStream = 1, kEndHeaders = 4;

/// Room for so many frames of one read stays with a connection.
constexpr std::size_t kSeenKeptMax = 1024;

unsigned char ByteAt(std::string_view bytes, std::size_t at) {
  return static_cast<unsigned char>(bytes[at]);
}

std::size_t PayloadBytes(std::string_view frame) {
  return std::size_t{ByteAt(frame, 0)} << 16 | std::size_t{ByteAt(frame, 1)} << 8 |
         ByteAt(frame, 2);
}

std::int32_t StreamOf(std::string_view frame) {
  return (ByteAt(frame, 5) & 0x7f) << 24 | ByteAt(frame, 6) << 16 | ByteAt(frame, 7) << 8 |
         ByteAt(frame, 8);
}

bool MayChangeTable(std::string_view frame) {
  const unsigned char type = ByteAt(frame, 3);
  return type == kHeaders || type == kPushPromise || type == kContinuation;
}

/// Takes an integer of RFC 7541 section 5.1 from the front; nothing when it is cut or larger than
/// any block.
std::optional<std::size_t> TakeInteger(std::string_view& block, int prefix_bits) {
  if (block.empty()) return std::nullopt;
  const std::size_t mask = (std::size_t{1} << prefix_bits) - 1;
  std::size_t value = ByteAt(block, 0) & mask;
  block.remove_prefix(1);
  if (value < mask) return value;
  for (int shift = 0; shift <= 21 && !block.empty(); shift += 7) {
    const unsigned char byte = ByteAt(block, 0);
    block.remove_prefix(1);
    value += std::size_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

bool SkipString(std::string_view& block) {
  const auto size = TakeInteger(block, 7);
  if (!size || *size > block.size()) return false;
  block.remove_prefix(*size);
  return true;
}

/// Returns where they end.
char* MoveTo(char* to, std::span<const char> bytes) {
  if (to != bytes.data()) std::memmove(to, bytes.data(), bytes.size());
  return to + bytes.size();
}

}  // namespace

bool LeavesTable(std::string_view block) {
  while (!block.empty()) {
    const unsigned char first = ByteAt(block, 0);
    if (first >= 0x80) {  // Indexed.
      if (!TakeInteger(block, 7)) return false;
      continue;
    }
    if (first >= 0x20) return false;  // To be indexed, or a new size.
    const auto name = TakeInteger(block, 4);
    if (!name || (*name == 0 && !SkipString(block)) || !SkipString(block)) return false;
  }
  return true;
}

std::span<char> HeaderMemo::Shorten(std::span<char> bytes) {
  Remember();
  const std::string_view all(bytes.data(), bytes.size());
  char* to = bytes.data();
  std::size_t kept_from = 0;
  std::size_t at = FinishOldFrame(all);
  while (all.size() - at >= kFrameHeaderBytes) {
    const std::size_t size = kFrameHeaderBytes + PayloadBytes(all.substr(at));
    if (MayChangeTable(all.substr(at)) && Take(all.substr(at, size))) {
      std::fill_n(bytes.data() + at, 3, 0);  // The frame's length.
      to = MoveTo(to, bytes.subspan(kept_from, at + kFrameHeaderBytes - kept_from));
      kept_from = at + size;
    }
    inside_bytes_ = size - std::min(size, all.size() - at);
    at += size - inside_bytes_;
  }
  if (at < all.size()) split_bytes_ = all.copy(split_header_, kFrameHeaderBytes, at);
  to = MoveTo(to, bytes.subspan(kept_from));
  return bytes.first(static_cast<std::size_t>(to - bytes.data()));
}

/// Starts with fresh bytes: what the last ones taught is known now.
void HeaderMemo::Remember() {
  if (learned_ != nullptr) {
    known_[oldest_] = {std::exchange(candidate_, {}), std::move(learned_)};
    oldest_ = (oldest_ + 1) % known_.size();
    learned_ = nullptr;
  }
  // A flood of frames leaves no memory behind.
  if (seen_.size() > kSeenKeptMax) seen_ = std::vector<Seen>();
  seen_.clear();
  next_ = 0;
  begun_ = kNothingBegun;
  candidate_at_ = kNone;
  blind_ = std::exchange(cut_, false);
}

/// How many of `bytes` belong to what began before them.
std::size_t HeaderMemo::FinishOldFrame(std::string_view bytes) {
  std::size_t at = 0;
  if (split_bytes_ > 0) {
    at = bytes.copy(split_header_ + split_bytes_, kFrameHeaderBytes - split_bytes_);
    split_bytes_ += at;
    if (split_bytes_ < kFrameHeaderBytes) return at;
    split_bytes_ = 0;
    const std::string_view header(split_header_, kFrameHeaderBytes);
    inside_bytes_ = PayloadBytes(header);
    blind_ = MayChangeTable(header);
    if (blind_) Forget();
  }
  const std::size_t rest = std::min(inside_bytes_, bytes.size() - at);
  inside_bytes_ -= rest;
  cut_ = blind_ && inside_bytes_ > 0;
  return at + rest;
}

/// Whether the block of `frame`, which is cut where the bytes end, is known: it is noted then.
bool HeaderMemo::Take(std::string_view frame) {
  const std::string_view block = frame.substr(kFrameHeaderBytes);
  cut_ = block.size() < PayloadBytes(frame);
  const bool simple =
      ByteAt(frame, 3) == kHeaders && (ByteAt(frame, 4) | kEndStream) == (kEndHeaders | kEndStream);
  const bool fits = !block.empty() && block.size() <= kKnownHeaderBlockBytesMax;
  if (ByteAt(frame, 3) == kHeaders && !blind_) seen_.push_back({StreamOf(frame), kNone});
  if (cut_ || blind_ || !simple || !fits) {
    Forget();
    return false;
  }
  seen_.back().known = Find(block);
  if (seen_.back().known != kNone) return true;
  if (LeavesTable(block)) {
    candidate_at_ = seen_.size() - 1;
    candidate_ = block;
  } else {
    Forget();
  }
  return false;
}

std::size_t HeaderMemo::Find(std::string_view block) const {
  for (std::size_t i = 0; i < known_.size(); ++i) {
    if (known_[i].block == block) return i;
  }
  return kNone;
}

/// The same bytes may say something else from here on.
void HeaderMemo::Forget() {
  candidate_at_ = kNone;
  for (Known& known : known_) known.block.clear();
}

const HeaderMemo::Meaning* HeaderMemo::Begin(std::int32_t stream) {
  begun_ = next_;
  while (begun_ < seen_.size() && seen_[begun_].stream != stream) ++begun_;  // Ignored ones.
  if (begun_ == seen_.size()) {  // It began before these bytes.
    begun_ = kNothingBegun;
    return nullptr;
  }
  next_ = begun_ + 1;
  const std::size_t known = seen_[begun_].known;
  return known == kNone ? nullptr : &known_[known].meaning;
}

void HeaderMemo::Learn(Meaning meaning) {
  candidate_at_ = kNone;
  learned_ = std::move(meaning);
}

}  // namespace trireme::rpc
