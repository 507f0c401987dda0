#include "cli/progress_bar.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "cli/say.h"
#include "cli/sizes.h"
#include "fmt/format.h"

namespace trireme::cli {
namespace {

constexpr int kBarCellsMax = 24, kBarCellsMin = 6;

/// A bar of so many columns.
std::string Bar(double share, int cells) {
  static constexpr const char* kEighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const int eighths = static_cast<int>(std::clamp(share, 0.0, 1.0) * cells * 8);
  std::string bar;
  for (int i = 0; i < eighths / 8; ++i) bar += "█";
  bar += kEighths[eighths % 8];
  const int used = eighths / 8 + (eighths % 8 != 0);
  return bar + std::string(static_cast<std::size_t>(cells - used), ' ');
}

/// The share of the whole work. A reduce's byte is taken to cost as much as a map's, and the map
/// outputs to come to be like those that are there.
double ShareOf(const mapreduce::JobProgress& progress) {
  if (progress.reduces == 0) return progress.maps_share;
  double reduces = 1;
  if (progress.maps_done > 0 && progress.input_bytes_done > 0)
    reduces = std::clamp(static_cast<double>(progress.map_output_bytes) /
                             static_cast<double>(progress.input_bytes_done),
                         0.05, 4.0);
  return (progress.maps_share + reduces * progress.reduces_share) / (1 + reduces);
}

bool IsTerminal() {
  const char* kind = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) == 1 && (kind == nullptr || std::string_view(kind) != "dumb");
}

/// Of a line that is not for a terminal.
constexpr std::size_t kPlainColumns = 200;

/// A part of the line, and how soon it goes when there is no room.
struct Part {
  int rank;
  std::string text;
};

std::string Joined(const std::vector<Part>& parts) {
  std::string line;
  for (const Part& part : parts) line += (line.empty() ? "" : "  ") + part.text;
  return line;
}

std::size_t TerminalColumns() {
  winsize size = {};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

}  // namespace

ProgressBar::ProgressBar(bool enabled)
    : enabled_(enabled), terminal_(IsTerminal()), next_ms_(terminal_ ? 0 : kPlainLineMs) {}

void ProgressBar::Show(const mapreduce::JobProgress& progress) {
  if (!enabled_ || progress.elapsed_ms < next_ms_) return;
  next_ms_ = progress.elapsed_ms + (terminal_ ? kRewriteMs : kPlainLineMs);
  Measure(progress);
  if (!terminal_) {
    Say(stderr, "{}\n", Line(progress, kPlainColumns));
    return;
  }
  // One column stays free: writing to the last one makes some terminals begin a new line.
  const std::size_t columns = std::max<std::size_t>(TerminalColumns(), 2) - 1;
  const std::string line = Line(progress, columns);
  const auto left = static_cast<int>(columns) - static_cast<int>(line.size()) - 3;
  const std::string bar =
      left < kBarCellsMin ? "" : "|" + Bar(share_, std::min(left, kBarCellsMax)) + "| ";
  Say(stderr, "\r\033[K{}{}", bar, line);
  std::fflush(stderr);
  shown_ = true;
}

void ProgressBar::Measure(const mapreduce::JobProgress& progress) {
  share_ = std::clamp(ShareOf(progress), share_, 1.0);
}

std::string ProgressBar::Line(const mapreduce::JobProgress& progress, std::size_t columns) const {
  const double seconds = static_cast<double>(std::max<std::int64_t>(progress.elapsed_ms, 1)) / 1000;
  const double rate = static_cast<double>(progress.input_bytes_done) / seconds;
  std::vector<Part> parts = {
      {0, fmt::format("{:3.0f}%", share_ * 100)},
      {2, fmt::format("maps {}/{}", progress.maps_done, progress.maps)},
      {3, fmt::format("reduces {}/{}", progress.reduces_done, progress.reduces)},
      {5, fmt::format("{} of {}", ShowBytes(progress.input_bytes_done),
                      ShowBytes(progress.input_bytes))},
      {4, fmt::format("{}/s", ShowBytes(static_cast<std::uint64_t>(rate)))}};
  if (share_ > 0.02 && share_ < 1) {
    const double left = seconds * (1 - share_) / share_;
    parts.push_back(
        {1, fmt::format("{} left", ShowSeconds(static_cast<std::int64_t>(left * 1000)))});
  }
  while (parts.size() > 1 && Joined(parts).size() > columns) {
    parts.erase(std::max_element(parts.begin(), parts.end(),
                                 [](const Part& a, const Part& b) { return a.rank < b.rank; }));
  }
  return Joined(parts).substr(0, columns);
}

void ProgressBar::Clear() {
  if (!shown_) return;
  Say(stderr, "\r\033[K");
  std::fflush(stderr);
  shown_ = false;
}

}  // namespace trireme::cli
