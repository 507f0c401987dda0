// Lines that contain a fixed string, without a framework: written to OUT, their number to the
// standard output.
//   baseline_grep [--fsync] PATTERN OUT FILE...
#include <hwy/highway.h>

#include <bit>
#include <cstdio>
#include <cstring>

#include "baseline/common.h"

namespace trireme::baseline {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
constexpr hn::ScalableTag<std::uint8_t> kLanes;

/// Bit i is set when the pattern's first and last byte are where a match beginning at p + i has
/// them.
class CandidateFilter {
 public:
  explicit CandidateFilter(std::string_view pattern)
      : pattern_(pattern),
        first_(hn::Set(kLanes, static_cast<std::uint8_t>(pattern.front()))),
        last_(hn::Set(kLanes, static_cast<std::uint8_t>(pattern.back()))) {}

  bool Any(const char* p) const { return !hn::AllFalse(kLanes, Match(p)); }

  std::uint64_t Bits(const char* p) const {
    std::uint8_t bytes[64] = {};
    hn::StoreMaskBits(kLanes, Match(p), bytes);
    std::uint64_t bits;
    std::memcpy(&bits, bytes, sizeof bits);
    return bits;
  }

 private:
  hn::Mask<decltype(kLanes)> Match(const char* p) const {
    const auto* first = reinterpret_cast<const std::uint8_t*>(p);
    const auto* last = first + pattern_.size() - 1;
    return hn::And(hn::Eq(hn::LoadU(kLanes, first), first_),
                   hn::Eq(hn::LoadU(kLanes, last), last_));
  }

  std::string_view pattern_;
  hn::Vec<decltype(kLanes)> first_;
  hn::Vec<decltype(kLanes)> last_;
};

class Grep {
 public:
  Grep(std::string_view pattern, OutputFile& out)
      : pattern_(pattern), filter_(pattern), out_(out) {}

  /// `text` is whole lines.
  void Scan(std::string_view text) {
    const char* const end = text.data() + text.size();
    const char* line = text.data();  // no match begins before it
    for (const char* p = text.data(); p < end;) {
      const char* match = filter_.Any(p) ? MatchAt(p, end) : nullptr;
      if (match == nullptr) {
        p += hn::Lanes(kLanes);
      } else {
        p = line = TakeLine(line, match, end);
      }
    }
    out_.Append(taken_);
    taken_.clear();
  }

  std::size_t lines() const { return lines_; }

 private:
  const char* MatchAt(const char* p, const char* end) const {
    for (std::uint64_t bits = filter_.Bits(p); bits != 0; bits &= bits - 1) {
      const char* at = p + std::countr_zero(bits);
      if (at + pattern_.size() <= end && std::memcmp(at, pattern_.data(), pattern_.size()) == 0)
        return at;
    }
    return nullptr;
  }

  /// Takes the line around `match`; returns the start of the next.
  const char* TakeLine(const char* from, const char* match, const char* end) {
    const void* before = memrchr(from, '\n', static_cast<std::size_t>(match - from));
    const void* after = std::memchr(match, '\n', static_cast<std::size_t>(end - match));
    const char* begin = before == nullptr ? from : static_cast<const char*>(before) + 1;
    const char* line_end = after == nullptr ? end : static_cast<const char*>(after);
    taken_.append(begin, line_end) += '\n';
    ++lines_;
    return after == nullptr ? end : line_end + 1;
  }

  std::string_view pattern_;
  CandidateFilter filter_;
  OutputFile& out_;
  std::string taken_;
  std::size_t lines_ = 0;
};

void Run(const Arguments& arguments) {
  const std::string& pattern = arguments.words[0];
  if (pattern.empty() || pattern.size() > kReadablePadding / 2 ||
      pattern.find('\n') != std::string::npos)
    Fail("the pattern must be 1 to " + std::to_string(kReadablePadding / 2) + " bytes of one line");
  const auto files = MapFiles({arguments.words.begin() + 2, arguments.words.end()});
  OutputFile out(arguments.words[1]);
  ChunkQueue chunks(files);
  std::atomic<std::size_t> total{0};
  RunParallel(ThreadCount(), [&](unsigned) {
    Grep grep(pattern, out);
    while (const Chunk* chunk = chunks.Next()) grep.Scan(LinesOf(files[chunk->file], *chunk));
    total += grep.lines();
  });
  out.Close(arguments.durable);
  std::printf("%zu\n", total.load());
}

}  // namespace
}  // namespace trireme::baseline

int main(int argc, char** argv) {
  using namespace trireme::baseline;
  Run(ParseArguments(argc, argv, 3, "[--fsync] PATTERN OUT FILE..."));
  Finish();
}
