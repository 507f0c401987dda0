#include "kv/server/wire.h"

namespace trireme::kv::wire {
namespace {
constexpr std::uint64_t kTypeMask = 7, kNumber = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5;
}  // namespace

bool Reader::Next() {
  if (!ok_ || rest_.empty()) return false;
  ok_ = Take();
  return ok_;
}

bool Reader::Take() {
  if (!rest_.Varint(&tag_) || tag_ >> 3 == 0) return false;
  switch (tag_ & kTypeMask) {
    case kNumber:
      return rest_.Varint(&number_);
    case kBytes:
      return rest_.Sized(&bytes_);
    case kFixed64:
      return rest_.Little(&number_);
    case kFixed32: {
      std::uint32_t word = 0;
      const bool there = rest_.Little(&word);
      number_ = word;
      return there;
    }
    default:
      return false;
  }
}

}  // namespace trireme::kv::wire
