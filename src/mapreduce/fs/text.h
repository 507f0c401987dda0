#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Words and numbers out of text that came from elsewhere.
namespace trireme::mapreduce {

/// Without blanks, tabs and line ends at either end.
std::string_view Trimmed(std::string_view text);
/// With A-Z as a-z, whatever the locale.
std::string Lowered(std::string_view text);
/// The pieces between the separators: one more than there are separators.
std::vector<std::string_view> Split(std::string_view text, char separator);
/// A whole decimal number and nothing else.
std::optional<std::uint64_t> ParseNumber64(std::string_view text);

}  // namespace trireme::mapreduce
