#include "cli/kv/snapshot_format.h"

#include <deque>

#include "base/status_macros.h"
#include "cli/kv/bolt_snapshot.h"
#include "cli/kv/failure.h"
#include "fmt/format.h"
#include "io/file.h"

namespace trireme::kvcli {
namespace {

std::deque<SnapshotFormat>& Formats() {
  static auto* const formats =
      new std::deque<SnapshotFormat>{{"a snapshot of etcd's", IsBolt, BoltStatus, nullptr}};
  return *formats;
}

}  // namespace

void AddSnapshotFormat(const SnapshotFormat& format) {
  Formats().push_back(format);
}

absl::StatusOr<const SnapshotFormat*> FormatOf(const std::string& path) {
  const auto file = io::File::OpenForRead(path);
  if (absl::IsNotFound(file.status()))
    return Fail(kError, fmt::format("stat {}: no such file or directory", path));
  if (!file.ok()) return Fail(kError, std::string(file.status().message()));
  std::string head(kRecognizedBytes, '\0');
  TRIREME_ASSIGN_OR_RETURN(const std::size_t size, file->ReadAt(0, head.data(), head.size()));
  head.resize(size);
  for (const SnapshotFormat& format : Formats()) {
    if (format.recognizes(head)) return &format;
  }
  return Fail(kError, fmt::format("{} is no snapshot that is known here", path));
}

}  // namespace trireme::kvcli
