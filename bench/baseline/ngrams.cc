// Counts of N words in a row within a line, without a framework and in bounded memory:
// "word word word<TAB>count" lines in no order.
//   baseline_ngrams [--fsync] N OUT SPILLDIR FILE...
//
// First every gram goes, by its hash, to one of kPartitions partitions of a spill file per thread;
// then each partition is counted alone. Memory: per thread kPartitions * kBufferBytes, then one
// partition's distinct grams and their table.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <deque>

#include "baseline/common.h"
#include "baseline/hash.h"
#include "baseline/words.h"

namespace trireme::baseline {
namespace {

constexpr int kPartitionBits = 8;
constexpr std::size_t kPartitions = std::size_t{1} << kPartitionBits;
constexpr std::size_t kBufferBytes = 32u << 10;
constexpr std::size_t kGramBytesMax = 16u << 10;
constexpr std::size_t kOutputBytes = 1u << 20;

std::size_t PartitionOf(std::uint64_t hash) {
  return hash >> (64 - kPartitionBits);
}

/// One thread's spilled grams: records of a 2-byte size and the gram, in extents of one partition
/// each.
class Spill {
 public:
  explicit Spill(const std::string& dir)
      : buffers_(kPartitions * kBufferBytes), filled_(kPartitions) {
    const std::string path = dir + "/spill-XXXXXX";
    std::string name = path;
    fd_ = mkstemp(name.data());
    if (fd_ < 0) FailErrno("cannot create " + path);
    unlink(name.c_str());  // gone with the program, however it ends
  }

  void Add(std::string_view gram) {
    if (gram.size() > kGramBytesMax)
      Fail("an n-gram is longer than " + std::to_string(kGramBytesMax) + " bytes");
    const std::size_t partition = PartitionOf(HashBytes(gram.data(), gram.size()));
    if (filled_[partition] + 2 + gram.size() > kBufferBytes) Write(partition);
    char* to = &buffers_[partition * kBufferBytes + filled_[partition]];
    const auto size = static_cast<std::uint16_t>(gram.size());
    std::memcpy(to, &size, 2);
    std::memcpy(to + 2, gram.data(), gram.size());
    filled_[partition] += static_cast<std::uint32_t>(2 + gram.size());
  }

  /// Writes what is buffered and gives the buffers back.
  void Finish() {
    for (std::size_t partition = 0; partition < kPartitions; ++partition) Write(partition);
    buffers_ = HugeArray<char>();
  }

  /// Reads the partition's extents into `buffer` in turn and calls visit(records) for each.
  template <typename Visit>
  void ForEachExtent(std::size_t partition, char* buffer, Visit visit) const {
    for (const Extent& extent : extents_[partition]) {
      for (std::size_t at = 0; at < extent.size;) {
        const ssize_t got =
            pread(fd_, buffer + at, extent.size - at, extent.offset + static_cast<off_t>(at));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) FailErrno("cannot read the spill file");
        at += static_cast<std::size_t>(got);
      }
      visit(std::string_view(buffer, extent.size));
    }
  }

 private:
  struct Extent {
    off_t offset;
    std::size_t size;
  };

  void Write(std::size_t partition) {
    const char* from = &buffers_[partition * kBufferBytes];
    const std::size_t size = filled_[partition];
    for (std::size_t at = 0; at < size;) {
      const ssize_t written = pwrite(fd_, from + at, size - at, end_ + static_cast<off_t>(at));
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) FailErrno("cannot write the spill file");
      at += static_cast<std::size_t>(written);
    }
    if (size > 0) extents_[partition].push_back({end_, size});
    end_ += static_cast<off_t>(size);
    filled_[partition] = 0;
  }

  int fd_;
  off_t end_ = 0;
  HugeArray<char> buffers_;
  std::vector<std::uint32_t> filled_;
  std::vector<Extent> extents_[kPartitions];
};

/// Finds the grams of whole lines and passes each as one string, its words joined by one space.
class GramScanner {
 public:
  explicit GramScanner(std::size_t n) : n_(n), starts_(std::bit_ceil(n)) {}

  template <typename Gram>
  void Scan(std::string_view text, Gram gram) {
    const char* previous_end = nullptr;
    std::size_t words = 0;  // in this line so far
    bool plain = true;      // one space between all words of the line so far
    ForEachWord(text, [&](const char* word, std::size_t size) {
      if (words > 0 && !(word == previous_end + 1 && *previous_end == ' ')) [[unlikely]] {
        const std::string_view gap(previous_end, static_cast<std::size_t>(word - previous_end));
        const bool same_line = gap.find('\n') == std::string_view::npos;
        words = same_line ? words : 0;
        plain = !same_line;
      }
      starts_[words++ & (starts_.size() - 1)] = word;
      previous_end = word + size;
      if (words < n_) return;
      const char* first = starts_[(words - n_) & (starts_.size() - 1)];
      const std::string_view raw(first, static_cast<std::size_t>(previous_end - first));
      gram(plain ? raw : Join(raw));
    });
  }

 private:
  std::string_view Join(std::string_view raw) {
    joined_.clear();
    ForEachWord(raw, [this](const char* word, std::size_t size) {
      if (!joined_.empty()) joined_ += ' ';
      joined_.append(word, size);
    });
    joined_.reserve(joined_.size() + 8);  // HashBytes reads beyond the end
    return joined_;
  }

  std::size_t n_;
  std::vector<const char*> starts_;  // of the last words, by their number in the line
  std::string joined_;
};

/// Counts the grams of one partition after the other. Slots refer to grams in an arena by offset.
class GramCounter {
 public:
  static constexpr std::size_t kBatch = 32;

  explicit GramCounter(OutputFile& out)
      : out_(out), slots_(std::size_t{1} << 12), extent_(kBufferBytes + 8) {}

  void CountPartition(const std::deque<Spill>& spills, std::size_t partition) {
    for (const Spill& spill : spills)
      spill.ForEachExtent(partition, extent_.data(),
                          [this](std::string_view records) { Count(records); });
    WriteCounts();
  }

 private:
  struct Slot {
    std::uint32_t offset;  // of the gram's size in the arena, plus one: 0 is a free slot
    std::uint32_t tag;     // the hash's lower half, whose lower bits choose the slot
    std::uint32_t count;
  };
  struct Pending {
    const char* record;
    std::uint32_t size;
    std::uint32_t tag;
  };

  void Count(std::string_view records) {
    const char* at = records.data();
    const char* const end = at + records.size();
    while (at < end) {
      Pending batch[kBatch];
      std::size_t batched = 0;
      for (; batched < kBatch && at < end; ++batched) {
        std::uint16_t size;
        std::memcpy(&size, at, 2);
        batch[batched] = {at, size, static_cast<std::uint32_t>(HashBytes(at + 2, size))};
        __builtin_prefetch(&slots_[batch[batched].tag & (slots_.size() - 1)], 1);
        at += 2 + size;
      }
      if ((used_ + kBatch) * 3 > slots_.size() * 2) Grow();
      for (std::size_t i = 0; i < batched; ++i) Increment(batch[i]);
    }
  }

  void Increment(const Pending& gram) {
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t i = gram.tag & mask;; i = (i + 1) & mask) {
      Slot& slot = slots_[i];
      if (slot.offset == 0) return Insert(slot, gram);
      if (slot.tag == gram.tag &&
          std::memcmp(arena_.data() + slot.offset - 1, gram.record, 2 + gram.size) == 0) {
        ++slot.count;
        return;
      }
    }
  }

  void Insert(Slot& slot, const Pending& gram) {
    if (arena_.size() + 1 > UINT32_MAX)
      Fail("a partition has more than 4 GiB of distinct n-grams; count fewer files at once");
    slot = {static_cast<std::uint32_t>(arena_.size() + 1), gram.tag, 1};
    arena_.insert(arena_.end(), gram.record, gram.record + 2 + gram.size);
    ++used_;
  }

  void Grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    const std::size_t mask = slots_.size() - 1;
    for (const Slot& slot : old) {
      if (slot.offset == 0) continue;
      std::size_t i = slot.tag & mask;
      while (slots_[i].offset != 0) i = (i + 1) & mask;
      slots_[i] = slot;
    }
  }

  void WriteCounts() {
    for (Slot& slot : slots_) {
      if (slot.offset == 0) continue;
      std::uint16_t size;
      std::memcpy(&size, arena_.data() + slot.offset - 1, 2);
      text_.append(arena_.data() + slot.offset + 1, size) += '\t';
      AppendDecimal(text_, slot.count);
      text_ += '\n';
      if (text_.size() >= kOutputBytes) WriteText();
      slot.offset = 0;
    }
    WriteText();
    arena_.clear();
    used_ = 0;
  }

  void WriteText() {
    out_.Append(text_);
    text_.clear();
  }

  OutputFile& out_;
  std::vector<Slot> slots_;
  std::size_t used_ = 0;
  std::vector<char> arena_;
  std::vector<char> extent_;
  std::string text_;
};

void SpillGrams(const std::vector<MappedFile>& files, ChunkQueue& chunks, std::size_t n,
                Spill& spill) {
  GramScanner scanner(n);
  while (const Chunk* chunk = chunks.Next()) {
    const MappedFile& file = files[chunk->file];
    scanner.Scan(LinesOf(file, *chunk), [&](std::string_view gram) { spill.Add(gram); });
    file.Release(chunk->begin, chunk->end);
  }
  spill.Finish();
}

void Run(const Arguments& arguments) {
  const int n = std::atoi(arguments.words[0].c_str());
  if (n < 1 || n > 1000) Fail("N is '" + arguments.words[0] + "'; give a number from 1 to 1000");
  const auto files = MapFiles({arguments.words.begin() + 3, arguments.words.end()});
  OutputFile out(arguments.words[1]);
  std::deque<Spill> spills;
  for (unsigned id = 0; id < ThreadCount(); ++id) spills.emplace_back(arguments.words[2]);
  ChunkQueue chunks(files);
  RunParallel(ThreadCount(), [&](unsigned id) {
    SpillGrams(files, chunks, static_cast<std::size_t>(n), spills[id]);
  });
  std::atomic<std::size_t> next{0};
  RunParallel(ThreadCount(), [&](unsigned) {
    GramCounter counter(out);
    for (std::size_t partition; (partition = next.fetch_add(1)) < kPartitions;)
      counter.CountPartition(spills, partition);
  });
  out.Close(arguments.durable);
}

}  // namespace
}  // namespace trireme::baseline

int main(int argc, char** argv) {
  using namespace trireme::baseline;
  Run(ParseArguments(argc, argv, 4, "[--fsync] N OUT SPILLDIR FILE..."));
  Finish();
}
