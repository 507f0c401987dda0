#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

/// The store's XML answers. They come from the network: every reader is bounded, and refuses what
/// is not well-formed, declares entities, or nests deeply.
namespace trireme::mapreduce {

inline constexpr std::size_t kXmlDepthMax = 16;

struct S3ListedObject {
  std::string key;
  std::uint64_t size_bytes = 0;
};
struct S3ObjectPage {
  std::vector<S3ListedObject> objects;
  std::vector<std::string> prefixes;  ///< what is below the delimiter
  std::string next_token;             ///< empty: the last page
};
struct S3ListedUpload {
  std::string key;
  std::string id;
};
struct S3UploadPage {
  std::vector<S3ListedUpload> uploads;
  std::string next_key, next_id;  ///< empty: the last page
};
struct S3Error {
  std::string code;
  std::string message;
  std::string region;  ///< of a redirection
};

/// DATA_LOSS says what is wrong with the answer.
[[nodiscard]] absl::StatusOr<S3ObjectPage> ParseObjectPage(std::string_view xml);
[[nodiscard]] absl::StatusOr<S3UploadPage> ParseUploadPage(std::string_view xml);
[[nodiscard]] absl::StatusOr<std::string> ParseUploadId(std::string_view xml);
/// Empty when it is not an error's XML (a proxy's page, nothing at all).
S3Error ParseError(std::string_view xml);
/// An answer with status 200 may be an error all the same.
bool IsErrorXml(std::string_view xml);

std::string CompleteUploadXml(const std::vector<std::string>& etags);

}  // namespace trireme::mapreduce
