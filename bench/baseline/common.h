#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

/// What the hand-written programs share: mapped input, work taken in chunks, parallel sections,
/// output at given offsets. They answer "how fast can this machine do it": errors end the program
/// with a message.
namespace trireme::baseline {

/// Prints "PROGRAM: message" and ends with status 1, without running destructors.
[[noreturn]] void Fail(const std::string& message);
/// As Fail, with the text of errno.
[[noreturn]] void FailErrno(const std::string& message);

/// As many as the machine has cores; BASELINE_THREADS overrides it.
unsigned ThreadCount();

/// Bytes that may be read beyond the end of every mapped file, so that vector loads need no tail
/// case.
inline constexpr std::size_t kReadablePadding = 4096;

/// A whole file, read-only, in the page cache's own pages. Not unmapped: the program's end does
/// that.
class MappedFile {
 public:
  explicit MappedFile(std::string path);

  const std::string& path() const { return path_; }
  /// The last component of the path.
  std::string_view name() const;
  const char* begin() const { return begin_; }
  const char* end() const { return begin_ + size_; }
  std::size_t size() const { return size_; }

  /// Enters the pages of [from, to) into the page table by one call instead of one fault each.
  void Populate(std::size_t from, std::size_t to) const;
  /// Takes the pages of [from, to) out of the page table again; they stay in the page cache.
  void Release(std::size_t from, std::size_t to) const;

 private:
  std::string path_;
  const char* begin_ = nullptr;
  std::size_t size_ = 0;
};

std::vector<MappedFile> MapFiles(const std::vector<std::string>& paths);

/// Bytes [begin, end) of a file, cut without regard to its contents.
struct Chunk {
  std::uint32_t file = 0;
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// Hands out the chunks of all files, each once, to any thread.
class ChunkQueue {
 public:
  explicit ChunkQueue(const std::vector<MappedFile>& files, std::size_t chunk_bytes = 4u << 20);
  /// The next chunk with its pages populated, or nullptr.
  const Chunk* Next();

 private:
  const std::vector<MappedFile>& files_;
  std::vector<Chunk> chunks_;
  std::atomic<std::size_t> next_{0};
};

/// The lines of `file` that begin in `chunk`.
std::string_view LinesOf(const MappedFile& file, const Chunk& chunk);
/// The words of `file` that begin in `chunk`, from the first one's start to the last one's end.
std::string_view WordsOf(const MappedFile& file, const Chunk& chunk);

/// Runs body(0) ... body(threads - 1) at once and waits for all.
template <typename Body>
void RunParallel(unsigned threads, Body body) {
  std::vector<std::thread> others;
  for (unsigned id = 1; id < threads; ++id) others.emplace_back(body, id);
  body(0u);
  for (auto& other : others) other.join();
}

/// Zeroed memory on huge pages where the kernel grants them. Returned by FreeHuge or by the end.
void* AllocateHuge(std::size_t bytes);
void FreeHuge(void* memory, std::size_t bytes);

/// An array of T on huge pages; T needs no constructor: it starts as zero bytes.
template <typename T>
class HugeArray {
 public:
  HugeArray() = default;
  explicit HugeArray(std::size_t size)
      : data_(static_cast<T*>(AllocateHuge(size * sizeof(T)))), size_(size) {}
  HugeArray(HugeArray&& other) noexcept { swap(other); }
  HugeArray& operator=(HugeArray&& other) noexcept {
    swap(other);
    return *this;
  }
  ~HugeArray() {
    if (data_ != nullptr) FreeHuge(data_, size_ * sizeof(T));
  }

  void swap(HugeArray& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }
  T* data() const { return data_; }
  std::size_t size() const { return size_; }
  T& operator[](std::size_t i) const { return data_[i]; }
  T* begin() const { return data_; }
  T* end() const { return data_ + size_; }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

/// A new or emptied file; writes go to explicit offsets from any thread, or to its end.
class OutputFile {
 public:
  explicit OutputFile(const std::string& path);
  void WriteAt(std::string_view bytes, std::uint64_t offset) const;
  /// Thread-safe; the order of concurrent appends is not defined.
  void Append(std::string_view bytes);
  /// Closes; with `durable`, after fsync.
  void Close(bool durable);

 private:
  std::string path_;
  int fd_ = -1;
  std::atomic<std::uint64_t> end_{0};
};

/// The decimal digits of `value`, appended.
void AppendDecimal(std::string& to, std::uint64_t value);

/// The command line of every program: "[--fsync] WORD...".
struct Arguments {
  bool durable = false;
  std::vector<std::string> words;
};
Arguments ParseArguments(int argc, char** argv, std::size_t words_min, const char* usage);

/// Flushes stdio and ends without tearing down memory, as a program that is done may.
[[noreturn]] void Finish();

}  // namespace trireme::baseline
