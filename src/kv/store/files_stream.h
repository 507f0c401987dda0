#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/file.h"
#include "kv/model/ordered_store.h"

/// The files of a store as a stream of checked bytes: docs/formats/kv-store.md.
namespace trireme::kv::inline engine {

/// What the stream begins with.
inline constexpr std::string_view kFilesMagic = "TRIKVFS1";
/// A frame holds so much of a file at most.
inline constexpr std::size_t kFilesFrameBytesMax = 256 << 10;

/// Writes the files in `directory`, which nothing changes meanwhile.
absl::Status WriteFiles(const std::string& directory, const ByteSink& sink);

/// Makes the files of a stream anew. Any failure leaves files that are no store: they are to be
/// thrown away.
class FilesReader {
 public:
  /// `directory` is there and empty.
  explicit FilesReader(std::string directory) : directory_(std::move(directory)) {}

  /// The stream's next bytes, cut anywhere. DATA_LOSS when they are not a stream's.
  absl::Status Feed(std::string_view bytes);
  /// After the last: makes the files durable.
  absl::Status Finish();

 private:
  /// False: more bytes are needed.
  absl::StatusOr<bool> TakeOne();
  absl::Status TakeFrame(std::string_view payload);
  absl::Status BeginFile(std::string_view head);
  absl::Status TakeBytes(std::string_view bytes);
  absl::Status EndFile();
  absl::Status TakeEnd(std::string_view end);
  absl::Status Bad(std::string_view what) const;
  std::string_view rest() const { return std::string_view(buffer_).substr(taken_); }

  const std::string directory_;
  std::string buffer_;
  std::size_t taken_ = 0;  ///< Of buffer_.
  io::File file_;
  std::uint64_t left_ = 0;  ///< Of the file at hand.
  std::uint32_t crc_ = 0, files_ = 0;
  bool begun_ = false, ended_ = false;
};

}  // namespace trireme::kv::inline engine
