#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

/// Names in an object store.
namespace trireme::mapreduce {

inline constexpr std::string_view kS3Scheme = "s3://";

struct S3Path {
  std::string bucket;
  std::string key;  ///< may be empty: the bucket itself

  std::string ToString() const { return std::string(kS3Scheme) + bucket + "/" + key; }
  /// The key as the name of a directory: empty, or with one slash at its end.
  std::string Prefix() const;
};

/// INVALID_ARGUMENT names the path, what is wrong with it and what it should be.
[[nodiscard]] absl::StatusOr<S3Path> ParseS3Path(std::string_view path);
/// Of a job's output, which cannot be a whole bucket.
[[nodiscard]] absl::StatusOr<S3Path> ParseS3Output(std::string_view path);

/// Percent-encoding as a signature has it: everything but A-Z a-z 0-9 - _ . ~ and, when
/// `keep_slash`,
/// '/'.
std::string UriEncode(std::string_view text, bool keep_slash);
/// INVALID_ARGUMENT when a '%' is not followed by two hexadecimal digits.
[[nodiscard]] absl::StatusOr<std::string> UriDecode(std::string_view text);

}  // namespace trireme::mapreduce
