// The benchmark's data, the same bytes for the same arguments on every machine.
//   baseline_generate text DIR FIRST LAST BYTES     files DIR/text-FIRST.txt ... text-LAST.txt
//   baseline_generate records FILE BYTES            100-byte records with 10-byte keys
//
// Text: lines of about 80 bytes of words drawn by Zipf's law with exponent 1 from 500,000 distinct
// ones. One line in 100,000 begins with the word that the grep benchmark looks for and no other
// line has.
#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <unordered_set>

#include "base/random.h"
#include "baseline/common.h"

namespace trireme::baseline {
namespace {

constexpr std::size_t kVocabularySize = 500'000;
constexpr std::uint64_t kSeed = 0x7472697265'6d65;
constexpr std::size_t kLineBytesMin = 70;
constexpr std::size_t kLineBytesSpread = 20;
constexpr std::uint64_t kLinesPerNeedle = 100'000;
constexpr std::string_view kNeedle = "zqjxvkw";  // no syllable below has a q, a z or a j
constexpr std::size_t kBlockBytes = 1u << 20;

constexpr std::string_view kOnsets[] = {"b",  "c",  "d",  "f",  "g",  "h",  "k",  "l",  "m",  "n",
                                        "p",  "r",  "s",  "t",  "v",  "w",  "br", "ch", "cl", "dr",
                                        "gr", "pl", "pr", "sh", "sl", "sp", "st", "th", "tr"};
constexpr std::string_view kNuclei[] = {"a", "e", "i", "o", "u", "ai", "ea", "ie", "oo", "ou", "y"};

/// Sizes that grow with rarity, as in natural text: the words by rank, up to which rank, from and
/// to size.
struct SizesByRank {
  std::size_t ranks_end;
  std::size_t size_min;
  std::size_t size_max;
};
constexpr SizesByRank kSizes[] = {{10, 1, 3},     {100, 2, 4},     {1'000, 3, 6},
                                  {10'000, 4, 8}, {100'000, 5, 9}, {kVocabularySize, 6, 12}};

std::string DrawWord(std::size_t size, Random& random) {
  std::string word;
  bool onset = random.Below(3) != 0;
  for (; word.size() < size; onset = !onset)
    word += onset ? kOnsets[random.Below(std::size(kOnsets))]
                  : kNuclei[random.Below(std::size(kNuclei))];
  word.resize(size);
  return word;
}

/// Distinct words, the most frequent first.
std::vector<std::string> DrawVocabulary() {
  Random random(kSeed);
  std::unordered_set<std::string> seen;
  std::vector<std::string> words;
  for (const SizesByRank& sizes : kSizes) {
    while (words.size() < sizes.ranks_end) {
      std::string word =
          DrawWord(sizes.size_min + random.Below(sizes.size_max - sizes.size_min + 1), random);
      if (seen.insert(word).second) words.push_back(std::move(word));
    }
  }
  return words;
}

/// Draws ranks with probability proportional to 1 / (rank + 1), each in constant time: the alias
/// method (Walker, 1977) with the table built as by Vose (1991).
class ZipfRanks {
 public:
  explicit ZipfRanks(std::size_t size) : columns_(size) {
    double total = 0;
    for (std::size_t i = 0; i < size; ++i) total += 1.0 / static_cast<double>(i + 1);
    std::vector<std::size_t> small, large;
    for (std::size_t i = 0; i < size; ++i) {
      columns_[i] = {static_cast<double>(size) / static_cast<double>(i + 1) / total, i};
      (columns_[i].keep < 1 ? small : large).push_back(i);
    }
    while (!small.empty() && !large.empty()) {
      Column& filled = columns_[small.back()];
      Column& giver = columns_[large.back()];
      small.pop_back();
      filled.alias = large.back();
      giver.keep -= 1 - filled.keep;
      if (giver.keep >= 1) continue;
      small.push_back(large.back());
      large.pop_back();
    }
  }

  std::size_t Draw(Random& random) const {
    const std::size_t column = random.Below(columns_.size());
    return random.Unit() < columns_[column].keep ? column : columns_[column].alias;
  }

 private:
  struct Column {
    double keep;  // the probability of the column's own rank; the alias has the remainder
    std::size_t alias;
  };
  std::vector<Column> columns_;
};

struct Language {
  std::vector<std::string> words = DrawVocabulary();
  ZipfRanks ranks{words.size()};
};

void AppendLine(const Language& language, Random& random, std::string& text) {
  const std::size_t begin = text.size();
  const std::size_t wanted = kLineBytesMin + random.Below(kLineBytesSpread);
  if (random.OneIn(kLinesPerNeedle)) text.append(kNeedle) += ' ';
  while (text.size() - begin < wanted)
    text.append(language.words[language.ranks.Draw(random)]) += ' ';
  text.back() = '\n';
}

void WriteText(const Language& language, std::uint64_t number, const std::string& path,
               std::size_t bytes) {
  Random random(Random(kSeed + number).Next());
  OutputFile out(path);
  std::string text;
  for (std::size_t written = 0; written < bytes; written += text.size(), text.clear()) {
    const std::size_t block = std::min(kBlockBytes, bytes - written);
    while (text.size() < block) AppendLine(language, random, text);
    out.Append(text);
  }
  out.Close(false);
}

void GenerateText(const std::string& dir, std::size_t first, std::size_t last, std::size_t bytes) {
  const Language language;
  std::atomic<std::size_t> next{first};
  RunParallel(ThreadCount(), [&](unsigned) {
    for (std::size_t number; (number = next.fetch_add(1)) <= last;) {
      const std::string digits = std::to_string(number);
      WriteText(language, number, dir + (number < 10 ? "/text-0" : "/text-") + digits + ".txt",
                bytes);
    }
  });
}

/// Ten random printable bytes, the record's number in hexadecimal, and filling, all printable, as
/// the records of the sort benchmarks of the 1980s and after are.
void AppendRecord(std::uint64_t number, Random& random, std::string& text) {
  for (int i = 0; i < 10; ++i) text += static_cast<char>(' ' + random.Below(95));
  text += "  ";
  for (int shift = 124; shift >= 0; shift -= 4)
    text += shift >= 64 ? '0' : "0123456789ABCDEF"[(number >> shift) & 15];
  text += "  ";
  for (int group = 0; group < 13; ++group)
    text.append(4, static_cast<char>('A' + random.Below(26)));
  text += ".\n";
}

void GenerateRecords(const std::string& path, std::size_t bytes) {
  Random random(kSeed);
  OutputFile out(path);
  std::string text;
  for (std::uint64_t number = 0; number < bytes / 100; ++number) {
    AppendRecord(number, random, text);
    if (text.size() < kBlockBytes) continue;
    out.Append(text);
    text.clear();
  }
  out.Append(text);
  out.Close(false);
}

std::size_t ParseNumber(const std::string& word) {
  char* end = nullptr;
  errno = 0;
  const unsigned long long value = std::strtoull(word.c_str(), &end, 10);
  if (word.empty() || word[0] == '-' || *end != '\0' || errno != 0)
    Fail("'" + word + "' is not a number");
  return value;
}

}  // namespace
}  // namespace trireme::baseline

int main(int argc, char** argv) {
  using namespace trireme::baseline;
  constexpr const char* kUsage = "text DIR FIRST LAST BYTES | records FILE BYTES";
  const auto words = ParseArguments(argc, argv, 1, kUsage).words;
  if (words[0] == "text" && words.size() == 5) {
    GenerateText(words[1], ParseNumber(words[2]), ParseNumber(words[3]), ParseNumber(words[4]));
  } else if (words[0] == "records" && words.size() == 3) {
    GenerateRecords(words[1], ParseNumber(words[2]));
  } else {
    Fail(std::string("usage: ") + kUsage);
  }
  Finish();
}
