#include "raftbench/common.h"

#include <errno.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "fmt/format.h"

namespace trireme::raft::bench {

double SecondsSince(Clock::time_point from) {
  return std::chrono::duration<double>(Clock::now() - from).count();
}

void Must(bool holds, std::string_view otherwise) {
  if (holds) return;
  fmt::print(stderr, "{}: {}\n", ::program_invocation_short_name, otherwise);
  std::_Exit(1);
}

void Must(const absl::Status& status) {
  Must(status.ok(), status.ToString());
}

::pid_t Fork(const std::function<void()>& work) {
  std::fflush(nullptr);
  const ::pid_t child = ::fork();
  Must(child >= 0, "cannot fork");
  if (child != 0) return child;
  work();
  std::_Exit(0);
}

double Quantile(std::vector<double>& values, double part) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(part * static_cast<double>(values.size() - 1))];
}

double CpuSeconds(::pid_t process) {
  std::ifstream file(fmt::format("/proc/{}/stat", process));
  std::string text((std::istreambuf_iterator<char>(file)), {});
  std::istringstream fields(text.substr(std::min(text.size(), text.rfind(')') + 1)));
  std::string field;
  double ticks = 0;
  // After the name: state is the 3rd field of proc(5), utime the 14th, stime the 15th.
  for (int i = 3; i <= 15 && fields >> field; ++i) {
    if (i >= 14) ticks += std::atof(field.c_str());
  }
  return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

double MachineCpuSeconds() {
  std::ifstream file("/proc/stat");
  std::string name;
  double user = 0;
  double nice = 0;
  double system = 0;
  double idle = 0;
  double wait = 0;
  double interrupt = 0;
  double soft_interrupt = 0;
  file >> name >> user >> nice >> system >> idle >> wait >> interrupt >> soft_interrupt;
  return (user + nice + system + interrupt + soft_interrupt) /
         static_cast<double>(::sysconf(_SC_CLK_TCK));
}

double ResidentMegabytes(::pid_t process) {
  std::ifstream file(fmt::format("/proc/{}/statm", process));
  double pages = 0;
  file >> pages >> pages;
  return pages * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1e6;
}

}  // namespace trireme::raft::bench
