// wordcount and ngrams.
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status_macros.h"
#include "mapreduce/engine/tokenizer.h"
#include "mapreduce/jobs/factories.h"

namespace trireme::mapreduce {
namespace {

class WordCountMapper final : public Mapper {
 public:
  explicit WordCountMapper(bool blocks) : blocks_(blocks) {}

  void Map(const Record& record, Emitter& out) override { CountWords(record.value, out); }
  bool MapBlock(const Block& block, Emitter& out) override {
    if (blocks_) CountWords(block.data, out);
    return blocks_;
  }

 private:
  static void CountWords(std::string_view text, Emitter& out) {
    WordScanner scanner(text);
    for (auto spans = scanner.Next(); !spans.empty(); spans = scanner.Next()) {
      for (const WordScanner::Span word : spans)
        out.Emit(text.substr(word.begin, word.end - word.begin), 1);
    }
  }

  bool blocks_;
};

/// Emits every run of `n` words of one line. Where they are separated by single spaces, the key is
/// the text itself.
class NgramMapper final : public Mapper {
 public:
  NgramMapper(std::size_t n, bool blocks) : n_(n), blocks_(blocks), last_(n) {}

  void Map(const Record& record, Emitter& out) override { CountNgrams(record.value, out); }
  bool MapBlock(const Block& block, Emitter& out) override {
    if (blocks_) CountNgrams(block.data, out);
    return blocks_;
  }

 private:
  void CountNgrams(std::string_view text, Emitter& out) {
    in_line_ = 0;
    WordScanner scanner(text);
    for (auto spans = scanner.Next(); !spans.empty(); spans = scanner.Next()) {
      for (const WordScanner::Span word : spans) {
        Add(text, word);
        if (in_line_ >= n_) out.Emit(Key(text, word), 1);
      }
    }
  }

  /// Takes in the next word: the n_ last are in last_, whose oldest is at next_.
  void Add(std::string_view text, WordScanner::Span word) {
    if (in_line_ != 0) {
      const WordScanner::Span& before = last_[next_ == 0 ? n_ - 1 : next_ - 1];
      const std::string_view gap = text.substr(before.end, word.begin - before.end);
      if (gap == " ") {
        ++single_spaces_;
      } else {
        single_spaces_ = 0;
        if (gap.find('\n') != std::string_view::npos) in_line_ = 0;
      }
    } else {
      single_spaces_ = 0;
    }
    last_[next_] = word;
    if (++next_ == n_) next_ = 0;
    ++in_line_;
  }

  std::string_view Key(std::string_view text, WordScanner::Span newest) {
    const std::uint32_t begin = last_[next_].begin;
    if (single_spaces_ + 1 >= n_) return text.substr(begin, newest.end - begin);
    joined_.clear();
    for (std::size_t i = 0; i < n_; ++i) {
      const WordScanner::Span& word = last_[(next_ + i) % n_];
      if (i != 0) joined_ += ' ';
      joined_ += text.substr(word.begin, word.end - word.begin);
    }
    return joined_;
  }

  const std::size_t n_;
  const bool blocks_;
  std::vector<WordScanner::Span> last_;  // a ring
  std::size_t next_ = 0;
  std::size_t in_line_ = 0;        // words of the line so far
  std::size_t single_spaces_ = 0;  // gaps in a row, up to the newest word, that are one space
  std::string joined_;
};

}  // namespace

absl::StatusOr<Job> MakeWordCount(const JobOptions& options) {
  const bool blocks = !options.Has(kRecordBytesOption);
  return Job{.mapper = New<WordCountMapper>(blocks), .aggregation = Aggregation::kSum};
}

absl::StatusOr<Job> MakeNgrams(const JobOptions& options) {
  TRIREME_ASSIGN_OR_RETURN(const std::uint64_t n, options.Number("n", 3, 1, kNgramWordsMax));
  const bool blocks = !options.Has(kRecordBytesOption);
  return Job{.mapper = New<NgramMapper>(static_cast<std::size_t>(n), blocks),
             .aggregation = Aggregation::kSum};
}

}  // namespace trireme::mapreduce
