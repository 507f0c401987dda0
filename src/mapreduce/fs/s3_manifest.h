#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "mapreduce/fs/s3_options.h"
#include "mapreduce/fs/s3_writer.h"

/// docs/formats/s3-output.md: pending records and the manifest of a job's output.
namespace trireme::mapreduce {

inline constexpr std::size_t kManifestPartsMax = 100'000;
inline constexpr std::size_t kManifestBytesMax = kS3AnswerBytesMax;

struct S3PendingPart {
  std::string name;  ///< of the part, below the output
  S3Upload upload;
};
struct S3Manifest {
  std::string nonce;
  std::vector<S3PendingPart> parts;
};

std::string EncodeManifest(const S3Manifest& manifest);
/// DATA_LOSS when the bytes are not what EncodeManifest wrote.
[[nodiscard]] absl::StatusOr<S3Manifest> DecodeManifest(std::string_view text);

}  // namespace trireme::mapreduce
