#include "mapreduce/engine/part_writer.h"

#include <zstd.h>

#include <cstring>
#include <utility>

#include "base/check.h"
#include "fmt/format.h"
#include "mapreduce/engine/number.h"

namespace trireme::mapreduce {
namespace {
constexpr std::size_t kWriteBytes = 1 << 20;
constexpr int kZstdLevel = 3;
}  // namespace

PartWriter::PartWriter(io::FileWriter* file, std::unique_ptr<OutputFormat> format, bool compress,
                       internal::TaskContext* task)
    : file_(file), format_(std::move(format)), task_(task) {
  buffer_.reserve(kWriteBytes + 4096);
  if (compress) {
    zstd_.reset(ZSTD_createCCtx());
    TRIREME_CHECK(zstd_ != nullptr);
    ZSTD_CCtx_setParameter(zstd_.get(), ZSTD_c_compressionLevel, kZstdLevel);
    ZSTD_CCtx_setParameter(zstd_.get(), ZSTD_c_checksumFlag, 1);
    compressed_.resize(ZSTD_CStreamOutSize());
  }
  if (format_ != nullptr) format_->Begin(buffer_);
}

PartWriter::~PartWriter() = default;

void PartWriter::FreeZstd::operator()(ZSTD_CCtx_s* zstd) const {
  ZSTD_freeCCtx(zstd);
}

void PartWriter::Add(std::string_view key, std::string_view value) {
  ++records_;
  if (format_ != nullptr) {
    format_->Append(key, value, buffer_);
  } else {
    buffer_.append(key);
    if (!value.empty()) {
      buffer_ += '\t';
      buffer_.append(value);
    }
    buffer_ += '\n';
  }
  if (buffer_.size() >= kWriteBytes) Flush(false);
}

void PartWriter::AddFormatted(std::string_view bytes, std::uint64_t records) {
  records_ += records;
  if (zstd_ != nullptr) {
    buffer_.append(bytes);
    if (buffer_.size() >= kWriteBytes) Flush(false);
    return;
  }
  Flush(false);
  bytes_ += bytes.size();
  Write(bytes);
}

void PartWriter::AddNumber(std::string_view key, std::int64_t value) {
  Add(key, DecimalNumber(value).view());
}

void PartWriter::Flush(bool last) {
  bytes_ += buffer_.size();
  if (zstd_ != nullptr) {
    Compress(last);
  } else {
    Write(buffer_);
  }
  buffer_.clear();
}

void PartWriter::Compress(bool last) {
  ZSTD_inBuffer in{buffer_.data(), buffer_.size(), 0};
  for (bool more = true; more;) {
    ZSTD_outBuffer out{compressed_.data(), compressed_.size(), 0};
    const std::size_t left =
        ZSTD_compressStream2(zstd_.get(), &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
    if (ZSTD_isError(left))
      return task_->Fail(absl::InternalError(fmt::format("zstd: {}", ZSTD_getErrorName(left))));
    Write({compressed_.data(), out.pos});
    more = last ? left != 0 : in.pos < in.size;
  }
}

void PartWriter::Write(std::string_view bytes) {
  if (bytes.empty() || !task_->status().ok()) return;
  if (absl::Status status = file_->Append(bytes); !status.ok()) task_->Fail(std::move(status));
}

absl::Status PartWriter::Finish() {
  if (format_ != nullptr) format_->End(buffer_);
  Flush(true);
  return task_->status();
}

}  // namespace trireme::mapreduce
