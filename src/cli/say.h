#pragma once

#include <cstdio>
#include <string>
#include <utility>

#include "fmt/format.h"

namespace trireme::cli {

/// Prints. Unlike fmt::print it never throws: a reader that has gone (`| head -1`, a full disk
/// under a log) must not take a job with it. FlushOutput tells what became of standard output.
template <typename... Args>
void Say(std::FILE* to, fmt::format_string<Args...> format, Args&&... args) {
  const std::string text = fmt::format(format, std::forward<Args>(args)...);
  (void)!std::fwrite(text.data(), 1, text.size(), to);
}

/// `text` without what would break a line or steer a terminal: names of files may have anything.
template <typename Text>
std::string OneLine(const Text& text) {
  std::string line(text.data(), text.size());
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = ' ';
  }
  return line;
}

/// At a command's end: what it printed is out, or `exit_status` (if it was 0) becomes 1 and a line
/// says so.
int FlushOutput(int exit_status);

}  // namespace trireme::cli
