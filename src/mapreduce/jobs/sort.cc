#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status_macros.h"
#include "mapreduce/engine/range_partition.h"
#include "mapreduce/jobs/factories.h"
#include "mapreduce/jobs/sort_by_reference.h"
#include "mapreduce/jobs/sort_in_memory.h"

namespace trireme::mapreduce {
namespace {

/// Emits each record, its first key_bytes as the key and the rest as the value.
class SortMapper final : public Mapper {
 public:
  SortMapper(std::size_t key_bytes, std::size_t record_bytes)
      : key_bytes_(key_bytes), record_bytes_(record_bytes) {}

  void Map(const Record& record, Emitter& out) override { EmitRecord(record.value, out); }

  bool MapBlock(const Block& block, Emitter& out) override {
    std::string_view data = block.data;
    while (!data.empty()) {
      const std::size_t size =
          record_bytes_ != 0 ? record_bytes_ : std::min(data.find('\n'), data.size());
      EmitRecord(data.substr(0, size), out);
      data.remove_prefix(std::min(size + (record_bytes_ == 0), data.size()));
    }
    return true;
  }

 private:
  void EmitRecord(std::string_view record, Emitter& out) const {
    const std::size_t size = std::min(record.size(), key_bytes_);
    out.Emit(record.substr(0, size), record.substr(size));
  }

  const std::size_t key_bytes_;
  const std::size_t record_bytes_;  // 0: lines
};

/// Puts records together again; lines end in '\n'.
class RecordOutput final : public OutputFormat {
 public:
  explicit RecordOutput(bool lines) : lines_(lines) {}
  void Append(std::string_view key, std::string_view value, std::string& out) override {
    out += key;
    out += value;
    if (lines_) out += '\n';
  }

 private:
  const bool lines_;
};

}  // namespace

absl::StatusOr<Job> MakeSort(const JobOptions& options) {
  TRIREME_ASSIGN_OR_RETURN(const std::uint64_t key_bytes,
                           options.Number("key-bytes", ~std::uint64_t{0}, 1, ~std::uint64_t{0}));
  TRIREME_ASSIGN_OR_RETURN(const std::uint64_t record_bytes,
                           options.Number(kRecordBytesOption, 0, 1, 0xffffffff));
  TRIREME_ASSIGN_OR_RETURN(std::vector<std::string> boundaries,
                           DecodeBoundaries(options.String(kBoundariesOption)));
  auto partitioner = New<RangePartitioner>(std::move(boundaries));
  if (options.Has(kReferencesOption)) {
    TRIREME_ASSIGN_OR_RETURN(std::vector<ReferencedFile> files,
                             DecodeReferences(options.String(kReferencesOption)));
    const auto sort = options.Has(kInMemoryOption) ? SortInMemory : SortByReference;
    Job job = sort(std::move(files), record_bytes, std::min(key_bytes, record_bytes),
                   std::move(partitioner));
    job.output_format = New<RecordOutput>(false);
    return job;
  }
  return Job{.mapper = New<SortMapper>(static_cast<std::size_t>(key_bytes),
                                       static_cast<std::size_t>(record_bytes)),
             .partitioner = std::move(partitioner),
             .output_format = New<RecordOutput>(record_bytes == 0)};
}

}  // namespace trireme::mapreduce
