#include "mapreduce/cluster/output_directory.h"

#include "base/status_macros.h"
#include "fmt/format.h"
#include "mapreduce/engine/task.h"

namespace trireme::mapreduce {
namespace {

constexpr char kTemporary[] = "_temporary";  // parts while the job runs
constexpr char kMoving[] = "_moving";        // the same directory once the old parts are gone
constexpr char kSuccess[] = "_SUCCESS";

bool IsOutput(std::string_view name) {
  return name == kSuccess || name.starts_with("part-m-") || name.starts_with("part-r-");
}

}  // namespace

absl::Status OutputDirectory::Check(bool overwrite) const {
  const auto stat = files_.Stat(path_);
  if (absl::IsNotFound(stat.status())) return absl::OkStatus();
  if (!stat.ok()) return stat.status();
  if (stat->kind != io::FileStat::Kind::kDirectory)
    return absl::AlreadyExistsError(
        fmt::format("output {} exists and is not a directory: name another", path_));
  if (!overwrite)
    return absl::AlreadyExistsError(
        fmt::format("output {} exists: name another directory or give --overwrite", path_));
  return absl::OkStatus();
}

absl::Status OutputDirectory::Prepare() {
  TRIREME_RETURN_IF_ERROR(files_.RemoveTree(fmt::format("{}/{}", path_, kTemporary)));
  TRIREME_RETURN_IF_ERROR(files_.RemoveTree(fmt::format("{}/{}", path_, kMoving)));
  return files_.MakeDirectories(fmt::format("{}/{}", path_, kTemporary));
}

std::string OutputDirectory::PartPath(bool map_only, std::uint32_t index, bool compressed) const {
  return fmt::format("{}/{}/{}", path_, kTemporary, PartName(map_only, index, compressed));
}

absl::Status OutputDirectory::Finish() {
  const std::string temporary = fmt::format("{}/{}", path_, kTemporary);
  const std::string moving = fmt::format("{}/{}", path_, kMoving);
  // While `_temporary` exists the parts under the output's name are old ones; after its renaming
  // they are ours.
  if (files_.Stat(temporary).ok()) {
    TRIREME_RETURN_IF_ERROR(RemoveOldParts());
    TRIREME_RETURN_IF_ERROR(files_.Rename(temporary, moving));
  }
  if (files_.Stat(moving).ok()) {
    TRIREME_RETURN_IF_ERROR(MoveParts());
    TRIREME_RETURN_IF_ERROR(files_.RemoveTree(moving));
  }
  TRIREME_ASSIGN_OR_RETURN(auto success,
                           files_.Create(fmt::format("{}/{}", path_, kSuccess), durability_));
  return success->Commit();
}

absl::Status OutputDirectory::RemoveOldParts() {
  TRIREME_ASSIGN_OR_RETURN(const auto entries, files_.List(path_));
  // `_SUCCESS` sorts before the parts, so a directory never has it without all of them.
  for (const io::DirectoryEntry& entry : entries) {
    if (IsOutput(entry.name))
      TRIREME_RETURN_IF_ERROR(files_.RemoveTree(fmt::format("{}/{}", path_, entry.name)));
  }
  return absl::OkStatus();
}

absl::Status OutputDirectory::MoveParts() {
  const std::string moving = fmt::format("{}/{}", path_, kMoving);
  TRIREME_ASSIGN_OR_RETURN(const auto entries, files_.List(moving));
  for (const io::DirectoryEntry& entry : entries) {
    if (IsOutput(entry.name))  // not what a killed attempt left half-written
      TRIREME_RETURN_IF_ERROR(files_.Rename(fmt::format("{}/{}", moving, entry.name),
                                            fmt::format("{}/{}", path_, entry.name)));
  }
  return absl::OkStatus();
}

void OutputDirectory::Abandon() {
  (void)files_.RemoveTree(fmt::format("{}/{}", path_, kTemporary));
  (void)files_.RemoveTree(fmt::format("{}/{}", path_, kMoving));
  const auto entries = files_.List(path_);
  if (entries.ok() && entries->empty()) (void)files_.RemoveTree(path_);
}

}  // namespace trireme::mapreduce
