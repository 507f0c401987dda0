#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "cli/demo/lookout.h"
#include "cli/demo/stage.h"

namespace trireme::demo {

/// Where there is no terminal, how often a line of progress is printed.
inline constexpr std::int64_t kPlainLineMs = 2'000;

/// What the audience sees: lines that stay and, on a terminal, a picture of the stage below them
/// that is drawn anew. One thread.
class Screen {
 public:
  explicit Screen(std::FILE* to);
  ~Screen() { Clear(); }

  void Title(const std::string& text);
  void Line(const std::string& text);
  void Draw(Stage& stage, const Sight& sight, std::int64_t elapsed_ms);
  void Clear();

 private:
  void Write(const std::string& text);

  std::FILE* const to_;
  const bool terminal_;
  std::size_t drawn_lines_ = 0;
  std::int64_t next_plain_ms_ = 0;
};

/// The picture, a line an element, without control characters.
std::vector<std::string> Picture(Stage& stage, const Sight& sight, std::int64_t elapsed_ms);

}  // namespace trireme::demo
