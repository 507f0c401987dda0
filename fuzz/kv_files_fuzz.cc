// Reads any bytes as the stream of a KV store's files, and as payloads of frames whose checksums
// are right. Nothing is written outside of the directory, and what is no stream is DATA_LOSS.
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "fmt/format.h"
#include "kv/store/files_stream.h"

namespace trireme::kv {
namespace {

void Read(std::string_view stream) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / fmt::format("trireme-files-fuzz-{}", ::getpid());
  const std::filesystem::path inner = folder / "store";
  std::filesystem::create_directories(inner);
  FilesReader reader(inner.string());
  absl::Status status = reader.Feed(stream);
  if (status.ok()) status = reader.Finish();
  TRIREME_CHECK(status.ok() || absl::IsDataLoss(status));
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    TRIREME_CHECK(entry.path() == inner);
  std::filesystem::remove_all(folder);
}

/// Each payload: a byte with its size, and so many bytes.
std::string Framed(std::string_view bytes) {
  std::string stream(kFilesMagic);
  std::uint32_t crc = 0;
  while (!bytes.empty()) {
    const std::string_view payload = bytes.substr(1, static_cast<unsigned char>(bytes[0]) % 64 + 1);
    crc = Crc32c(payload, crc);
    AppendLittle(stream, static_cast<std::uint32_t>(payload.size()));
    AppendLittle(stream, crc);
    stream.append(payload);
    bytes.remove_prefix(std::min(bytes.size(), 1 + payload.size()));
  }
  return stream;
}

}  // namespace
}  // namespace trireme::kv

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trireme::kv;
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  Read(data[0] % 2 == 0 ? std::string(bytes) : Framed(bytes));
  return 0;
}
