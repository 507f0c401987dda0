// Any bytes as a job's input: text, fixed records, whole files, and compressed files, whose bytes
// are hostile to the decompressors.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "mapreduce/engine/block_reader.h"
#include "mapreduce/engine/fake_files.h"

namespace trireme::mapreduce {
namespace {

using Kind = InputFormat::Kind;

/// A decompressed input is read no further than this: small files grow a thousandfold.
constexpr std::size_t kBytesMax = 1u << 20;
constexpr std::uint32_t kRecordBytes = 7;

BlockReaderOptions OptionsOf(Kind kind, std::size_t buffer_bytes) {
  BlockReaderOptions options;
  options.format = {kind, kRecordBytes};
  options.buffer_bytes = buffer_bytes;
  options.record_bytes_max = options.whole_file_bytes_max = 1000;
  return options;
}

struct Seen {
  std::string bytes;
  absl::Status status;
};

/// What the records of a part of a file hold.
Seen Read(FakeFiles& files, const std::string& path, std::uint64_t begin, std::uint64_t end,
          const BlockReaderOptions& options) {
  BlockReader reader(&files, Split{{{path, begin, end - begin}}}, options);
  Seen seen;
  Block block;
  while (seen.bytes.size() < kBytesMax) {
    const absl::StatusOr<bool> more = reader.Next(&block);
    seen.status = more.status();
    if (!more.ok() || !*more) break;
    RecordIterator records(block, reader);
    for (Record record; records.Next(&record);) {
      TRIREME_CHECK(record.value.size() <= options.record_bytes_max + 1);
      seen.bytes.append(record.value);
    }
  }
  return seen;
}

std::string WithoutNewlines(std::string_view text) {
  std::string result(text);
  result.erase(std::remove(result.begin(), result.end(), '\n'), result.end());
  return result;
}

/// A text's lines are the same however it is split and however large the buffer is, and when it is
/// compressed.
void ReadText(std::string_view text, std::size_t where, std::size_t buffer_bytes) {
  FakeFiles files;
  files.files["t"] = text;
  files.files["t.gz"] = Gzip(std::string(text));
  files.files["t.zst"] = Zstd(std::string(text));
  const BlockReaderOptions options = OptionsOf(Kind::kLines, buffer_bytes);
  const Seen whole = Read(files, "t", 0, text.size(), options);
  if (whole.status.ok()) TRIREME_CHECK(whole.bytes == WithoutNewlines(text));
  for (const char* path : {"t.gz", "t.zst"}) {
    const Seen packed = Read(files, path, 0, files.files[path].size(), options);
    TRIREME_CHECK(packed.status.ok() == whole.status.ok());
    if (whole.status.ok()) TRIREME_CHECK(packed.bytes == whole.bytes);
  }
  const std::uint64_t middle = text.empty() ? 0 : where % text.size();
  const Seen first = Read(files, "t", 0, middle, options);
  const Seen second = Read(files, "t", middle, text.size(), options);
  TRIREME_CHECK((first.status.ok() && second.status.ok()) == whole.status.ok());
  if (whole.status.ok()) TRIREME_CHECK(first.bytes + second.bytes == whole.bytes);
}

void ReadHostile(std::string_view bytes, const char* path, Kind kind, std::size_t buffer_bytes) {
  FakeFiles files;
  files.files[path] = bytes;
  Read(files, path, 0, bytes.size(), OptionsOf(kind, buffer_bytes));
}

}  // namespace
}  // namespace trireme::mapreduce

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trireme::mapreduce;  // NOLINT
  if (size < 3) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 3, size - 3);
  const std::size_t buffer_bytes = 1 + data[1];
  switch (data[0] % 3) {
    case 0:
      ReadText(bytes, data[2], buffer_bytes);
      break;
    case 1:
      ReadHostile(bytes, "h.gz", static_cast<Kind>(data[2] % 3), buffer_bytes);
      break;
    default:
      ReadHostile(bytes, "h.zst", static_cast<Kind>(data[2] % 3), buffer_bytes);
  }
  return 0;
}
