#pragma once

#include <string>
#include <vector>

/// `trireme completion SHELL`: scripts for shells, made from the table of commands.
namespace trireme::cli {

std::string BashCompletion();
std::string ZshCompletion();
std::string FishCompletion();

/// Returns the exit status.
int RunCompletion(const std::vector<std::string>& arguments);

/// `text` as one word of a Bourne shell.
std::string ShellQuoted(std::string_view text);

}  // namespace trireme::cli
