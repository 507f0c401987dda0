/// The parts of `./dev bench hull` that must not cost what a script costs.
///
///   bench_hull idle COORDINATOR OUTPUT [WORKERS [MAPS]]
///   bench_hull shuffle DIRECTORY [MIB [ROUNDS]]
///
/// Each prints one line of JSON.

#include <cstdio>
#include <cstdlib>
#include <string>

#include "fmt/format.h"
#include "hullbench/idle.h"
#include "hullbench/shuffle.h"
#include "io/process.h"

namespace {

using trireme::bench::IdleOptions;

int Idle(int argc, char** argv) {
  IdleOptions options;
  options.coordinator = argv[2];
  options.output = argv[3];
  if (argc > 4) options.workers = static_cast<std::uint32_t>(std::atoi(argv[4]));
  if (argc > 5) options.maps = static_cast<std::uint32_t>(std::atoi(argv[5]));
  trireme::io::RaiseFileLimit();
  const auto result = trireme::bench::RunIdle(options);
  if (!result.ok()) {
    fmt::print(stderr, "bench_hull: {}\n", std::string(result.status().message()));
    return 1;
  }
  fmt::print("{{\"attach_s\": {}, \"job_s\": {}, \"tasks\": {}}}\n", result->attach_s,
             result->job_s, options.maps + options.reduces);
  return 0;
}

int Shuffle(int argc, char** argv) {
  const std::uint64_t mib = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 512;
  const int rounds = argc > 4 ? std::atoi(argv[4]) : 3;
  const auto result = trireme::bench::RunShuffle(argv[2], mib << 20, 16, rounds);
  if (!result.ok()) {
    fmt::print(stderr, "bench_hull: {}\n", std::string(result.status().message()));
    return 1;
  }
  fmt::print("{{\"fetch_bytes_per_s\": {}, \"ceiling_bytes_per_s\": {}}}\n",
             result->fetch_bytes_per_s, result->ceiling_bytes_per_s);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  if (what == "idle" && argc >= 4) return Idle(argc, argv);
  if (what == "shuffle" && argc >= 3) return Shuffle(argc, argv);
  fmt::print(stderr,
             "usage: bench_hull idle COORDINATOR OUTPUT [WORKERS [MAPS]] | shuffle "
             "DIRECTORY [MIB [ROUNDS]]\n");
  return 2;
}
