#include "mapreduce/fs/s3_path.h"

#include <algorithm>

#include "fmt/format.h"
#include "mapreduce/fs/s3_options.h"

namespace trireme::mapreduce {
namespace {

constexpr char kHex[] = "0123456789ABCDEF";

bool IsAlnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/// Old buckets may have capitals and underscores; none has what could leave the name's place in a
/// host or a path.
bool IsBucket(std::string_view name) {
  return name.size() >= 3 && name.size() <= 255 && IsAlnum(name[0]) &&
         name.find("..") == std::string_view::npos &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return IsAlnum(c) || c == '-' || c == '.' || c == '_'; });
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

std::string S3Path::Prefix() const {
  return key.empty() || key.ends_with('/') ? key : key + "/";
}

absl::StatusOr<S3Path> ParseS3Path(std::string_view path) {
  std::string_view rest = path;
  if (!path.starts_with(kS3Scheme))
    return absl::InvalidArgumentError(fmt::format("'{}' is not s3://BUCKET/KEY", path));
  rest.remove_prefix(kS3Scheme.size());
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  S3Path parsed{std::string(rest.substr(0, slash)),
                std::string(rest.substr(std::min(slash + 1, rest.size())))};
  if (!IsBucket(parsed.bucket))
    return absl::InvalidArgumentError(
        fmt::format("'{}': '{}' is no name of a bucket: write s3://BUCKET/KEY, with 3 or more "
                    "letters, digits, dots and hyphens",
                    path, parsed.bucket));
  if (parsed.key.size() > kS3KeyBytesMax)
    return absl::InvalidArgumentError(fmt::format("'{}': a key has at most {} bytes, this one {}",
                                                  path, kS3KeyBytesMax, parsed.key.size()));
  return parsed;
}

absl::StatusOr<S3Path> ParseS3Output(std::string_view path) {
  absl::StatusOr<S3Path> parsed = ParseS3Path(path);
  if (!parsed.ok() || !parsed->Prefix().empty()) return parsed;
  return absl::InvalidArgumentError(fmt::format(
      "output {} is a whole bucket: name a place in it, s3://{}/OUT", path, parsed->bucket));
}

std::string UriEncode(std::string_view text, bool keep_slash) {
  std::string encoded;
  encoded.reserve(text.size() + 16);
  for (const char c : text) {
    if (IsAlnum(c) || c == '-' || c == '_' || c == '.' || c == '~' || (keep_slash && c == '/')) {
      encoded += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    encoded += {'%', kHex[byte >> 4], kHex[byte & 15]};
  }
  return encoded;
}

absl::StatusOr<std::string> UriDecode(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? HexValue(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? HexValue(text[i + 2]) : -1;
    if (high < 0 || low < 0)
      return absl::InvalidArgumentError(fmt::format("'{}' is not percent-encoded", text));
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

}  // namespace trireme::mapreduce
