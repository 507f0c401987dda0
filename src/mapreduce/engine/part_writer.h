#pragma once

#include <trireme/mapreduce.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "io/file_system.h"
#include "mapreduce/engine/context.h"

struct ZSTD_CCtx_s;

namespace trireme::mapreduce {

/// Writes a part file through the job's output format, compressed if asked for. Errors of the file
/// system fail the task and end the writing. One thread.
class PartWriter final : public internal::ReduceSink {
 public:
  /// `format` null: `key<TAB>value` lines.
  PartWriter(io::FileWriter* file, std::unique_ptr<OutputFormat> format, bool compress,
             internal::TaskContext* task);
  ~PartWriter() override;

  void Add(std::string_view key, std::string_view value) override;
  void AddFormatted(std::string_view bytes, std::uint64_t records) override;
  void AddNumber(std::string_view key, std::int64_t value);
  /// Writes all that was added; the file is not yet committed.
  [[nodiscard]] absl::Status Finish();

  std::uint64_t records() const { return records_; }
  std::uint64_t bytes() const { return bytes_; }  ///< before compression

 private:
  struct FreeZstd {
    void operator()(ZSTD_CCtx_s* zstd) const;
  };

  void Flush(bool last);
  void Compress(bool last);
  void Write(std::string_view bytes);

  io::FileWriter* file_;
  std::unique_ptr<OutputFormat> format_;
  std::unique_ptr<ZSTD_CCtx_s, FreeZstd> zstd_;  // null: not compressed
  internal::TaskContext* task_;
  std::string buffer_;
  std::string compressed_;
  std::uint64_t records_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace trireme::mapreduce
