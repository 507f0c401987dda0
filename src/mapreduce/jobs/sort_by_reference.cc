#include "mapreduce/jobs/sort_by_reference.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/strings/escaping.h"
#include "base/bytes.h"
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

class ReferenceMapper final : public Mapper {
 public:
  ReferenceMapper(const std::vector<ReferencedFile>& files, std::size_t record_bytes,
                  std::size_t key_bytes, const Factory<Partitioner>& partitioner)
      : record_bytes_(record_bytes),
        key_bytes_(key_bytes),
        partitioner_(partitioner()),
        numbers_(files, record_bytes) {}

  void Map(const Record& record, Emitter& out) override {
    EmitRecord(record.value, numbers_.Of(record.file, record.offset), out);
  }

  bool MapBlock(const Block& block, Emitter& out) override {
    std::uint64_t number = numbers_.Of(block.file, block.offset);
    for (std::size_t at = 0; at < block.data.size(); at += record_bytes_)
      EmitRecord(block.data.substr(at, record_bytes_), number++, out);
    return true;
  }

 private:
  void EmitRecord(std::string_view record, std::uint64_t number, Emitter& out) {
    const std::string_view key = record.substr(0, key_bytes_);
    char reference[kVarintBytesMax];
    const char* end = StoreVarint(reference, number);
    out.EmitTo(partitioner_->Partition(key, out.task().reduces), key.substr(0, kKeyBytesCarried),
               {reference, static_cast<std::size_t>(end - reference)});
  }

  const std::size_t record_bytes_, key_bytes_;
  const std::unique_ptr<Partitioner> partitioner_;
  RecordNumbers numbers_;
};

class ReferenceReducer final : public Reducer {
 public:
  ReferenceReducer(const std::vector<ReferencedFile>& files, std::size_t record_bytes,
                   std::size_t key_bytes)
      : files_(MappedRecords::Share(files, record_bytes)),
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

  const std::shared_ptr<const MappedRecords> files_;
  const std::size_t record_bytes_, key_bytes_;
  std::vector<const char*> gathered_;  // in order, not yet written
};

}  // namespace

bool PaysByReference(const std::vector<Split>& splits, std::uint32_t record_bytes) {
  std::uint64_t bytes = 0;
  for (const Split& split : splits) {
    bytes += split.SizeBytes();
    for (const InputRange& range : split.ranges)
      if (CompressionOf(range.path) != Compression::kNone || io::IsObjectPath(range.path))
        return false;
  }
  const std::uint64_t memory = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                               static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return record_bytes >= kRecordBytesWorth && bytes >= kInputBytesWorth && bytes <= memory / 2;
}

std::vector<ReferencedFile> ReferencedFiles(const std::vector<Split>& splits,
                                            std::uint32_t record_bytes) {
  std::vector<ReferencedFile> files;
  for (const Split& split : splits) {
    for (const InputRange& range : split.ranges) {
      if (files.empty() || files.back().path != range.path) files.push_back({range.path, 0});
      files.back().records += range.length / record_bytes;
    }
  }
  return files;
}

std::string EncodeReferences(const std::vector<ReferencedFile>& files) {
  std::string bytes;
  for (const ReferencedFile& file : files) {
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
