#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace trireme::cli {

/// A manual page in mdoc(7) from its hand-written part, in which a line that begins with `@` stands
/// for what the table of commands has:
///   @version             the line that names the program and its version
///   @command PATH        what a command does and takes
///   @commands PATH       the same of all commands below; those that have a line of their own and
///                        those below commands are left out
///   @flags PATH          its flags alone
/// INVALID_ARGUMENT for a line that is none of these, or a command that is not there.
[[nodiscard]] absl::StatusOr<std::string> ManPage(std::string_view hand_written);

/// `trireme help --man FILE`: prints the page. Returns the exit status.
int RunManPage(const std::string& file);

}  // namespace trireme::cli
