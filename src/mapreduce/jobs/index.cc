#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mapreduce/engine/aggregate_table.h"
#include "mapreduce/engine/hash.h"
#include "mapreduce/engine/tokenizer.h"
#include "mapreduce/jobs/factories.h"

namespace trireme::mapreduce {
namespace {

/// Memory for the distinct words of one file; when they are more, some are emitted twice, which the
/// reducer sets right.
constexpr std::size_t kWordTableBytes = 64u << 20;
/// A table with fewer words than this part of what it has held is made anew, not cleared.
constexpr std::size_t kSparseTable = 64;

/// Emits (word, file) once for each distinct word of each file the task reads.
class IndexMapper final : public Mapper {
 public:
  explicit IndexMapper(bool blocks) : blocks_(blocks) {
    if (words_ == nullptr) words_ = std::make_unique<AggregateTable>();
    words().Reset(Aggregation::kMax, kWordTableBytes);
    words().Aim(batches_.data());
  }

  ~IndexMapper() override { kept_ = std::move(words_); }

  void Map(const Record& record, Emitter& out) override { Add(record.value, record.file, out); }
  bool MapBlock(const Block& block, Emitter& out) override {
    if (blocks_) Add(block.data, block.file, out);
    return blocks_;
  }
  void Finish(Emitter& out) override { EmitWords(out); }

 private:
  AggregateTable& words() { return *words_; }

  void Add(std::string_view text, std::string_view file, Emitter& out) {
    if (file != file_) {
      EmitWords(out);
      file_ = file;
    }
    WordScanner scanner(text);
    for (auto spans = scanner.Next(); !spans.empty(); spans = scanner.Next()) {
      for (const WordScanner::Span span : spans) {
        const std::string_view word = text.substr(span.begin, span.end - span.begin);
        if (word.size() > internal::kInlineKeyBytes) [[unlikely]] {
          AddLong(word, out);
          continue;
        }
        internal::Batch& batch = internal::BatchOf(batches_.data(), word.size());
        if (batch.Push(word, 1)) AddBatch(batch, out);
      }
    }
  }

  void AddBatch(internal::Batch& batch, Emitter& out) {
    std::size_t done = 0;
    while (done < batch.count) {
      done += words().AddBatch(batch, done);
      if (done < batch.count) EmitTable(out);
    }
    batch.count = 0;
    words().Aim(batches_.data());
  }

  void AddLong(std::string_view word, Emitter& out) {
    const std::uint64_t hash = HashKey(word);
    if (words().Add(word, hash, 1)) return;
    EmitTable(out);
    if (!words().Add(word, hash, 1)) out.Emit(word, file_);  // alone too long for the table
  }

  void EmitWords(Emitter& out) {
    for (internal::Batch& batch : batches_) AddBatch(batch, out);
    EmitTable(out);
  }

  void EmitTable(Emitter& out) {
    if (words().size() == 0) return;
    words().ForEach([&](std::uint32_t id, const internal::KeyPrefix&, std::uint64_t) {
      out.Emit(words().Key(id), file_);
    });
    if (words().size() < words().capacity() / kSparseTable) words().Free();
    words().Reset(Aggregation::kMax, kWordTableBytes);
    words().Aim(batches_.data());
  }

  const bool blocks_;
  std::string file_;
  std::array<internal::Batch, 2> batches_;  // as AggregateTable::Aim wants them
  /// Of file_; the values are of no use. A slot's next task finds the table's memory warm.
  std::unique_ptr<AggregateTable> words_ = std::exchange(kept_, nullptr);
  inline static thread_local std::unique_ptr<AggregateTable> kept_;
};

/// Writes word, number of files, their names. Files come in the order of the input, which is
/// sorted, so the names are, too, unless the job was given its input in some other order.
class IndexReducer final : public Reducer {
 public:
  void Reduce(std::string_view word, Values& files, Output& out) override {
    names_.clear();
    ends_.clear();
    bool sorted = true;
    for (std::string_view name; files.Next(&name);) {
      const std::string_view last = ends_.empty() ? std::string_view() : Name(ends_.size() - 1);
      if (!ends_.empty() && name == last) continue;
      sorted = sorted && (ends_.empty() || last < name);
      if (!ends_.empty()) names_ += ',';
      names_ += name;
      ends_.push_back(names_.size());
    }
    if (!sorted) Sort();
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, ends_.size()).ptr;
    line_.assign(digits, end);
    line_ += ' ';
    line_ += names_;
    out.Emit(word, line_);
  }

 private:
  std::string_view Name(std::size_t i) const {
    const std::size_t begin = i == 0 ? 0 : ends_[i - 1] + 1;
    return std::string_view(names_).substr(begin, ends_[i] - begin);
  }

  void Sort() {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < ends_.size(); ++i) names.emplace_back(Name(i));
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    names_.clear();
    ends_.clear();
    for (const std::string& name : names) {
      if (!ends_.empty()) names_ += ',';
      names_ += name;
      ends_.push_back(names_.size());
    }
  }

  std::string names_;              // separated by commas
  std::vector<std::size_t> ends_;  // of the names in names_
  std::string line_;
};

}  // namespace

absl::StatusOr<Job> MakeIndex(const JobOptions& options) {
  const bool blocks = !options.Has(kRecordBytesOption);
  return Job{.mapper = New<IndexMapper>(blocks), .reducer = New<IndexReducer>()};
}

}  // namespace trireme::mapreduce
