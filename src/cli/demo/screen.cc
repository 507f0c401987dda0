#include "cli/demo/screen.h"

#include <unistd.h>

#include <algorithm>

#include "cli/say.h"
#include "fmt/format.h"

namespace trireme::demo {
namespace {

namespace v1 = mapreduce::v1;

constexpr int kBarColumns = 24;

std::string Bar(double share) {
  const int full = std::clamp(static_cast<int>(share * kBarColumns), 0, kBarColumns);
  return std::string(static_cast<std::size_t>(full), '#') +
         std::string(static_cast<std::size_t>(kBarColumns - full), '.');
}

std::string Role(const Actor& actor, bool known, bool leads, const char* otherwise) {
  if (!actor.running()) return "DOWN";
  return !known ? "?" : leads ? "leads" : otherwise;
}

std::string TaskOf(const Actor& actor, const Sight& sight) {
  const v1::WorkerStatus* worker = sight.Worker(actor.pid());
  if (!actor.running()) return "DOWN";
  if (worker == nullptr) return "?";
  for (const v1::JobStatus& job : sight.jobs) {
    for (const v1::RunningAttempt& running : job.running()) {
      if (running.worker() != worker->worker().id()) continue;
      const v1::TaskRef& task = running.attempt().task();
      return fmt::format("{} {} of {}", task.reduce() ? "reduce" : "map", task.index(),
                         cli::OneLine(job.name()));
    }
  }
  return worker->alive() ? "idle" : "lost";
}

std::string JobLine(const v1::JobStatus& job) {
  const double total = job.maps().total() + job.reduces().total();
  const double done = job.maps().succeeded() + job.reduces().succeeded();
  return fmt::format("  {:<12} [{}] maps {:>3}/{}, reduces {}/{}", cli::OneLine(job.name()),
                     Bar(total > 0 ? done / total : 0), job.maps().succeeded(), job.maps().total(),
                     job.reduces().succeeded(), job.reduces().total());
}

/// Actors of one kind side by side.
template <class Describe>
std::string Row(const char* title, std::deque<Actor>& actors, Describe describe) {
  std::string row = fmt::format("  {:<12}", title);
  for (std::size_t i = 0; i < actors.size(); ++i) {
    row += fmt::format(" {:<28}", fmt::format("{}: {}", actors[i].name(), describe(i)));
  }
  return row;
}

}  // namespace

std::vector<std::string> Picture(Stage& stage, const Sight& sight, std::int64_t elapsed_ms) {
  std::vector<std::string> lines = {
      fmt::format("  {:.1f} s", static_cast<double>(elapsed_ms) / 1e3)};
  lines.push_back(Row("store", stage.members, [&](std::size_t i) {
    return Role(stage.members[i], sight.leading_member.has_value(), sight.leading_member == i,
                "follows");
  }));
  lines.push_back(Row("coordinators", stage.coordinators, [&](std::size_t i) {
    return Role(stage.coordinators[i], sight.leading_coordinator.has_value(),
                sight.leading_coordinator == i, "stands by");
  }));
  lines.push_back(Row("workers", stage.workers,
                      [&](std::size_t i) { return TaskOf(stage.workers[i], sight); }));
  for (const v1::JobStatus& job : sight.jobs) lines.push_back(JobLine(job));
  return lines;
}

Screen::Screen(std::FILE* to) : to_(to), terminal_(::isatty(::fileno(to)) == 1) {}

void Screen::Write(const std::string& text) {
  (void)!std::fwrite(text.data(), 1, text.size(), to_);
  std::fflush(to_);
}

void Screen::Title(const std::string& text) {
  Clear();
  Write(terminal_ ? fmt::format("\033[1m==> {}\033[0m\n", text) : fmt::format("==> {}\n", text));
}

void Screen::Line(const std::string& text) {
  Clear();
  Write("    " + text + "\n");
}

void Screen::Draw(Stage& stage, const Sight& sight, std::int64_t elapsed_ms) {
  const std::vector<std::string> lines = Picture(stage, sight, elapsed_ms);
  if (!terminal_) {
    if (elapsed_ms < next_plain_ms_) return;
    next_plain_ms_ = elapsed_ms + kPlainLineMs;
    for (std::size_t i = 0; i < sight.jobs.size(); ++i) {
      Write(fmt::format("{:>8.1f} s{}\n", static_cast<double>(elapsed_ms) / 1e3,
                        JobLine(sight.jobs[i])));
    }
    return;
  }
  std::string text = drawn_lines_ > 0 ? fmt::format("\033[{}A", drawn_lines_) : "";
  // \033[?7l: a picture wider than the terminal is cut, not wrapped, while it is drawn.
  text += "\033[?7l";
  for (const std::string& line : lines) text += "\033[2K" + line + "\n";
  for (std::size_t i = lines.size(); i < drawn_lines_; ++i) text += "\033[2K\n";
  text += "\033[?7h";
  drawn_lines_ = std::max(drawn_lines_, lines.size());
  Write(text);
}

void Screen::Clear() {
  if (drawn_lines_ > 0) Write(fmt::format("\033[{}A\033[J", drawn_lines_));
  drawn_lines_ = 0;
}

}  // namespace trireme::demo
