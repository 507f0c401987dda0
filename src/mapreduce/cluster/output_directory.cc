#include "mapreduce/cluster/output_directory.h"

#include <algorithm>
#include <cstdlib>
#include <string>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "mapreduce/engine/task.h"
#include "mapreduce/fs/s3_path.h"

namespace trireme::mapreduce {
namespace {

constexpr std::string_view kTemporary = io::kStagingDirectory;  // parts while the job runs
constexpr std::string_view kMoving = "_moving";  // the same directory once the old parts are gone
constexpr char kSuccess[] = "_SUCCESS";
/// In `_temporary`: how many directories were made for this job. Who removes a failed job's output
/// need not be who made them.
constexpr char kMade[] = "_made";
/// Times that the directory may be removed under a job that is about to take it.
constexpr int kLockTriesMax = 100;

/// "" for what has none that a name could be removed from.
std::string ParentOf(const std::string& path) {
  std::size_t end = path.find_last_not_of('/');
  if (end == std::string::npos) return "";
  const std::size_t slash = path.rfind('/', end);
  if (slash == std::string::npos) return "";
  end = path.find_last_not_of('/', slash);
  return end == std::string::npos ? "" : path.substr(0, end + 1);
}

bool IsOutput(std::string_view name) {
  return name == kSuccess || name.starts_with("part-m-") || name.starts_with("part-r-");
}

}  // namespace

absl::Status OutputDirectory::Check(bool overwrite) const {
  if (io::IsObjectPath(path_)) TRIREME_RETURN_IF_ERROR(ParseS3Output(path_).status());
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

absl::Status OutputDirectory::CheckApart(const std::vector<io::FileInfo>& inputs) const {
  const auto here = files_.Stat(path_);
  if (!here.ok()) return absl::OkStatus();
  for (const io::FileInfo& input : inputs) {
    const std::size_t slash = input.path.rfind('/');
    const std::size_t name = slash == std::string::npos ? 0 : slash + 1;
    if (!IsOutput(std::string_view(input.path).substr(name))) continue;
    const auto parent = files_.Stat(name == 0 ? "." : input.path.substr(0, name));
    if (parent.ok() && !parent->identity.empty() && parent->identity == here->identity)
      return absl::InvalidArgumentError(
          fmt::format("input {} is a part of the output {} that this job would replace: name "
                      "another output",
                      input.path, path_));
  }
  return absl::OkStatus();
}

absl::Status OutputDirectory::Prepare(bool overwrite) {
  if (staged_ != nullptr) {
    const absl::Status prepared = staged_->Prepare(overwrite);
    taken_by_another_ = !prepared.ok();
    return prepared;
  }
  TRIREME_RETURN_IF_ERROR(Take(overwrite));
  absl::Status ready = Furnish();
  if (!ready.ok()) Abandon();
  return ready;
}

/// Makes the directory and locks it; again when its last owner removed it meanwhile.
absl::Status OutputDirectory::Take(bool overwrite) {
  absl::Status locked;
  for (int i = 0; i < kLockTriesMax; ++i) {
    made_ = MissingLevels();
    if (absl::Status made = files_.MakeDirectories(path_); !made.ok()) {
      RemoveMade(made_);
      return made;
    }
    locked = Lock();
    if (!absl::IsAborted(locked)) break;
  }
  if (locked.ok() && !overwrite) {
    TRIREME_ASSIGN_OR_RETURN(const auto entries, files_.List(path_));
    if (std::any_of(entries.begin(), entries.end(), [](auto& e) { return IsOutput(e.name); }))
      locked = absl::AlreadyExistsError(
          fmt::format("output {} exists: name another directory or give --overwrite", path_));
  }
  if (locked.ok()) return locked;
  taken_by_another_ = true;
  lock_.reset();
  return locked;
}

absl::Status OutputDirectory::Lock() {
  auto locked = files_.LockDirectory(path_);
  // A coordinator that was deposed while it was stopped may hold it still.
  const bool ours = owner_ && owner_->IsOfThisJob(files_, fmt::format("{}/{}", path_, kTemporary));
  if (absl::IsAlreadyExists(locked.status()) && ours) return absl::OkStatus();
  if (absl::IsAlreadyExists(locked.status()))
    return absl::AlreadyExistsError(
        fmt::format("output {}: another job is writing there ({}): wait for it, or name another "
                    "directory",
                    path_, std::string(locked.status().message())));
  if (!locked.ok()) return locked.status();
  lock_ = *std::move(locked);
  return absl::OkStatus();
}

absl::Status OutputDirectory::Furnish() {
  // A coordinator that died in the middle of this does it again, and finds what it has made.
  made_ = std::max(made_, ReadMade());
  const std::string temporary = fmt::format("{}/{}", path_, kTemporary);
  TRIREME_RETURN_IF_ERROR(RemoveOwned(temporary));
  TRIREME_RETURN_IF_ERROR(RemoveOwned(fmt::format("{}/{}", path_, kMoving)));
  TRIREME_RETURN_IF_ERROR(files_.MakeDirectories(temporary));
  TRIREME_RETURN_IF_ERROR(Claim(temporary));
  return WriteMade();
}

absl::Status OutputDirectory::CheckOwned(const std::string& folder) const {
  return owner_ ? owner_->Check(files_, folder) : absl::OkStatus();
}

absl::Status OutputDirectory::Claim(const std::string& folder) const {
  return owner_ ? owner_->Claim(files_, folder) : absl::OkStatus();
}

/// Of an earlier leader, or of nobody.
absl::Status OutputDirectory::RemoveOwned(const std::string& folder) {
  if (!files_.Stat(folder).ok()) return absl::OkStatus();
  if (owner_ && owner_->IsOfThisJob(files_, folder)) TRIREME_RETURN_IF_ERROR(Claim(folder));
  return files_.RemoveTree(folder);
}

std::uint32_t OutputDirectory::MissingLevels() const {
  std::uint32_t levels = 0;
  for (std::string at = path_; !at.empty() && absl::IsNotFound(files_.Stat(at).status());
       at = ParentOf(at))
    ++levels;
  return levels;
}

std::uint32_t OutputDirectory::ReadMade() const {
  const auto file = files_.Open(fmt::format("{}/{}/{}", path_, kTemporary, kMade));
  char text[16] = {};
  if (!file.ok() || !(*file)->ReadAt(0, text, sizeof text - 1).ok()) return 0;
  return static_cast<std::uint32_t>(std::strtoul(text, nullptr, 10));
}

absl::Status OutputDirectory::WriteMade() const {
  if (made_ == 0) return absl::OkStatus();
  TRIREME_ASSIGN_OR_RETURN(
      auto file,
      files_.Create(fmt::format("{}/{}/{}", path_, kTemporary, kMade), io::Durability::kProcess));
  TRIREME_RETURN_IF_ERROR(file->Append(fmt::format("{}\n", made_)));
  return file->Commit();
}

/// As far as they are empty.
void OutputDirectory::RemoveMade(std::uint32_t levels) {
  std::string at = path_;
  for (; levels > 0 && !at.empty(); --levels, at = ParentOf(at)) {
    const absl::Status removed = files_.RemoveEmptyDirectory(at);
    if (!removed.ok() && !absl::IsNotFound(removed)) return;
  }
}

std::string OutputDirectory::PartPath(bool map_only, std::uint32_t index, bool compressed) const {
  return fmt::format("{}/{}/{}", path_, kTemporary, PartName(map_only, index, compressed));
}

absl::Status OutputDirectory::Finish() {
  if (staged_ != nullptr) return staged_->Finish();
  const std::string temporary = fmt::format("{}/{}", path_, kTemporary);
  const std::string moving = fmt::format("{}/{}", path_, kMoving);
  // While `_temporary` exists the parts under the output's name are old ones; after its renaming
  // they are ours.
  if (files_.Stat(temporary).ok()) {
    TRIREME_RETURN_IF_ERROR(Claim(temporary));
    TRIREME_RETURN_IF_ERROR(RemoveOldParts());
    TRIREME_RETURN_IF_ERROR(CheckOwned(temporary));
    TRIREME_RETURN_IF_ERROR(files_.Rename(temporary, moving));
  }
  if (files_.Stat(moving).ok()) {
    TRIREME_RETURN_IF_ERROR(Claim(moving));
    TRIREME_RETURN_IF_ERROR(MoveParts());
    TRIREME_RETURN_IF_ERROR(CheckOwned(moving));
    TRIREME_RETURN_IF_ERROR(files_.RemoveTree(moving));
  }
  if (owner_) TRIREME_RETURN_IF_ERROR(owner_->CheckLeads());
  TRIREME_ASSIGN_OR_RETURN(auto success,
                           files_.Create(fmt::format("{}/{}", path_, kSuccess), durability_));
  TRIREME_RETURN_IF_ERROR(success->Commit());
  lock_.reset();
  return absl::OkStatus();
}

absl::Status OutputDirectory::RemoveOldParts() {
  TRIREME_ASSIGN_OR_RETURN(const auto entries, files_.List(path_));
  // `_SUCCESS` sorts before the parts, so a directory never has it without all of them.
  for (const io::DirectoryEntry& entry : entries) {
    if (!IsOutput(entry.name)) continue;
    TRIREME_RETURN_IF_ERROR(CheckOwned(fmt::format("{}/{}", path_, kTemporary)));
    TRIREME_RETURN_IF_ERROR(files_.RemoveTree(fmt::format("{}/{}", path_, entry.name)));
  }
  return absl::OkStatus();
}

absl::Status OutputDirectory::MoveParts() {
  const std::string moving = fmt::format("{}/{}", path_, kMoving);
  TRIREME_ASSIGN_OR_RETURN(const auto entries, files_.List(moving));
  for (const io::DirectoryEntry& entry : entries) {
    if (!IsOutput(entry.name)) continue;  // what a killed attempt left half-written
    TRIREME_RETURN_IF_ERROR(CheckOwned(moving));
    TRIREME_RETURN_IF_ERROR(files_.Rename(fmt::format("{}/{}", moving, entry.name),
                                          fmt::format("{}/{}", path_, entry.name)));
  }
  return absl::OkStatus();
}

void OutputDirectory::Abandon() {
  if (taken_by_another_) return;
  if (staged_ != nullptr) return staged_->Abandon();
  for (const std::string_view name : {kTemporary, kMoving}) {
    const std::string folder = fmt::format("{}/{}", path_, name);
    if (files_.Stat(folder).ok() && !Claim(folder).ok()) return;
  }
  made_ = std::max(made_, ReadMade());
  (void)files_.RemoveTree(fmt::format("{}/{}", path_, kTemporary));
  (void)files_.RemoveTree(fmt::format("{}/{}", path_, kMoving));
  RemoveMade(made_);
  lock_.reset();
}

}  // namespace trireme::mapreduce
