#include "cli/progress_bar.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "cli/say.h"
#include "cli/sizes.h"
#include "fmt/format.h"

namespace trireme::cli {
namespace {

constexpr int kBarCells = 24;

std::string Bar(double share) {
  static constexpr const char* kEighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const int eighths = static_cast<int>(std::clamp(share, 0.0, 1.0) * kBarCells * 8);
  std::string bar;
  for (int i = 0; i < eighths / 8; ++i) bar += "█";
  bar += kEighths[eighths % 8];
  const int cells = eighths / 8 + (eighths % 8 != 0);
  return bar + std::string(static_cast<std::size_t>(kBarCells - cells), ' ');
}

/// The share of the whole work, maps and reduces counted alike.
double ShareOf(const mapreduce::JobProgress& progress) {
  if (progress.reduces == 0) return progress.maps_share;
  return (progress.maps_share + progress.reduces_share) / 2;
}

std::size_t TerminalColumns() {
  winsize size = {};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

}  // namespace

ProgressBar::ProgressBar(bool enabled)
    : enabled_(enabled),
      terminal_(::isatty(STDERR_FILENO) == 1),
      next_ms_(terminal_ ? 0 : kPlainLineMs) {}

void ProgressBar::Show(const mapreduce::JobProgress& progress) {
  if (!enabled_ || progress.elapsed_ms < next_ms_) return;
  next_ms_ = progress.elapsed_ms + (terminal_ ? kRewriteMs : kPlainLineMs);
  const std::string line = Line(progress);
  if (!terminal_) {
    Say(stderr, "{}\n", line);
    return;
  }
  const std::size_t columns = TerminalColumns();
  const std::string bar = columns >= 110 ? "|" + Bar(ShareOf(progress)) + "| " : "";
  Say(stderr, "\r\033[K{}{}", bar, line.substr(0, columns > 0 ? columns - 1 : 0));
  std::fflush(stderr);
  shown_ = true;
}

std::string ProgressBar::Line(const mapreduce::JobProgress& progress) const {
  const double seconds = static_cast<double>(std::max<std::int64_t>(progress.elapsed_ms, 1)) / 1000;
  const double rate = static_cast<double>(progress.input_bytes_done) / seconds;
  const double share = ShareOf(progress);
  std::string line = fmt::format(
      "{:3.0f}%  maps {}/{}  reduces {}/{}  {} of {}  {}/s", share * 100, progress.maps_done,
      progress.maps, progress.reduces_done, progress.reduces, ShowBytes(progress.input_bytes_done),
      ShowBytes(progress.input_bytes), ShowBytes(static_cast<std::uint64_t>(rate)));
  if (share > 0.02 && share < 1) {
    const double left = seconds * (1 - share) / share;
    line += fmt::format("  {} left", ShowSeconds(static_cast<std::int64_t>(left * 1000)));
  }
  return line;
}

void ProgressBar::Clear() {
  if (!shown_) return;
  Say(stderr, "\r\033[K");
  std::fflush(stderr);
  shown_ = false;
}

}  // namespace trireme::cli
