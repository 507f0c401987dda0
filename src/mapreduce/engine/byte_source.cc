#include "mapreduce/engine/byte_source.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "base/status_macros.h"
#include "fmt/format.h"

namespace trireme::mapreduce {
namespace {

constexpr std::size_t kCompressedBufferBytes = 128u << 10;
/// Frames that need more memory than a window of 2^27 bytes are refused.
constexpr int kZstdWindowLogMax = 27;

class PlainSource final : public ByteSource {
 public:
  PlainSource(std::unique_ptr<io::ReadableFile> file, std::uint64_t offset)
      : file_(std::move(file)), start_(offset), offset_(offset) {}

  absl::StatusOr<std::size_t> Read(char* to, std::size_t size) override {
    TRIREME_ASSIGN_OR_RETURN(const std::size_t n, file_->ReadAt(offset_, to, size));
    offset_ += n;
    return n;
  }
  std::uint64_t file_bytes_read() const override { return offset_ - start_; }

 private:
  std::unique_ptr<io::ReadableFile> file_;
  std::uint64_t start_, offset_;
};

/// Feeds a decompressor with the bytes of a file.
class CompressedSource : public ByteSource {
 public:
  CompressedSource(std::unique_ptr<io::ReadableFile> file, std::string path)
      : file_(std::move(file)), path_(std::move(path)), buffer_(new char[kCompressedBufferBytes]) {}

  std::uint64_t file_bytes_read() const override { return offset_ - (end_ - begin_); }

 protected:
  /// Makes sure that unread() is not empty unless the file is at its end.
  absl::Status Refill() {
    if (begin_ != end_) return absl::OkStatus();
    TRIREME_ASSIGN_OR_RETURN(end_, file_->ReadAt(offset_, buffer_.get(), kCompressedBufferBytes));
    begin_ = 0;
    offset_ += end_;
    return absl::OkStatus();
  }

  std::string_view unread() const { return {buffer_.get() + begin_, end_ - begin_}; }
  void Consume(std::size_t n) { begin_ += n; }

  absl::Status Corrupt(std::string_view what) const {
    return absl::DataLossError(
        fmt::format("{}: {} near byte {} of the compressed file: restore it from its source", path_,
                    what, file_bytes_read()));
  }

 private:
  std::unique_ptr<io::ReadableFile> file_;
  std::string path_;
  std::unique_ptr<char[]> buffer_;
  std::uint64_t offset_ = 0;  // in the file, after the buffer's bytes
  std::size_t begin_ = 0, end_ = 0;
};

/// RFC 1952: members one after the other are one stream; zeros after the last are padding.
class GzipSource final : public CompressedSource {
 public:
  using CompressedSource::CompressedSource;
  ~GzipSource() override {
    if (initialised_) inflateEnd(&stream_);
  }

  absl::Status Start() {
    constexpr int kWindowBits = 15, kGzipOnly = 16;
    if (inflateInit2(&stream_, kWindowBits + kGzipOnly) != Z_OK)
      return absl::ResourceExhaustedError("no memory to decompress gzip");
    initialised_ = true;
    return absl::OkStatus();
  }

  absl::StatusOr<std::size_t> Read(char* to, std::size_t size) override {
    const std::size_t wanted = std::min<std::size_t>(size, 1u << 30);
    stream_.next_out = reinterpret_cast<Bytef*>(to);
    stream_.avail_out = static_cast<uInt>(wanted);
    while (stream_.avail_out == wanted && wanted != 0) {
      if (after_member_) TRIREME_RETURN_IF_ERROR(SkipPadding());
      TRIREME_RETURN_IF_ERROR(Refill());
      if (unread().empty()) {
        if (in_member_) return Corrupt("the gzip data is cut off");
        return std::size_t{0};
      }
      TRIREME_RETURN_IF_ERROR(Inflate());
    }
    return wanted - stream_.avail_out;
  }

 private:
  /// Passes over zeros between a member and what follows; after some, nothing may follow.
  absl::Status SkipPadding() {
    bool padding = false;
    for (;;) {
      TRIREME_RETURN_IF_ERROR(Refill());
      if (unread().empty()) return absl::OkStatus();
      if (unread().front() != 0) break;
      padding = true;
      Consume(1);
    }
    after_member_ = false;
    return padding ? Corrupt("garbage after the gzip data") : absl::OkStatus();
  }

  absl::Status Inflate() {
    const std::string_view in = unread();
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    stream_.avail_in = static_cast<uInt>(in.size());
    in_member_ = true;
    const int result = inflate(&stream_, Z_NO_FLUSH);
    Consume(in.size() - stream_.avail_in);
    if (result == Z_STREAM_END) {
      in_member_ = false;
      after_member_ = true;
      inflateReset(&stream_);
      return absl::OkStatus();
    }
    if (result == Z_OK || result == Z_BUF_ERROR) return absl::OkStatus();
    return Corrupt(stream_.msg != nullptr ? fmt::format("corrupt gzip data ({})", stream_.msg)
                                          : "corrupt gzip data");
  }

  z_stream stream_{};
  bool initialised_ = false;
  bool in_member_ = false;     // the stream must go on
  bool after_member_ = false;  // padding may follow
};

/// RFC 8878: frames one after the other are one stream.
class ZstdSource final : public CompressedSource {
 public:
  using CompressedSource::CompressedSource;

  absl::Status Start() {
    stream_.reset(ZSTD_createDStream());
    if (stream_ == nullptr) return absl::ResourceExhaustedError("no memory to decompress zstd");
    ZSTD_DCtx_setParameter(stream_.get(), ZSTD_d_windowLogMax, kZstdWindowLogMax);
    return absl::OkStatus();
  }

  absl::StatusOr<std::size_t> Read(char* to, std::size_t size) override {
    ZSTD_outBuffer out = {to, size, 0};
    while (out.pos == 0 && size != 0) {
      TRIREME_RETURN_IF_ERROR(Refill());
      const bool at_end = unread().empty();
      if (at_end && !in_frame_) return std::size_t{0};
      ZSTD_inBuffer in = {unread().data(), unread().size(), 0};
      const std::size_t result = ZSTD_decompressStream(stream_.get(), &out, &in);
      if (ZSTD_isError(result))
        return Corrupt(fmt::format("corrupt zstd data ({})", ZSTD_getErrorName(result)));
      Consume(in.pos);
      in_frame_ = result != 0;
      if (at_end && out.pos == 0) return Corrupt("the zstd data is cut off");
    }
    return out.pos;
  }

 private:
  struct Free {
    void operator()(ZSTD_DStream* stream) const { ZSTD_freeDStream(stream); }
  };
  std::unique_ptr<ZSTD_DStream, Free> stream_;
  bool in_frame_ = false;  // the stream must go on
};

template <typename Source>
absl::StatusOr<std::unique_ptr<ByteSource>> OpenCompressed(std::unique_ptr<io::ReadableFile> file,
                                                           const std::string& path) {
  auto source = std::make_unique<Source>(std::move(file), path);
  TRIREME_RETURN_IF_ERROR(source->Start());
  return source;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ByteSource>> OpenByteSource(io::FileSystem& files,
                                                           const std::string& path,
                                                           std::uint64_t offset,
                                                           std::uint64_t expected_bytes) {
  TRIREME_ASSIGN_OR_RETURN(std::unique_ptr<io::ReadableFile> file, files.Open(path));
  file->ExpectSequential(offset, expected_bytes);
  switch (CompressionOf(path)) {
    case Compression::kGzip:
      return OpenCompressed<GzipSource>(std::move(file), path);
    case Compression::kZstd:
      return OpenCompressed<ZstdSource>(std::move(file), path);
    case Compression::kNone:
      break;
  }
  return std::make_unique<PlainSource>(std::move(file), offset);
}

}  // namespace trireme::mapreduce
