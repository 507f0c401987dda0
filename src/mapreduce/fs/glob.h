#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "io/file_system.h"

namespace trireme::mapreduce {

/// Limits of one expansion; what exceeds them is refused by an error that names the argument.
inline constexpr std::size_t kInputFilesMax = 4'000'000;
inline constexpr std::size_t kDirectoryDepthMax = 128;

/// The files that a user's `--input` arguments name, sorted bytewise by path, each once.
///
/// An argument is a path that exists (taken literally, whatever characters it has) or a pattern of
/// glob::MatchName's wildcards per path component, `{a,b}`, and `**` for any number of directories.
/// A directory stands for all files below it. As in Hadoop, names that begin with '.' or '_' are
/// passed over unless the argument spells out that first character. Links are followed; one that
/// leads back to a directory it lies in is passed over. Repeated slashes and "./" are taken out of
/// the paths. Of `s3://BUCKET/...` one listing of what comes before the first wildcard tells names
/// and sizes; none of the objects is opened.
///
/// INVALID_ARGUMENT or NOT_FOUND with one line for the user when an argument matches nothing (an
/// empty directory does match), a file cannot be opened, or what was found is a link that leads
/// nowhere, a pipe, a socket or a device: to leave it out in silence would be to lose input.
absl::StatusOr<std::vector<io::FileInfo>> ExpandInputs(io::FileSystem& files,
                                                       const std::vector<std::string>& arguments);

}  // namespace trireme::mapreduce
