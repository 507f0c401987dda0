// Inverted index without a framework: "word<TAB>N file,file,..." lines, sorted by the word's bytes;
// N is the number of files, whose names (without their directories) are sorted.
//   baseline_index [--fsync] OUT FILE...
#include <memory>

#include "baseline/word_table.h"
#include "baseline/words.h"

namespace trireme::baseline {
namespace {

/// Sets of files by number, as values of a table. Up to 64 files a value is itself the bit mask;
/// beyond that it is the address of a row of masks, and 0 is the empty set.
class FileSets {
 public:
  explicit FileSets(std::size_t files) : words_(std::max<std::size_t>(1, (files + 63) / 64)) {}

  bool is_inline() const { return words_ == 1; }

  void Insert(std::uint64_t& value, std::size_t file) {
    if (value == 0) value = reinterpret_cast<std::uint64_t>(NewRow());
    Row(value)[file / 64] |= std::uint64_t{1} << (file % 64);
  }

  void Unite(std::uint64_t& into, std::uint64_t from) const {
    if (is_inline()) {
      into |= from;
    } else {
      for (std::size_t i = 0; i < words_; ++i) Row(into)[i] |= Row(from)[i];
    }
  }

  const std::uint64_t* Masks(const std::uint64_t& value) const {
    return is_inline() ? &value : Row(value);
  }
  std::size_t words() const { return words_; }

 private:
  static constexpr std::size_t kRowsPerBlock = 4096;

  static std::uint64_t* Row(std::uint64_t value) { return reinterpret_cast<std::uint64_t*>(value); }

  std::uint64_t* NewRow() {
    if (rows_ % kRowsPerBlock == 0)
      blocks_.push_back(std::make_unique<std::uint64_t[]>(kRowsPerBlock * words_));
    return blocks_.back().get() + rows_++ % kRowsPerBlock * words_;
  }

  std::size_t words_;
  std::size_t rows_ = 0;
  std::vector<std::unique_ptr<std::uint64_t[]>> blocks_;
};

/// Number k is the file whose name is the k-th in order, so that a set lists its names sorted.
std::vector<MappedFile> MapInOrderOfNames(const std::vector<std::string>& paths) {
  auto files = MapFiles(paths);
  std::stable_sort(files.begin(), files.end(),
                   [](const auto& a, const auto& b) { return a.name() < b.name(); });
  return files;
}

template <typename Update>
void AddWords(std::string_view text, WordTable& table, Update update) {
  ForEachWord(text, [&](const char* word, std::size_t size) { table.Add(word, size, update); });
  table.Flush(update);  // the next chunk may belong to another file
}

void IndexWords(const std::vector<MappedFile>& files, ChunkQueue& chunks, WordTable& table,
                FileSets& sets) {
  while (const Chunk* chunk = chunks.Next()) {
    const std::string_view text = WordsOf(files[chunk->file], *chunk);
    if (!sets.is_inline()) {
      AddWords(text, table, [&](std::uint64_t& value) { sets.Insert(value, chunk->file); });
      continue;
    }
    AddWords(text, table, [bit = std::uint64_t{1} << chunk->file](std::uint64_t& value) {
      if ((value & bit) == 0) value |= bit;  // a line that need not change stays clean
    });
  }
}

void FormatFiles(const WordEntry& entry, const FileSets& sets, const std::vector<MappedFile>& files,
                 std::string& text) {
  entry.AppendWord(text);
  const std::uint64_t* masks = sets.Masks(entry.value);
  std::size_t count = 0;
  for (std::size_t i = 0; i < sets.words(); ++i) count += std::popcount(masks[i]);
  text += '\t';
  AppendDecimal(text, count);
  char separator = ' ';
  for (std::size_t i = 0; i < sets.words(); ++i) {
    for (std::uint64_t bits = masks[i]; bits != 0; bits &= bits - 1) {
      text += separator;
      text += files[i * 64 + static_cast<std::size_t>(std::countr_zero(bits))].name();
      separator = ',';
    }
  }
  text += '\n';
}

void Run(const Arguments& arguments) {
  const auto files = MapInOrderOfNames({arguments.words.begin() + 1, arguments.words.end()});
  std::deque<WordTable> tables(ThreadCount());
  std::deque<FileSets> sets;
  for (unsigned id = 0; id < ThreadCount(); ++id) sets.emplace_back(files.size());
  ChunkQueue chunks(files);
  RunParallel(ThreadCount(), [&](unsigned id) { IndexWords(files, chunks, tables[id], sets[id]); });
  OutputFile out(arguments.words[0]);
  WriteSorted(
      tables, out, [&](std::uint64_t& into, std::uint64_t from) { sets[0].Unite(into, from); },
      [&](const WordEntry& entry, std::string& text) { FormatFiles(entry, sets[0], files, text); });
  out.Close(arguments.durable);
}

}  // namespace
}  // namespace trireme::baseline

int main(int argc, char** argv) {
  using namespace trireme::baseline;
  Run(ParseArguments(argc, argv, 2, "[--fsync] OUT FILE..."));
  Finish();
}
