#include "kv/store/files_stream.h"

#include <algorithm>
#include <filesystem>
#include <vector>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/status_macros.h"
#include "fmt/format.h"

namespace trireme::kv::inline engine {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kHeadBytes = 8;
/// Kinds of frames, their payloads' first byte.
constexpr char kFile = 'f', kBytes = 'b', kEnd = 'e';
constexpr std::size_t kNameBytesMax = 32;

bool AllDigits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

/// Files that make a store; RocksDB writes its others anew. None leads out of the directory.
bool IsStoreFile(std::string_view name) {
  constexpr std::string_view kManifest = "MANIFEST-", kTable = ".sst";
  if (name.size() > kNameBytesMax) return false;
  if (name == "CURRENT") return true;
  if (name.starts_with(kManifest)) return AllDigits(name.substr(kManifest.size()));
  return name.ends_with(kTable) && AllDigits(name.substr(0, name.size() - kTable.size()));
}

class Writer {
 public:
  explicit Writer(const ByteSink& sink) : sink_(sink) {}

  absl::Status Frame(char kind, std::string_view body) {
    std::string frame(kHeadBytes, '\0');
    frame.push_back(kind);
    frame.append(body);
    crc_ = Crc32c(std::string_view(frame).substr(kHeadBytes), crc_);
    StoreLittle(frame.data(), static_cast<std::uint32_t>(frame.size() - kHeadBytes));
    StoreLittle(frame.data() + sizeof(std::uint32_t), crc_);
    return sink_(frame);
  }

  absl::Status File(const std::string& path, std::string_view name) {
    TRIREME_ASSIGN_OR_RETURN(const io::File file, io::File::OpenForRead(path));
    TRIREME_ASSIGN_OR_RETURN(const std::uint64_t size, file.Size());
    std::string head;
    AppendLittle(head, size);
    TRIREME_RETURN_IF_ERROR(Frame(kFile, head.append(name)));
    std::string bytes(kFilesFrameBytesMax, '\0');
    for (std::uint64_t at = 0; at < size;) {
      TRIREME_ASSIGN_OR_RETURN(const std::size_t got, file.ReadAt(at, bytes.data(), bytes.size()));
      if (got == 0) return absl::DataLossError(path + " became shorter while it was read");
      TRIREME_RETURN_IF_ERROR(Frame(kBytes, std::string_view(bytes).substr(0, got)));
      at += got;
    }
    return absl::OkStatus();
  }

 private:
  const ByteSink& sink_;
  std::uint32_t crc_ = 0;
};

}  // namespace

absl::Status WriteFiles(const std::string& directory, const ByteSink& sink) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error))
    if (IsStoreFile(entry.path().filename().string())) names.push_back(entry.path().filename());
  if (error)
    return absl::UnavailableError(fmt::format("cannot read {}: {}", directory, error.message()));
  TRIREME_RETURN_IF_ERROR(sink(kFilesMagic));
  Writer writer(sink);
  for (const std::string& name : names)
    TRIREME_RETURN_IF_ERROR(writer.File(directory + "/" + name, name));
  std::string count;
  AppendLittle(count, static_cast<std::uint32_t>(names.size()));
  return writer.Frame(kEnd, count);
}

absl::Status FilesReader::Bad(std::string_view what) const {
  return absl::DataLossError(fmt::format(
      "the stream of a KV store's files is damaged in file {}: {}; get it again", files_, what));
}

absl::Status FilesReader::Feed(std::string_view bytes) {
  buffer_.erase(0, taken_);
  taken_ = 0;
  buffer_.append(bytes);
  for (;;) {
    TRIREME_ASSIGN_OR_RETURN(const bool taken, TakeOne());
    if (!taken) return absl::OkStatus();
  }
}

absl::StatusOr<bool> FilesReader::TakeOne() {
  if (!begun_) {
    if (rest().size() < kFilesMagic.size()) return false;
    if (!rest().starts_with(kFilesMagic)) return Bad("it does not begin as one");
    taken_ += kFilesMagic.size();
    return begun_ = true;
  }
  if (rest().empty()) return false;
  if (ended_) return Bad("bytes follow its end");
  ByteReader reader(rest());
  std::uint32_t size = 0, crc = 0;
  if (!reader.Little(&size) || !reader.Little(&crc)) return false;
  if (size == 0 || size > 1 + kFilesFrameBytesMax) return Bad(fmt::format("{} bytes", size));
  if (reader.rest().size() < size) return false;
  const std::string_view payload = reader.rest().substr(0, size);
  crc_ = Crc32c(payload, crc_);
  if (crc != crc_) return Bad("a checksum is wrong");
  TRIREME_RETURN_IF_ERROR(TakeFrame(payload));
  taken_ += kHeadBytes + size;
  return true;
}

absl::Status FilesReader::TakeFrame(std::string_view payload) {
  const std::string_view body = payload.substr(1);
  switch (payload[0]) {
    case kFile:
      return BeginFile(body);
    case kBytes:
      return TakeBytes(body);
    case kEnd:
      return TakeEnd(body);
    default:
      return Bad("a frame of no kind this version knows");
  }
}

absl::Status FilesReader::BeginFile(std::string_view head) {
  ByteReader reader(head);
  std::uint64_t size = 0;
  if (left_ > 0 || !reader.Little(&size) || !IsStoreFile(reader.rest())) return Bad("its head");
  const std::string path = directory_ + "/" + std::string(reader.rest());
  if (fs::exists(path)) return Bad("its name came before");
  TRIREME_ASSIGN_OR_RETURN(file_, io::File::Create(path));
  ++files_;
  left_ = size;
  return left_ == 0 ? EndFile() : absl::OkStatus();
}

absl::Status FilesReader::TakeBytes(std::string_view bytes) {
  if (bytes.size() > left_) return Bad("it is longer than it said");
  TRIREME_RETURN_IF_ERROR(file_.Append(bytes));
  left_ -= bytes.size();
  return left_ == 0 ? EndFile() : absl::OkStatus();
}

absl::Status FilesReader::EndFile() {
  TRIREME_RETURN_IF_ERROR(file_.Sync());
  return file_.Close();
}

absl::Status FilesReader::TakeEnd(std::string_view end) {
  ByteReader reader(end);
  std::uint32_t count = 0;
  if (left_ > 0 || !reader.Little(&count) || !reader.empty() || count != files_)
    return Bad("its end");
  ended_ = true;
  return absl::OkStatus();
}

absl::Status FilesReader::Finish() {
  if (!ended_ || !rest().empty()) return Bad("it breaks off");
  return io::SyncDirectory(directory_);
}

}  // namespace trireme::kv::inline engine
