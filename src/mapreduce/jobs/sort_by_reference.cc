#include "mapreduce/jobs/sort_by_reference.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <utility>

#include "absl/strings/escaping.h"
#include "base/bytes.h"
#include "fmt/format.h"
#include "mapreduce/engine/splits.h"

namespace trireme::mapreduce {
namespace {

/// Shorter records cost no more to carry than their references.
constexpr std::uint32_t kRecordBytesWorth = 48;
/// Below this much input nothing is gained.
constexpr std::uint64_t kInputBytesWorth = 1u << 20;
constexpr std::size_t kKeyBytesCarried = 16;
/// Records whose memory is prefetched together, and how far ahead of their copy.
constexpr std::size_t kGather = 512;
constexpr std::size_t kGatherAhead = 24;

/// The input files, mapped; shared by all reduces of the process, and gone with the last of them.
class MappedFiles {
 public:
  /// Throws what fails the attempt: a file that is gone or shorter than it was.
  MappedFiles(const std::vector<ReferencedFile>& files, std::size_t record_bytes)
      : record_bytes_(record_bytes) {
    for (const ReferencedFile& file : files) Map(file);
  }
  ~MappedFiles() {
    for (const Part& part : parts_) ::munmap(const_cast<char*>(part.data), part.bytes);
  }
  MappedFiles(const MappedFiles&) = delete;
  MappedFiles& operator=(const MappedFiles&) = delete;

  const char* Record(std::uint64_t number) const {
    const auto after =
        std::upper_bound(parts_.begin(), parts_.end(), number,
                         [](std::uint64_t n, const Part& part) { return n < part.first; });
    const Part& part = *(after - 1);
    return part.data + (number - part.first) * record_bytes_;
  }
  std::uint64_t records() const { return records_; }

  /// The mapping of these files that is in use, or a new one.
  static std::shared_ptr<const MappedFiles> Share(const std::vector<ReferencedFile>& files,
                                                  std::size_t record_bytes) {
    static std::mutex mutex;
    static std::weak_ptr<const MappedFiles> last;
    static std::string last_name;
    std::string name = std::to_string(record_bytes);
    for (const ReferencedFile& file : files) name += fmt::format(" {} {}", file.records, file.path);
    const std::lock_guard lock(mutex);
    std::shared_ptr<const MappedFiles> shared = last_name == name ? last.lock() : nullptr;
    if (shared == nullptr) {
      shared = std::make_shared<MappedFiles>(files, record_bytes);
      last = shared;
      last_name = name;
    }
    return shared;
  }

 private:
  struct Part {
    std::uint64_t first;  // number of its first record
    const char* data;
    std::size_t bytes;
  };

  void Map(const ReferencedFile& file) {
    if (file.records == 0) return;
    const std::size_t bytes = file.records * record_bytes_;
    const int fd = ::open(file.path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat status {};
    const bool whole =
        fd >= 0 && ::fstat(fd, &status) == 0 && static_cast<std::uint64_t>(status.st_size) >= bytes;
    void* data = whole ? ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (fd >= 0) ::close(fd);
    if (data == MAP_FAILED)
      throw std::runtime_error(
          fmt::format("input {} cannot be read again, or is shorter than it was", file.path));
    parts_.push_back({records_, static_cast<const char*>(data), bytes});
    records_ += file.records;
  }

  const std::size_t record_bytes_;
  std::vector<Part> parts_;
  std::uint64_t records_ = 0;
};

class ReferenceMapper final : public Mapper {
 public:
  ReferenceMapper(const std::vector<ReferencedFile>& files, std::size_t record_bytes,
                  std::size_t key_bytes, const Factory<Partitioner>& partitioner)
      : record_bytes_(record_bytes), key_bytes_(key_bytes), partitioner_(partitioner()) {
    std::uint64_t first = 0;
    for (const ReferencedFile& file : files) {
      first_of_[file.path] = first;
      first += file.records;
    }
  }

  void Map(const Record& record, Emitter& out) override {
    EmitRecord(record.value, NumberOf(record.file, record.offset), out);
  }

  bool MapBlock(const Block& block, Emitter& out) override {
    std::uint64_t number = NumberOf(block.file, block.offset);
    for (std::size_t at = 0; at < block.data.size(); at += record_bytes_)
      EmitRecord(block.data.substr(at, record_bytes_), number++, out);
    return true;
  }

 private:
  std::uint64_t NumberOf(std::string_view file, std::uint64_t offset) {
    if (file != file_) {
      file_ = file;
      first_ = first_of_.at(file_);
    }
    return first_ + offset / record_bytes_;
  }

  void EmitRecord(std::string_view record, std::uint64_t number, Emitter& out) {
    const std::string_view key = record.substr(0, key_bytes_);
    char reference[kVarintBytesMax];
    const char* end = StoreVarint(reference, number);
    out.EmitTo(partitioner_->Partition(key, out.task().reduces), key.substr(0, kKeyBytesCarried),
               {reference, static_cast<std::size_t>(end - reference)});
  }

  const std::size_t record_bytes_, key_bytes_;
  const std::unique_ptr<Partitioner> partitioner_;
  std::map<std::string, std::uint64_t, std::less<>> first_of_;  // record of each file
  std::string file_;
  std::uint64_t first_ = 0;
};

class ReferenceReducer final : public Reducer {
 public:
  ReferenceReducer(const std::vector<ReferencedFile>& files, std::size_t record_bytes,
                   std::size_t key_bytes)
      : files_(MappedFiles::Share(files, record_bytes)),
        record_bytes_(record_bytes),
        key_bytes_(key_bytes) {}

  void Reduce(std::string_view, Values& values, Output& out) override {
    const std::size_t begin = gathered_.size();
    for (std::string_view value; values.Next(&value);) {
      std::uint64_t number = 0;
      const char* end = value.data() + value.size();
      if (LoadVarint(value.data(), end, &number) != end || number >= files_->records())
        return out.Fail("a reference leads out of the input");
      gathered_.push_back(files_->Record(number));
    }
    if (key_bytes_ > kKeyBytesCarried && gathered_.size() - begin > 1) SortFrom(begin);
    if (gathered_.size() >= kGather) Write(out);
  }

  void Finish(Output& out) override { Write(out); }

 private:
  /// Orders records whose carried key bytes are equal by the key bytes behind them.
  void SortFrom(std::size_t begin) {
    const std::size_t left = key_bytes_ - kKeyBytesCarried;
    std::stable_sort(gathered_.begin() + static_cast<std::ptrdiff_t>(begin), gathered_.end(),
                     [left](const char* a, const char* b) {
                       return std::memcmp(a + kKeyBytesCarried, b + kKeyBytesCarried, left) < 0;
                     });
  }

  void Prefetch(std::size_t i) const {
    if (i >= gathered_.size()) return;
    for (std::size_t at = 0; at < record_bytes_; at += 64) __builtin_prefetch(gathered_[i] + at);
    __builtin_prefetch(gathered_[i] + record_bytes_ - 1);
  }

  void Write(Output& out) {
    for (std::size_t i = 0; i < kGatherAhead; ++i) Prefetch(i);
    for (std::size_t i = 0; i < gathered_.size(); ++i) {
      Prefetch(i + kGatherAhead);
      out.Emit(std::string_view(gathered_[i], record_bytes_), std::string_view());
    }
    gathered_.clear();
  }

  const std::shared_ptr<const MappedFiles> files_;
  const std::size_t record_bytes_, key_bytes_;
  std::vector<const char*> gathered_;  // in order, not yet written
};

std::vector<ReferencedFile> FilesOf(const std::vector<Split>& splits, std::uint32_t record_bytes) {
  std::vector<ReferencedFile> files;
  for (const Split& split : splits) {
    for (const InputRange& range : split.ranges) {
      if (files.empty() || files.back().path != range.path) files.push_back({range.path, 0});
      files.back().records += range.length / record_bytes;
    }
  }
  return files;
}

}  // namespace

bool PaysByReference(const std::vector<Split>& splits, std::uint32_t record_bytes) {
  std::uint64_t bytes = 0;
  for (const Split& split : splits) {
    bytes += split.SizeBytes();
    for (const InputRange& range : split.ranges)
      if (CompressionOf(range.path) != Compression::kNone) return false;
  }
  const std::uint64_t memory = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                               static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return record_bytes >= kRecordBytesWorth && bytes >= kInputBytesWorth && bytes <= memory / 2;
}

std::string EncodeReferences(const std::vector<Split>& splits, std::uint32_t record_bytes) {
  std::string bytes;
  for (const ReferencedFile& file : FilesOf(splits, record_bytes)) {
    AppendVarint(bytes, file.records);
    AppendSized(bytes, file.path);
  }
  return absl::BytesToHexString(bytes);
}

absl::StatusOr<std::vector<ReferencedFile>> DecodeReferences(std::string_view text) {
  const bool hex = text.size() % 2 == 0 && std::all_of(text.begin(), text.end(), [](char c) {
                     return std::isxdigit(static_cast<unsigned char>(c)) != 0;
                   });
  const std::string bytes = hex ? absl::HexStringToBytes({text.data(), text.size()}) : "";
  std::vector<ReferencedFile> files;
  ByteReader reader(bytes);
  while (hex && !reader.empty()) {
    ReferencedFile file;
    std::string_view path;
    if (!reader.Varint(&file.records) || !reader.Sized(&path)) break;
    file.path = path;
    files.push_back(std::move(file));
  }
  if (!hex || !reader.empty())
    return absl::InvalidArgumentError("the sort job's list of input files is damaged");
  return files;
}

Job SortByReference(std::vector<ReferencedFile> files, std::size_t record_bytes,
                    std::size_t key_bytes, Factory<Partitioner> partitioner) {
  Job job;
  job.mapper = [=] {
    return std::make_unique<ReferenceMapper>(files, record_bytes, key_bytes, partitioner);
  };
  job.reducer = [=] { return std::make_unique<ReferenceReducer>(files, record_bytes, key_bytes); };
  return job;
}

}  // namespace trireme::mapreduce
