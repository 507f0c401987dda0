#include "io/metrics_page.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "fmt/format.h"

namespace trireme::io {
namespace {

void AppendEscaped(std::string& to, std::string_view value) {
  for (const char c : value) {
    if (c == '\n') {
      to += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') to += '\\';
    to += c;
  }
}

double CpuSeconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

struct Memory {
  double whole_bytes = 0, resident_bytes = 0;
};

Memory MemoryOfThisProcess() {
  std::ifstream statm("/proc/self/statm");
  Memory memory;
  statm >> memory.whole_bytes >> memory.resident_bytes;
  const auto page = static_cast<double>(::sysconf(_SC_PAGESIZE));
  return {memory.whole_bytes * page, memory.resident_bytes * page};
}

std::int64_t OpenDescriptors() {
  std::error_code error;
  const std::filesystem::directory_iterator at("/proc/self/fd", error);
  return error ? 0 : std::distance(begin(at), end(at));
}

double DescriptorsMax() {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  return static_cast<double>(files.rlim_cur);
}

/// When the machine booted, in seconds since 1970.
double BootTime() {
  std::ifstream stat("/proc/stat");
  double seconds = 0;
  for (std::string word; stat >> word;) {
    if (word == "btime" && stat >> seconds) break;
  }
  return seconds;
}

/// When this process began, in ticks since the boot: field 22 of its stat, counted behind the name,
/// which may hold blanks and brackets.
double StartTicks() {
  std::ifstream stat("/proc/self/stat");
  const std::string text{std::istreambuf_iterator<char>(stat), {}};
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string field;
  for (int i = 3; i <= 22; ++i) fields >> field;
  return std::strtod(field.c_str(), nullptr);
}

double StartTime() {
  static const double start =
      BootTime() + StartTicks() / static_cast<double>(::sysconf(_SC_CLK_TCK));
  return start;
}

}  // namespace

void MetricsPage::Family(std::string_view name, std::string_view type, std::string_view help) {
  family_ = name;
  fmt::format_to(std::back_inserter(text_), "# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
}

void MetricsPage::Sample(std::initializer_list<Label> labels, double value) {
  text_ += family_;
  char before = '{';
  for (const auto& [name, text] : labels) {
    fmt::format_to(std::back_inserter(text_), "{}{}=\"", std::exchange(before, ','), name);
    AppendEscaped(text_, text);
    text_ += '"';
  }
  fmt::format_to(std::back_inserter(text_), "{} {}\n", before == '{' ? "" : "}", value);
}

void MetricsPage::Counter(std::string_view name, std::string_view help, double value) {
  Family(name, "counter", help);
  Sample({}, value);
}

void MetricsPage::Gauge(std::string_view name, std::string_view help, double value) {
  Family(name, "gauge", help);
  Sample({}, value);
}

void MetricsPage::Durations(std::string_view name, std::string_view help,
                            const DurationHistogram& durations) {
  durations.AppendTo(text_, name, help);
}

void MetricsPage::Process() {
  const Memory memory = MemoryOfThisProcess();
  Counter("process_cpu_seconds_total", "CPU time of this process, user and system.", CpuSeconds());
  Gauge("process_resident_memory_bytes", "Resident memory.", memory.resident_bytes);
  Gauge("process_virtual_memory_bytes", "Address space.", memory.whole_bytes);
  Gauge("process_open_fds", "Open file descriptors.", static_cast<double>(OpenDescriptors()));
  Gauge("process_max_fds", "File descriptors that may be open.", DescriptorsMax());
  Gauge("process_start_time_seconds", "When this process began, since 1970.", StartTime());
}

}  // namespace trireme::io
