#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/file_system.h"
#include "mapreduce/fs/s3_client.h"

namespace trireme::mapreduce {

/// Parts after which the size of further ones doubles, so that an object of 5 TiB fits into
/// kS3PartsMax of them.
inline constexpr std::uint32_t kS3PartsPerSize = 1'000;

/// What an upload is completed with.
struct S3Upload {
  std::string id;  ///< empty: no part was sent
  std::string token;
  std::vector<std::string> etags;
  std::uint64_t size_bytes = 0;
};

/// 32 hexadecimal digits that nobody else draws.
std::string RandomToken();

/// Sends the bytes of one object as parts of an upload, some at a time, while more come. Memory:
/// S3Options::upload_ahead + 1 parts. One thread.
class S3Uploader {
 public:
  S3Uploader(S3Client* client, S3Path path);
  ~S3Uploader();

  [[nodiscard]] absl::Status Append(std::string_view bytes);
  /// Sends the rest and waits for all of it. Nothing that is small was sent yet, unless `always`.
  [[nodiscard]] absl::Status Finish(bool always);
  void Abort();
  /// From here on the upload is somebody else's to complete or abort.
  void Release() { released_ = true; }

  const S3Upload& upload() const { return upload_; }
  /// What was not sent, of an object that is smaller than a part.
  std::string TakeRest() { return std::move(buffer_); }
  const S3Path& path() const { return path_; }

 private:
  struct Shared;

  absl::Status SendBuffer();
  absl::Status Await(std::size_t under_way_max);
  std::size_t PartBytes() const;

  S3Client& client_;
  const S3Path path_;
  const std::shared_ptr<Shared> shared_;
  S3Upload upload_;
  std::string buffer_;
  bool released_ = false;
};

/// An object that appears under its name at Commit.
std::unique_ptr<io::FileWriter> CreateS3Object(S3Client* client, S3Path path);

}  // namespace trireme::mapreduce
