#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "io/file_system.h"

namespace trireme::mapreduce {

/// A job's output directory, so that it never shows half a job. Part files are committed in
/// DIR/_temporary; when the job has succeeded they move up and `_SUCCESS` follows. With
/// `overwrite` an older output stays whole until that moment. Every step may be repeated after its
/// maker has died at any point.
class OutputDirectory {
 public:
  OutputDirectory(io::FileSystem* files, std::string path, io::Durability durability)
      : files_(*files), path_(std::move(path)), durability_(durability) {}

  /// ALREADY_EXISTS, with one line for the user, when there is something under that name and
  /// `overwrite` is not set, or when it is no directory. Writes nothing.
  [[nodiscard]] absl::Status Check(bool overwrite) const;
  /// Makes it ready for part files.
  [[nodiscard]] absl::Status Prepare();
  /// Where a part file is committed.
  std::string PartPath(bool map_only, std::uint32_t index, bool compressed) const;
  /// The job has succeeded: replaces the older output by the new, `_SUCCESS` last.
  [[nodiscard]] absl::Status Finish();
  /// The job has failed: removes what it wrote; an older output stays.
  void Abandon();

  const std::string& path() const { return path_; }

 private:
  absl::Status RemoveOldParts();
  absl::Status MoveParts();

  io::FileSystem& files_;
  const std::string path_;
  const io::Durability durability_;
};

}  // namespace trireme::mapreduce
