// Three replicas on loopback beside the floors: what three processes write without any network,
// and what a frame takes there and back.
//
//   bench_raft [--quick] [--rounds N] [--seconds S] [--only throughput|elections|groups|behind]
//              [--row BYTES/IN_FLIGHT] [DIRECTORY]
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>

#include "fmt/format.h"
#include "io/log.h"
#include "raftbench/cluster.h"
#include "raftbench/common.h"
#include "raftbench/floor.h"

namespace trireme::raft::bench {
namespace {

struct Options {
  std::string directory = "/var/tmp";
  std::string only;  ///< A part's name.
  std::string row;   ///< Of the throughput: BYTES/IN_FLIGHT.
  int rounds = 3;
  double seconds = 0.8;  // of one measurement
  int elections = 5;
  std::uint64_t groups = 1000;
  double idle_seconds = 3;
  std::uint64_t behind = 1'000'000;
};

constexpr Options kQuick{.rounds = 1,
                         .seconds = 0.05,
                         .elections = 1,
                         .groups = 20,
                         .idle_seconds = 0.3,
                         .behind = 20'000};

long Cores() {
  return ::sysconf(_SC_NPROCESSORS_ONLN);
}

/// Names of what is measured to the values of each round.
class Table {
 public:
  void Add(const std::string& name, double value) { values_[name].push_back(value); }
  double Median(const std::string& name) { return Quantile(values_[name], 0.5); }

 private:
  std::map<std::string, std::vector<double>> values_;
};

/// Until the log goes round in files that were written before, as the floor's are, whatever the
/// time that takes: four segments, between them the first snapshot and the files that it frees.
void WarmUp(Cluster& cluster) {
  constexpr std::size_t kEntryBytes = 4096;
  constexpr std::uint64_t kLogBytes = 4 * (64u << 20);
  constexpr double kSecondsMax = 10;
  cluster.Run(kEntryBytes, 1000, kSecondsMax, kLogBytes / kEntryBytes);
}

void MeasureCluster(Cluster& cluster, std::size_t bytes, std::uint64_t in_flight, double seconds,
                    Table& table) {
  WarmUp(cluster);
  cluster.Run(bytes, in_flight, seconds / 2);
  const Usage before = cluster.Used();
  const LoadResult load = cluster.Run(bytes, in_flight, seconds);
  const Usage after = cluster.Used();
  Must(load.failed == 0, fmt::format("{} of {} proposals failed", load.failed, load.entries));
  const auto entries = static_cast<double>(load.entries);
  const auto syncs = static_cast<double>(after.syncs - before.syncs);
  table.Add("rate", load.entries_per_second);
  table.Add("p50", load.p50_ms);
  table.Add("p99", load.p99_ms);
  table.Add("p999", load.p999_ms);
  table.Add("syncs", syncs * load.entries_per_second / entries);
  table.Add("per_sync",
            syncs == 0 ? 0 : static_cast<double>(after.written - before.written) / syncs);
  table.Add("cpu", (after.cpu_seconds - before.cpu_seconds) * 1e6 / entries);
  table.Add("copied", static_cast<double>(after.copied_bytes - before.copied_bytes) / entries);
  const double all = entries / load.entries_per_second * static_cast<double>(Cores()) / 100;
  table.Add("processes", (after.cpu_seconds - before.cpu_seconds) / all);
  table.Add("busy", (after.machine_seconds - before.machine_seconds) / all);
}

/// Rows of one log mode: by size and number in flight.
struct Rows {
  std::map<std::pair<std::size_t, std::uint64_t>, Table> tables;
};

void PrintHead(const char* title) {
  fmt::print("\n{}\n{:>6} {:>6} {:>10} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>6} {:>6}\n",
             title, "bytes", "flight", "entries/s", "p50 ms", "p99 ms", "p99.9", "syncs/s",
             "per sync", "cpu s/M", "copied B", "cpu %", "busy %");
}

void PrintRow(std::size_t bytes, std::uint64_t in_flight, Table& table) {
  fmt::print(
      "{:>6} {:>6} {:>10.0f} {:>8.3f} {:>8.3f} {:>8.3f} {:>8.0f} {:>8.1f} {:>8.2f} {:>8.0f} "
      "{:>6.0f} {:>6.0f}\n",
      bytes, in_flight, table.Median("rate"), table.Median("p50"), table.Median("p99"),
      table.Median("p999"), table.Median("syncs"), table.Median("per_sync"), table.Median("cpu"),
      table.Median("copied"), table.Median("processes"), table.Median("busy"));
}

constexpr std::size_t kSizes[] = {256, 4096};
constexpr std::uint64_t kInFlight[] = {1, 10, 100, 1000};

void PrintFloors(Rows& floors) {
  fmt::print("\nthe floors: three processes that write and fdatasync, and the transport alone\n");
  fmt::print("{:>6} {:>6} {:>10} {:>8} {:>12} {:>13}\n", "bytes", "batch", "entries/s", "syncs/s",
             "2nd of 3 ms", "round trip ms");
  for (auto& [key, table] : floors.tables) {
    fmt::print("{:>6} {:>6} {:>10.0f} {:>8.0f} {:>12.3f} {:>13.3f}\n", key.first, key.second,
               table.Median("rate"), table.Median("syncs"), table.Median("second"),
               table.Median("trip"));
  }
}

void Verdict(std::string_view what, double measured, std::string_view relation, double target) {
  const bool met = relation == "<=" ? measured <= target : measured >= target;
  fmt::print("  {}: {:.2f}, target {} {:.2f}: {}\n", what, measured, relation, target,
             met ? "met" : "MISSED");
}

/// At least so much of what the floor writes, or all processor time spent on it: by the processes
/// themselves, as what others do on the machine excuses nothing.
void FloorVerdict(std::size_t bytes, Table& many, Table& floor) {
  constexpr double kShareMin = 0.8;
  constexpr double kCpuPercentMin = 95;
  const double share = many.Median("rate") / floor.Median("rate");
  const double cpu = many.Median("processes");
  const bool cpu_bound = cpu >= kCpuPercentMin;
  fmt::print(
      "  {} bytes, 1,000 in flight: entries/s / the floor's: {:.2f}, target >= {:.2f} or "
      "CPU-bound; "
      "{}CPU-bound: the processes kept {:.0f} % of {} cores busy, all of the machine {:.0f} %: "
      "{}\n",
      bytes, share, kShareMin, cpu_bound ? "" : "not ", cpu, Cores(), many.Median("busy"),
      cpu_bound || share >= kShareMin ? "met" : "MISSED");
}

void PrintTargets(Rows& floors, Rows& durable, Rows& memory) {
  fmt::print("\ntargets\n");
  for (const std::size_t bytes : kSizes) {
    Table& floor = floors.tables[{bytes, 1}];
    Table& one = durable.tables[{bytes, 1}];
    Verdict(fmt::format("{} bytes, 1 in flight: p50 / (2nd of 3 syncs + round trip)", bytes),
            one.Median("p50") / (floor.Median("second") + floor.Median("trip")), "<=", 1.3);
    FloorVerdict(bytes, durable.tables[{bytes, 1000}], floors.tables[{bytes, 1000}]);
  }
  Verdict("memory log, 256 bytes, 1,000 in flight: thousand entries/s",
          memory.tables[{256, 1000}].Median("rate") / 1000, ">=", 500);
}

void Throughput(const Options& options) {
  Rows floors;
  Rows durable;
  Rows memory;
  std::filesystem::create_directories(options.directory);
  Cluster on_disk({.directory = options.directory});
  Cluster in_memory({});
  for (int round = 0; round < options.rounds; ++round) {
    for (const std::size_t bytes : kSizes) {
      for (const std::uint64_t in_flight : kInFlight) {
        if (!options.row.empty() && options.row != fmt::format("{}/{}", bytes, in_flight)) continue;
        const auto key = std::pair(bytes, in_flight);
        const DiskFloor floor =
            MeasureDiskFloor(options.directory, in_flight, bytes, options.seconds);
        floors.tables[key].Add("second", floor.second_of_three_ms);
        floors.tables[key].Add("rate", floor.entries_per_second);
        floors.tables[key].Add("syncs", floor.syncs_per_second);
        floors.tables[key].Add("trip", MeasureRoundTrip(bytes, options.seconds / 4));
        MeasureCluster(on_disk, bytes, in_flight, options.seconds, durable.tables[key]);
        MeasureCluster(in_memory, bytes, in_flight, options.seconds, memory.tables[key]);
      }
    }
  }
  PrintFloors(floors);
  PrintHead("three replicas, logs on disk");
  for (auto& [key, table] : durable.tables) PrintRow(key.first, key.second, table);
  PrintHead("three replicas, logs in memory");
  for (auto& [key, table] : memory.tables) PrintRow(key.first, key.second, table);
  if (options.row.empty()) PrintTargets(floors, durable, memory);
}

/// From the kill to the moment another one leads.
void Elections(const Options& options) {
  std::vector<double> times_ms;
  for (int i = 0; i < options.elections; ++i) {
    Cluster cluster({});
    cluster.Run(256, 10, 0.1);
    const auto killed = Clock::now();
    cluster.Kill(0);
    while (!cluster.SomebodyLeads()) ::usleep(1000);
    times_ms.push_back(SecondsSince(killed) * 1000);
  }
  constexpr double kElectionTimeoutMs = 500;  // HostOptions::tick times Config::election_ticks
  fmt::print("\nelection after a killed leader, {} times\n", options.elections);
  Verdict("median / election timeout of 500 ms", Quantile(times_ms, 0.5) / kElectionTimeoutMs,
          "<=", 2);
}

void IdleGroups(const Options& options) {
  Cluster cluster({.groups = options.groups});
  ::usleep(500'000);
  double before[Cluster::kNodes];
  for (int i = 0; i < Cluster::kNodes; ++i) before[i] = CpuSeconds(cluster.process(i));
  const auto from = Clock::now();
  ::usleep(static_cast<::useconds_t>(options.idle_seconds * 1e6));
  double busiest = 0;
  double largest = 0;
  for (int i = 0; i < Cluster::kNodes; ++i) {
    busiest = std::max(busiest, CpuSeconds(cluster.process(i)) - before[i]);
    largest = std::max(largest, ResidentMegabytes(cluster.process(i)));
  }
  fmt::print("\n{} idle groups in each of three processes\n", options.groups);
  Verdict("resident MB of the largest", largest, "<=", 200);
  Verdict("% of a core, of the busiest", busiest / SecondsSince(from) * 100, "<=", 5);
}

void FarBehind(const Options& options) {
  Cluster cluster({});
  cluster.Run(256, 100, 0.1);
  const double leader_before = ResidentMegabytes(cluster.process(0));
  ::kill(cluster.process(2), SIGSTOP);
  const LoadResult load = cluster.Run(256, 1000, 60, options.behind);
  const double leader_after = ResidentMegabytes(cluster.process(0));
  const std::uint64_t last = cluster.Applied(0);
  ::kill(cluster.process(2), SIGCONT);
  const auto from = Clock::now();
  double leader_peak = leader_after;
  double follower_peak = 0;
  while (cluster.Applied(2) < last && SecondsSince(from) < 60) {
    leader_peak = std::max(leader_peak, ResidentMegabytes(cluster.process(0)));
    follower_peak = std::max(follower_peak, ResidentMegabytes(cluster.process(2)));
    ::usleep(1000);
  }
  fmt::print(
      "\na follower that slept through {} entries of 256 bytes ({:.0f}/s without it)\n"
      "  the leader's resident MB: {:.0f} before, {:.0f} at its wake-up, {:.0f} at most; the "
      "follower's: {:.0f} at most\n  caught up after {:.2f} s\n",
      load.entries, load.entries_per_second, leader_before, leader_after, leader_peak,
      follower_peak, SecondsSince(from));
  Must(cluster.Applied(2) >= last, "the follower did not catch up within a minute");
}

int Main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);
  Must(io::SetLogLevel("error"));  // That a node is not up yet is no news here.
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--quick") {
      const std::string directory = options.directory;
      options = kQuick;
      options.directory = directory;
    } else if (argument == "--rounds" && i + 1 < argc) {
      options.rounds = std::max(1, std::atoi(argv[++i]));
    } else if (argument == "--seconds" && i + 1 < argc) {
      options.seconds = std::max(0.05, std::atof(argv[++i]));
    } else if (argument == "--only" && i + 1 < argc) {
      options.only = argv[++i];
    } else if (argument == "--row" && i + 1 < argc) {
      options.row = argv[++i];
    } else if (argument.starts_with("-")) {
      fmt::print(stderr,
                 "usage: bench_raft [--quick] [--rounds N] [--seconds S] [--only PART] "
                 "[--row BYTES/IN_FLIGHT] [DIRECTORY]\n");
      return 2;
    } else {
      options.directory = argument;
    }
  }
  options.directory = fmt::format("{}/trireme-bench-raft-{}", options.directory, ::getpid());
  fmt::print("on the disk of {}; medians of {} rounds\n", options.directory, options.rounds);
  const auto wanted = [&](std::string_view part) {
    return options.only.empty() || options.only == part;
  };
  if (wanted("throughput")) Throughput(options);
  std::filesystem::remove_all(options.directory);
  if (wanted("elections")) Elections(options);
  if (wanted("groups")) IdleGroups(options);
  if (wanted("behind")) FarBehind(options);
  return 0;
}

}  // namespace
}  // namespace trireme::raft::bench

int main(int argc, char** argv) {
  return trireme::raft::bench::Main(argc, argv);
}
