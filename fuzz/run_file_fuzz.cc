// Reads any bytes as an intermediate file, and as the payload of a sound one. libFuzzer's entry;
// without libFuzzer, run_file_fuzz_test.cc calls it with bytes of its own.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "fmt/format.h"
#include "mapreduce/engine/merge.h"
#include "mapreduce/engine/run_file.h"

namespace trireme::mapreduce {
namespace {

constexpr std::uint32_t kPartitionsRead = 4;

/// A file in memory with a path.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view bytes) : fd_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    TRIREME_CHECK(fd_ >= 0);
    TRIREME_CHECK(::write(fd_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  ~MemoryFile() { ::close(fd_); }
  std::string path() const { return fmt::format("/proc/self/fd/{}", fd_); }

 private:
  int fd_;
};

/// Merges what the sources hold; how many bytes of records that was.
std::size_t Drain(std::vector<std::unique_ptr<BlockSource>> sources) {
  Merger merger(std::move(sources));
  std::size_t bytes = 0;
  absl::Status status = merger.Start();
  while (status.ok() && !merger.done()) {
    bytes += merger.key().size() + merger.value().size();
    status = merger.Pop();
  }
  return bytes;
}

void ReadFile(const std::string& path, std::size_t size) {
  const auto file = RunFile::Open(path);
  if (!file.ok()) return;
  for (std::uint32_t i = 0; i < std::min((*file)->partitions(), kPartitionsRead); ++i) {
    std::vector<std::unique_ptr<BlockSource>> sources;
    if (!OpenPartition(path, i, &sources).ok()) continue;
    const std::size_t runs = sources.size();
    // Segments may overlap, records may not be larger than their segment.
    TRIREME_CHECK(Drain(std::move(sources)) <= size * runs);
  }
}

/// The payload of a block whose checksum is right.
class PayloadSource final : public BlockSource {
 public:
  explicit PayloadSource(std::string_view payload) : payload_(payload), size_(payload.size()) {
    payload_.append(kBlockSlack, '\0');
  }
  absl::StatusOr<std::string_view> Next() override {
    return std::string_view(payload_).substr(0, std::exchange(size_, 0));
  }

 private:
  std::string payload_;
  std::size_t size_;
};

void ReadPayloads(std::string_view bytes, std::size_t sources_count) {
  std::vector<std::unique_ptr<BlockSource>> sources;
  const std::size_t each = bytes.size() / sources_count;
  for (std::size_t i = 0; i < sources_count; ++i)
    sources.push_back(std::make_unique<PayloadSource>(bytes.substr(i * each, each)));
  TRIREME_CHECK(Drain(std::move(sources)) <= bytes.size());
}

/// What is written comes back: the bytes, cut into records by themselves.
void RoundTrip(std::string_view bytes) {
  const MemoryFile file("");
  auto writer = RunWriter::Create(file.path(), 1);
  TRIREME_CHECK(writer.ok());
  (*writer)->BeginRun();
  std::size_t written = 0;
  while (!bytes.empty()) {
    const std::size_t key = std::min<std::size_t>(bytes.size(), bytes[0] & 31);
    const std::size_t value = std::min<std::size_t>(bytes.size() - key, 1 + (bytes[0] & 7));
    (*writer)->Add(bytes.substr(0, key), bytes.substr(key, value));
    written += key + value;
    bytes.remove_prefix(key + value);
  }
  TRIREME_CHECK((*writer)->EndRun().ok() && (*writer)->Finish().ok());
  std::vector<std::unique_ptr<BlockSource>> sources;
  TRIREME_CHECK(OpenPartition(file.path(), 0, &sources).ok());
  TRIREME_CHECK(Drain(std::move(sources)) == written);
}

}  // namespace
}  // namespace trireme::mapreduce

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trireme::mapreduce;
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      ReadFile(MemoryFile(bytes).path(), bytes.size());
      break;
    case 1:
      ReadPayloads(bytes, 1 + data[0] / 3 % 5);
      break;
    default:
      RoundTrip(bytes);
  }
  return 0;
}
