#include "mapreduce/cluster/output_owner.h"

#include <cinttypes>
#include <cstdio>

#include "base/status_macros.h"
#include "fmt/format.h"

namespace trireme::mapreduce {
namespace {

constexpr char kOwner[] = "_owner";
constexpr std::size_t kMarkBytesMax = 64;

std::string PathIn(const std::string& folder) {
  return fmt::format("{}/{}", folder, kOwner);
}

}  // namespace

/// Nothing: there is no mark, or not a whole one.
absl::StatusOr<std::optional<OutputOwner::Mark>> OutputOwner::Read(io::FileSystem& files,
                                                                   const std::string& folder) {
  const auto file = files.Open(PathIn(folder));
  if (absl::IsNotFound(file.status())) return std::nullopt;
  if (!file.ok()) return file.status();
  char text[kMarkBytesMax] = {};
  TRIREME_RETURN_IF_ERROR((*file)->ReadAt(0, text, sizeof text - 1).status());
  Mark mark;
  if (std::sscanf(text, "%" SCNx64 " %" SCNd64, &mark.job, &mark.fence) != 2) return std::nullopt;
  return mark;
}

bool OutputOwner::IsOfThisJob(io::FileSystem& files, const std::string& folder) const {
  const auto mark = Read(files, folder);
  return mark.ok() && mark->has_value() && (*mark)->job == job_;
}

absl::Status OutputOwner::Claim(io::FileSystem& files, const std::string& folder) const {
  TRIREME_RETURN_IF_ERROR(CheckLeads());
  TRIREME_ASSIGN_OR_RETURN(const std::optional<Mark> mark, Read(files, folder));
  if (mark && (mark->job != job_ || mark->fence > fence_)) {
    return absl::CancelledError(fmt::format("{} has another owner", folder));
  }
  TRIREME_ASSIGN_OR_RETURN(auto file, files.Create(PathIn(folder), io::Durability::kProcess));
  TRIREME_RETURN_IF_ERROR(file->Append(fmt::format("{:016x} {}\n", job_, fence_)));
  return file->Commit();
}

absl::Status OutputOwner::Check(io::FileSystem& files, const std::string& folder) const {
  TRIREME_RETURN_IF_ERROR(CheckLeads());
  TRIREME_ASSIGN_OR_RETURN(const std::optional<Mark> mark, Read(files, folder));
  if (mark && mark->job == job_ && mark->fence == fence_) return absl::OkStatus();
  return absl::CancelledError(fmt::format("{} has another owner", folder));
}

absl::Status OutputOwner::CheckLeads() const {
  if (leads_()) return absl::OkStatus();
  return absl::CancelledError("this coordinator does not lead any more");
}

}  // namespace trireme::mapreduce
