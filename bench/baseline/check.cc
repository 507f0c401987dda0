// What a result is, whatever its order and its division into files, for comparing two programs'
// results:
//   baseline_check [--records BYTES] [--order none|keys|total] [--base-names] [--trim-tab] FILE...
// prints "records N checksum HEX unordered N". The checksum is the sum of the records' hashes.
// `keys` counts records whose key (up to the first tab) is below the one before it in the same
// file; `total`, whole records below the one before in the files as listed. Ends with status 1 when
// there are any.
// --base-names takes every path in a record's value as its last component; --trim-tab takes a
// record without the tab it ends with.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "baseline/common.h"
#include "baseline/hash.h"

namespace trireme::baseline {
namespace {

struct Options {
  std::size_t record_bytes = 0;  // 0: lines
  enum class Order { kNone, kKeys, kTotal } order = Order::kNone;
  bool base_names = false;
  bool trim_tab = false;
  std::vector<std::string> paths;
};

struct Summary {
  std::uint64_t records = 0;
  std::uint64_t checksum = 0;
  std::uint64_t unordered = 0;
};

std::string_view KeyOf(std::string_view record) {
  return record.substr(0, record.find('\t'));
}

/// "word<TAB>2 a/b.txt,c.txt" becomes "word<TAB>2 b.txt,c.txt".
std::string WithBaseNames(std::string_view record) {
  std::string result(KeyOf(record));
  std::size_t component = result.size();
  for (std::size_t i = result.size(); i < record.size(); ++i) {
    result += record[i];
    if (record[i] == '/') result.resize(component);
    if (record[i] == '\t' || record[i] == ' ' || record[i] == ',') component = result.size();
  }
  return result;
}

class Checker {
 public:
  explicit Checker(const Options& options) : options_(options), files_(MapFiles(options.paths)) {}

  Summary Check() {
    ChunkQueue chunks(files_);
    std::vector<Summary> summaries(ThreadCount());
    RunParallel(ThreadCount(), [&](unsigned id) {
      while (const Chunk* chunk = chunks.Next()) CheckChunk(*chunk, summaries[id]);
    });
    Summary sum;
    for (const Summary& one : summaries) {
      sum.records += one.records;
      sum.checksum += one.checksum;
      sum.unordered += one.unordered;
    }
    if (options_.order == Options::Order::kTotal) sum.unordered += UnorderedFiles();
    return sum;
  }

 private:
  /// The record that begins at `begin`, without its line feed when records are lines.
  std::string_view RecordAt(const MappedFile& file, const char* begin) const {
    const auto left = static_cast<std::size_t>(file.end() - begin);
    if (options_.record_bytes > 0) return {begin, std::min(options_.record_bytes, left)};
    const void* feed = std::memchr(begin, '\n', left);
    const char* end = feed == nullptr ? file.end() : static_cast<const char*>(feed);
    return {begin, static_cast<std::size_t>(end - begin)};
  }

  std::string_view RecordBefore(const MappedFile& file, const char* at) const {
    if (options_.record_bytes > 0) return RecordAt(file, at - options_.record_bytes);
    const char* last = at - 1;
    const void* feed =
        last == file.begin()
            ? nullptr
            : memrchr(file.begin(), '\n', static_cast<std::size_t>(last - file.begin()));
    return RecordAt(file, feed == nullptr ? file.begin() : static_cast<const char*>(feed) + 1);
  }

  std::string_view RecordsOf(const MappedFile& file, const Chunk& chunk) const {
    if (options_.record_bytes == 0) return LinesOf(file, chunk);
    const auto round_up = [this, &file](std::size_t at) {
      const std::size_t size = options_.record_bytes;
      return std::min((at + size - 1) / size * size, file.size());
    };
    const std::size_t begin = round_up(chunk.begin);
    return {file.begin() + begin, round_up(chunk.end) - begin};
  }

  void CheckChunk(const Chunk& chunk, Summary& summary) const {
    const MappedFile& file = files_[chunk.file];
    const std::string_view text = RecordsOf(file, chunk);
    const char* at = text.data();
    std::string_view before;
    if (!text.empty() && at != file.begin()) before = RecordBefore(file, at);
    while (at < text.data() + text.size()) {
      const std::string_view record = RecordAt(file, at);
      ++summary.records;
      summary.checksum += Hash(record);
      if (at != file.begin() && Below(record, before)) ++summary.unordered;
      before = record;
      at += record.size() + (options_.record_bytes == 0 ? 1 : 0);
    }
  }

  std::uint64_t Hash(std::string_view record) const {
    if (options_.trim_tab && record.ends_with('\t')) record.remove_suffix(1);
    if (!options_.base_names) return HashBytes(record.data(), record.size());
    std::string plain = WithBaseNames(record);
    plain.reserve(plain.size() + 8);  // HashBytes reads beyond the end
    return HashBytes(plain.data(), plain.size());
  }

  bool Below(std::string_view record, std::string_view before) const {
    if (options_.order == Options::Order::kNone) return false;
    if (options_.order == Options::Order::kTotal) return record < before;
    return KeyOf(record) < KeyOf(before);
  }

  std::uint64_t UnorderedFiles() const {
    std::uint64_t unordered = 0;
    const MappedFile* before = nullptr;
    for (const MappedFile& file : files_) {
      if (file.size() == 0) continue;
      if (before != nullptr && RecordAt(file, file.begin()) < RecordBefore(*before, before->end()))
        ++unordered;
      before = &file;
    }
    return unordered;
  }

  const Options& options_;
  std::vector<MappedFile> files_;
};

Options::Order ParseOrder(const std::string& word) {
  if (word == "none") return Options::Order::kNone;
  if (word == "keys") return Options::Order::kKeys;
  if (word == "total") return Options::Order::kTotal;
  Fail("--order is '" + word + "'; give none, keys or total");
}

Options ParseOptions(const std::vector<std::string>& words) {
  Options options;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool has_value = i + 1 < words.size();
    if (words[i] == "--base-names") {
      options.base_names = true;
    } else if (words[i] == "--trim-tab") {
      options.trim_tab = true;
    } else if (words[i] == "--records" && has_value) {
      options.record_bytes = std::strtoull(words[++i].c_str(), nullptr, 10);
    } else if (words[i] == "--order" && has_value) {
      options.order = ParseOrder(words[++i]);
    } else {
      options.paths.push_back(words[i]);
    }
  }
  return options;
}

}  // namespace
}  // namespace trireme::baseline

int main(int argc, char** argv) {
  using namespace trireme::baseline;
  const auto words =
      ParseArguments(
          argc, argv, 1,
          "[--records BYTES] [--order none|keys|total] [--base-names] [--trim-tab] FILE...")
          .words;
  const Options options = ParseOptions(words);
  const Summary sum = Checker(options).Check();
  std::printf("records %llu checksum %016llx unordered %llu\n",
              static_cast<unsigned long long>(sum.records),
              static_cast<unsigned long long>(sum.checksum),
              static_cast<unsigned long long>(sum.unordered));
  if (sum.unordered > 0) {
    std::fflush(stdout);
    Fail("the records are not in order");
  }
  Finish();
}
