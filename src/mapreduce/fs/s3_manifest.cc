#include "mapreduce/fs/s3_manifest.h"

#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "mapreduce/fs/s3_options.h"
#include "mapreduce/fs/s3_path.h"
#include "mapreduce/fs/text.h"

namespace trireme::mapreduce {
namespace {

constexpr std::string_view kMagic = "trireme-s3-manifest 1 ";

absl::Status Damaged(std::string_view what) {
  return absl::DataLossError(fmt::format(
      "a record of the output is damaged ({}): did something else write there? Run the job again "
      "with --overwrite",
      what));
}

absl::StatusOr<std::string> Decoded(std::string_view text) {
  auto decoded = UriDecode(text);
  if (!decoded.ok()) return Damaged("an encoding");
  return decoded;
}

std::string EncodePart(const S3PendingPart& part) {
  std::string etags;
  for (const std::string& etag : part.upload.etags)
    etags += (etags.empty() ? "" : ",") + UriEncode(etag, false);
  return fmt::format("{}\t{}\t{}\t{}\t{}\n", UriEncode(part.name, false), part.upload.size_bytes,
                     part.upload.token, UriEncode(part.upload.id, false), etags);
}

absl::StatusOr<S3PendingPart> DecodePart(std::string_view line) {
  const std::vector<std::string_view> fields = Split(line, '\t');
  if (fields.size() != 5) return Damaged("fields");
  S3PendingPart part;
  TRIREME_ASSIGN_OR_RETURN(part.name, Decoded(fields[0]));
  if (!part.name.starts_with("part-") || part.name.find('/') != std::string::npos)
    return Damaged("a name");
  const auto size = ParseNumber64(fields[1]);
  if (!size) return Damaged("a size");
  part.upload.size_bytes = *size;
  part.upload.token = std::string(fields[2]);
  TRIREME_ASSIGN_OR_RETURN(part.upload.id, Decoded(fields[3]));
  if (part.upload.id.empty() != fields[4].empty()) return Damaged("an upload");
  if (fields[4].empty()) return part;
  const std::vector<std::string_view> etags = Split(fields[4], ',');
  if (etags.size() > kS3PartsMax) return Damaged("too many parts");
  for (const std::string_view etag : etags) {
    TRIREME_ASSIGN_OR_RETURN(std::string decoded, Decoded(etag));
    part.upload.etags.push_back(std::move(decoded));
  }
  return part;
}

}  // namespace

std::string EncodeManifest(const S3Manifest& manifest) {
  std::string text = fmt::format("{}{}\n", kMagic, manifest.nonce);
  for (const S3PendingPart& part : manifest.parts) text += EncodePart(part);
  return text + fmt::format("end {}\n", manifest.parts.size());
}

absl::StatusOr<S3Manifest> DecodeManifest(std::string_view text) {
  if (text.size() > kManifestBytesMax) return Damaged("too long");
  if (!text.starts_with(kMagic)) return Damaged("it does not begin as one");
  if (!text.ends_with('\n')) return Damaged("cut off");
  text.remove_suffix(1);
  const std::vector<std::string_view> lines = Split(text, '\n');
  if (lines.size() < 2 || lines.size() - 2 > kManifestPartsMax) return Damaged("lines");
  if (lines.back() != fmt::format("end {}", lines.size() - 2)) return Damaged("its end");
  S3Manifest manifest;
  manifest.nonce = std::string(lines[0].substr(kMagic.size()));
  for (std::size_t i = 1; i + 1 < lines.size(); ++i) {
    TRIREME_ASSIGN_OR_RETURN(S3PendingPart part, DecodePart(lines[i]));
    manifest.parts.push_back(std::move(part));
  }
  return manifest;
}

}  // namespace trireme::mapreduce
