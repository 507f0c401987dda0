#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/file.h"
#include "mapreduce/cluster/journal.h"

/// The coordinator's journal as a file of checksummed frames; docs/formats/journal.md defines it.
namespace trireme::mapreduce::cluster {

inline constexpr std::size_t kJournalHeaderBytes = 24;
inline constexpr std::size_t kJournalFrameBytesMax = 1u << 30;
/// A journal below this is not worth compacting, nor one that has not grown by this factor since.
inline constexpr std::uint64_t kCompactBytesMin = 4u << 20;
inline constexpr std::uint64_t kCompactGrowth = 4;

/// Owns a state directory for as long as it lives.
class FileJournal final : public Journal {
 public:
  struct Opened {
    std::unique_ptr<FileJournal> journal;
    std::vector<std::string> batches;  ///< payloads, oldest first
    std::uint64_t torn_bytes = 0;      ///< cut off the end: nobody has heard of them
  };

  /// Makes the directory if need be, locks it, reads the journal and cuts a torn tail.
  /// FAILED_PRECONDITION when another coordinator holds the directory; DATA_LOSS, with the file and
  /// the offset, for damage that no crash explains.
  [[nodiscard]] static absl::StatusOr<Opened> Open(const std::string& directory);

  ~FileJournal() override;
  FileJournal(const FileJournal&) = delete;
  FileJournal& operator=(const FileJournal&) = delete;

  /// Appends one batch and makes it durable. After a failure every later call fails with the same
  /// status: what is on the disk is unknown.
  [[nodiscard]] absl::StatusOr<JournalToken> Append(std::string payload, Urgency urgency) override;
  JournalToken durable() const override { return appended_; }

  bool WantsCompaction() const override;
  /// Atomic. A failure poisons as that of Append.
  [[nodiscard]] absl::Status Compact(std::vector<std::string> payloads) override;

  std::uint64_t bytes() const override { return end_; }
  const std::string& path() const override { return path_; }

 private:
  FileJournal(std::string directory, int lock_fd);
  absl::Status Load(Opened* to);
  absl::Status AppendFrame(std::string_view payload);
  absl::Status WriteCompacted(const std::vector<std::string>& payloads);

  const std::string directory_;
  const std::string path_;
  const int lock_fd_;
  int fd_ = -1;
  std::uint64_t end_ = 0;
  JournalToken appended_ = 0;
  std::uint64_t compacted_bytes_ = 0;
  absl::Status poisoned_;
};

/// What a journal's bytes hold; exposed for tests and fuzzers. `end` is where the valid part ends.
[[nodiscard]] absl::Status ParseJournal(std::string_view bytes, std::string_view path,
                                        std::vector<std::string>* batches, std::uint64_t* end);
/// One frame for the place `offset`.
std::string MakeJournalFrame(std::string_view payload, std::uint64_t offset);

}  // namespace trireme::mapreduce::cluster
