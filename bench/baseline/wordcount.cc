// Word count without a framework: "word<TAB>count" lines, sorted by the word's bytes.
//   baseline_wordcount [--fsync] OUT FILE...
#include "baseline/word_table.h"
#include "baseline/words.h"

namespace trireme::baseline {
namespace {

void CountWords(const std::vector<MappedFile>& files, ChunkQueue& chunks, WordTable& table) {
  auto increment = [](std::uint64_t& count) { ++count; };
  while (const Chunk* chunk = chunks.Next()) {
    ForEachWord(WordsOf(files[chunk->file], *chunk),
                [&](const char* word, std::size_t size) { table.Add(word, size, increment); });
  }
  table.Flush(increment);
}

void FormatCount(const WordEntry& entry, std::string& text) {
  entry.AppendWord(text);
  text += '\t';
  AppendDecimal(text, entry.value);
  text += '\n';
}

void Run(const Arguments& arguments) {
  const auto files = MapFiles({arguments.words.begin() + 1, arguments.words.end()});
  std::deque<WordTable> tables(ThreadCount());
  ChunkQueue chunks(files);
  RunParallel(ThreadCount(), [&](unsigned id) { CountWords(files, chunks, tables[id]); });
  OutputFile out(arguments.words[0]);
  WriteSorted(
      tables, out, [](std::uint64_t& into, std::uint64_t from) { into += from; }, FormatCount);
  out.Close(arguments.durable);
}

}  // namespace
}  // namespace trireme::baseline

int main(int argc, char** argv) {
  using namespace trireme::baseline;
  Run(ParseArguments(argc, argv, 2, "[--fsync] OUT FILE..."));
  Finish();
}
