#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "mapreduce/fs/s3_options.h"

/// Who asks the object store, and where it is: flags, then the usual AWS environment variables,
/// then the profile's files.
namespace trireme::mapreduce {

/// Nothing here is ever logged or part of a message.
struct AwsCredentials {
  std::string access_key;
  std::string secret_key;
  std::string session_token;  ///< may be empty
};

struct S3Account {
  std::optional<AwsCredentials> credentials;  ///< none: nothing is signed
  std::string region;
  std::string scheme;     ///< http or https
  std::string authority;  ///< HOST[:PORT]
  bool bucket_in_host = false;
  std::string ca_bundle;  ///< empty: the system's
};

/// What a process is surrounded by; replaced in tests.
struct AwsSurroundings {
  /// A variable's value; empty when it is not set.
  std::function<std::string(const char* name)> variable;
  /// A small file's contents; none when it is not there.
  std::function<std::optional<std::string>(const std::string& path)> file;
};
AwsSurroundings ProcessSurroundings();

/// A profile's file is refused from here on.
inline constexpr std::size_t kProfileBytesMax = 1u << 20;

/// Sections by name, settings by key; a setting that is indented below `s3 =` is "s3.KEY". Lines
/// that are neither are passed over, as the AWS tools do.
using AwsProfiles = std::map<std::string, std::map<std::string, std::string>, std::less<>>;
AwsProfiles ParseProfiles(std::string_view text);

/// UNAUTHENTICATED when no credentials are found, INVALID_ARGUMENT for an endpoint that is none;
/// one line for the user that says where was looked.
[[nodiscard]] absl::StatusOr<S3Account> FindS3Account(const S3Options& options,
                                                      const AwsSurroundings& surroundings);

}  // namespace trireme::mapreduce
