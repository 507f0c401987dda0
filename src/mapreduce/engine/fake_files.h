#pragma once

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "io/file_system.h"

/// Files in memory, for tests.
namespace trireme::mapreduce {

class FakeFiles final : public io::FileSystem {
 public:
  std::map<std::string, std::string> files;

  absl::StatusOr<std::unique_ptr<io::ReadableFile>> Open(const std::string& path) override {
    const auto it = files.find(path);
    if (it == files.end()) return absl::NotFoundError("open " + path + ": no such file");
    return std::make_unique<Reader>(it->second);
  }
  absl::StatusOr<io::FileStat> Stat(const std::string&) override { return Unused(); }
  absl::StatusOr<std::vector<io::DirectoryEntry>> List(const std::string&) override {
    return Unused();
  }
  absl::StatusOr<std::unique_ptr<io::FileWriter>> Create(const std::string& path,
                                                         io::Durability) override {
    return std::make_unique<Writer>(this, path);
  }
  absl::Status Rename(const std::string&, const std::string&) override { return Unused(); }
  absl::Status MakeDirectories(const std::string&) override { return Unused(); }
  absl::Status RemoveTree(const std::string&) override { return Unused(); }
  absl::Status RemoveEmptyDirectory(const std::string&) override { return Unused(); }
  absl::StatusOr<std::unique_ptr<io::DirectoryLock>> LockDirectory(const std::string&) override {
    return Unused();
  }

  std::vector<io::FileInfo> Infos() const {
    std::vector<io::FileInfo> infos;
    for (const auto& [path, contents] : files) infos.push_back({path, contents.size()});
    return infos;
  }

 private:
  static absl::Status Unused() { return absl::UnimplementedError("not part of the fake"); }

  class Writer final : public io::FileWriter {
   public:
    Writer(FakeFiles* to, std::string path) : to_(to), path_(std::move(path)) {}
    absl::Status Append(std::string_view bytes) override {
      bytes_ += bytes;
      return absl::OkStatus();
    }
    absl::Status Commit() override {
      to_->files[path_] = std::move(bytes_);
      return absl::OkStatus();
    }
    void Abort() override { bytes_.clear(); }

   private:
    FakeFiles* to_;
    std::string path_, bytes_;
  };

  class Reader final : public io::ReadableFile {
   public:
    explicit Reader(const std::string& contents) : contents_(contents) {}
    absl::StatusOr<std::uint64_t> Size() const override { return contents_.size(); }
    absl::StatusOr<std::size_t> ReadAt(std::uint64_t offset, char* to,
                                       std::size_t size) const override {
      if (offset >= contents_.size()) return std::size_t{0};
      const std::size_t n = std::min<std::size_t>(size, contents_.size() - offset);
      std::memcpy(to, contents_.data() + offset, n);
      return n;
    }

   private:
    const std::string& contents_;
  };
};

inline std::string Gzip(const std::string& data) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, data.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

inline std::string Zstd(const std::string& data) {
  std::string out(ZSTD_compressBound(data.size()) + 4, '\0');
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  out.resize(ZSTD_compress2(context, out.data(), out.size(), data.data(), data.size()));
  ZSTD_freeCCtx(context);
  return out;
}

}  // namespace trireme::mapreduce
