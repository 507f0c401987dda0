#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "io/file_system.h"
#include "mapreduce/cluster/output_owner.h"

namespace trireme::mapreduce {

/// A job's output directory, so that it never shows half a job. Part files are committed in
/// DIR/_temporary; when the job has succeeded they move up and `_SUCCESS` follows. With
/// `overwrite` an older output stays whole until that moment. Every step may be repeated after its
/// maker has died at any point.
class OutputDirectory {
 public:
  /// `owner`: of a coordinator that another may take over from; a step then ends with CANCELLED
  /// once one has.
  OutputDirectory(io::FileSystem* files, std::string path, io::Durability durability,
                  std::optional<OutputOwner> owner = std::nullopt)
      : files_(*files),
        path_(std::move(path)),
        durability_(durability),
        owner_(std::move(owner)),
        staged_(files_.OpenStagedOutput(path_)) {}

  /// ALREADY_EXISTS, with one line for the user, when there is something under that name and
  /// `overwrite` is not set, or when it is no directory. Writes nothing.
  [[nodiscard]] absl::Status Check(bool overwrite) const;
  /// INVALID_ARGUMENT when one of `inputs` is a part of the older output that this job would
  /// replace.
  [[nodiscard]] absl::Status CheckApart(const std::vector<io::FileInfo>& inputs) const;
  /// Takes it for this job and makes it ready for part files. ALREADY_EXISTS, with one line for the
  /// user, when another process writes there, or an output has appeared since Check and `overwrite`
  /// is not set; nothing of the other's is touched then, also not by Abandon.
  [[nodiscard]] absl::Status Prepare(bool overwrite);
  /// Where a part file is committed.
  std::string PartPath(bool map_only, std::uint32_t index, bool compressed) const;
  /// The job has succeeded: replaces the older output by the new, `_SUCCESS` last.
  [[nodiscard]] absl::Status Finish();
  /// The job has failed: removes what it wrote, the directories that Prepare made included; an
  /// older output stays.
  void Abandon();

  const std::string& path() const { return path_; }

 private:
  absl::Status Take(bool overwrite);
  absl::Status Furnish();
  absl::Status Lock();
  std::uint32_t MissingLevels() const;
  std::uint32_t ReadMade() const;
  absl::Status WriteMade() const;
  void RemoveMade(std::uint32_t levels);
  /// The folder is this owner's, or there is none to ask for.
  absl::Status CheckOwned(const std::string& folder) const;
  absl::Status Claim(const std::string& folder) const;
  absl::Status RemoveOwned(const std::string& folder);
  absl::Status RemoveOldParts();
  absl::Status MoveParts();

  io::FileSystem& files_;
  const std::string path_;
  const io::Durability durability_;
  const std::optional<OutputOwner> owner_;
  std::unique_ptr<io::StagedOutput> staged_;  // null: files can be renamed
  bool taken_by_another_ = false;
  std::uint32_t made_ = 0;  // directories that Prepare made: path_, its parent, ...
  std::unique_ptr<io::DirectoryLock> lock_;
};

}  // namespace trireme::mapreduce
