// Reads any bytes as what an object store may answer, as the records that a job leaves there, and
// as a file with profiles.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "mapreduce/fs/aws_account.h"
#include "mapreduce/fs/s3_manifest.h"
#include "mapreduce/fs/s3_path.h"
#include "mapreduce/fs/s3_xml.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trireme::mapreduce;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)ParseObjectPage(bytes);
  (void)ParseUploadPage(bytes);
  (void)ParseUploadId(bytes);
  (void)ParseError(bytes);
  (void)ParseProfiles(bytes);
  (void)ParseS3Path(bytes);
  if (const auto manifest = DecodeManifest(bytes); manifest.ok()) {
    const auto again = DecodeManifest(EncodeManifest(*manifest));
    TRIREME_CHECK(again.ok() && EncodeManifest(*again) == EncodeManifest(*manifest));
  }
  const auto decoded = UriDecode(UriEncode(bytes, false));
  TRIREME_CHECK(decoded.ok() && *decoded == bytes);
  return 0;
}
