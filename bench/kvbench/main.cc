// The load generator of ./dev bench kv: one load on the servers of one cluster, and what it found
// as one line of JSON. The driver is bench/kv.
//
//   bench_kv_load LOAD --servers HOST:PORT,... [options]     see --help
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "CLI/CLI.hpp"
#include "fmt/format.h"
#include "kvbench/load.h"
#include "kvbench/probe.h"
#include "kvbench/stream_load.h"
#include "nlohmann/json.hpp"
#include "raftbench/common.h"
#include "raftbench/floor.h"

namespace trireme::kv::bench {
namespace {

using raft::bench::Must;

struct Options {
  std::string load;
  std::vector<std::string> servers;
  bool leader_only = false;
  int connections = 50;
  int threads = 1;
  int core = -1;
  std::uint64_t clients = 1;
  double seconds = 2;
  double warm_up = 0.3;
  double ready_timeout = 60;
  bool serializable = false;
  std::vector<::pid_t> processes;
  std::uint64_t leases = 10'000;
  std::string directory = "/var/tmp";
  WatchOptions watch;
  SourceOptions source;
};

using Json = nlohmann::ordered_json;

double OwnCpuMicroseconds() {
  return CpuMicroseconds({::getpid()});
}

void PinTo(int core) {
  if (core < 0) return;
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core, &cores);
  Must(::sched_setaffinity(0, sizeof cores, &cores) == 0, fmt::format("there is no core {}", core));
}

std::vector<rpc::Address> Addresses(const std::vector<std::string>& texts) {
  std::vector<rpc::Address> addresses;
  for (const std::string& text : texts) {
    auto address = rpc::ParseAddress(text);
    Must(address.status());
    addresses.push_back(*std::move(address));
  }
  Must(!addresses.empty(), "no --servers");
  return addresses;
}

std::vector<rpc::Address> Targets(const Options& options) {
  const std::vector<rpc::Address> all = Addresses(options.servers);
  if (!options.leader_only || all.size() == 1) return all;
  const auto leader = FindLeader(all);
  Must(leader.status());
  return {*leader};
}

Json Describe(const Recorder& records, Window window) {
  const Latencies latencies = LatenciesIn(records, window);
  const double seconds = std::chrono::duration<double>(window.to - window.from).count();
  return {{"seconds", seconds},
          {"requests", latencies.count},
          {"per_second", static_cast<double>(latencies.count) / seconds},
          {"p50_ms", latencies.p50_ms},
          {"p99_ms", latencies.p99_ms},
          {"p999_ms", latencies.p999_ms},
          {"max_ms", latencies.max_ms},
          {"pause_ms", LongestPauseMs(records, window)}};
}

void AddFailures(const Recorder& records, Json& result) {
  result["all_requests"] = records.samples().size();
  result["failures"] = records.failures();
  if (records.failures() > 0) result["first_failure"] = records.first_failure().ToString();
}

std::unique_ptr<Load> MakeLoad(const Options& options, Connections& connections) {
  if (options.load == "watch") {
    WatchOptions watch = options.watch;
    watch.clients = options.clients;
    watch.value_bytes = options.source.value_bytes;
    return MakeWatchLoad(connections, watch);
  }
  if (options.load == "lease") return MakeLeaseLoad(connections, options.leases, options.clients);
  const std::string kind = options.load == "compact" ? "put" : options.load;
  const MakeSource make_source = SourcesOf(kind, options.source, options.clients);
  Must(make_source != nullptr, fmt::format("there is no load '{}'; see --help", options.load));
  return MakeUnaryLoad(connections, options.clients, make_source);
}

struct Used {
  double servers = 0;
  double own = 0;
};

Used CpuNow(const Options& options) {
  return {CpuMicroseconds(options.processes), OwnCpuMicroseconds()};
}

Window WindowFromNow(const Options& options) {
  const auto after = [](Clock::time_point from, double seconds) {
    return from +
           std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  };
  const Clock::time_point from = after(Clock::now(), options.warm_up);
  return {from, after(from, options.seconds)};
}

/// A closed loop for some seconds.
Json RunTimed(const Options& options, Load& load) {
  const Window window = WindowFromNow(options);
  load.Begin(window);
  std::this_thread::sleep_until(window.from);
  const Used before = CpuNow(options);
  std::this_thread::sleep_until(window.to);
  const Used after = CpuNow(options);
  load.Finish();
  const Recorder records = load.Records();
  Json result = Describe(records, window);
  const double requests = std::max(1.0, result["requests"].get<double>());
  result["server_cpu_us"] = (after.servers - before.servers) / requests;
  result["own_cpu_us"] = (after.own - before.own) / requests;
  AddFailures(records, result);
  return result;
}

/// Until everything is written.
Json RunFill(Load& load) {
  const Clock::time_point from = Clock::now();
  load.Begin({});
  load.Finish();
  const Recorder records = load.Records();
  Json result = Describe(records, {from, Clock::now()});
  AddFailures(records, result);
  return result;
}

/// Puts go on while everything overwritten is discarded. What a server still does in the background
/// after its answer counts, for as long as was measured before.
Json RunCompaction(const Options& options, const rpc::Address& server, Load& load) {
  const Window before = WindowFromNow(options);
  load.Begin({});
  std::this_thread::sleep_until(before.to);
  const Clock::time_point from = Clock::now();
  const absl::Status compacted = CompactAll(server);
  const Clock::time_point done = Clock::now();
  std::this_thread::sleep_until(from + (before.to - before.from));
  const Window during = {from, Clock::now()};
  load.Stop();
  load.Finish();
  const Recorder records = load.Records();
  Must(compacted);
  Json result = {{"before", Describe(records, before)},
                 {"during", Describe(records, during)},
                 {"compaction_seconds", std::chrono::duration<double>(done - from).count()}};
  AddFailures(records, result);
  return result;
}

Json RunLoad(const Options& options) {
  const std::vector<rpc::Address> targets = Targets(options);
  Connections connections(targets, options.connections, options.threads);
  const std::unique_ptr<Load> load = MakeLoad(options, connections);
  Must(load->Prepare());
  if (options.load == "fill") return RunFill(*load);
  if (options.load == "compact") return RunCompaction(options, targets[0], *load);
  return RunTimed(options, *load);
}

Json RunFloor(const Options& options) {
  const raft::bench::DiskFloor disk = raft::bench::MeasureDiskFloor(
      options.directory, 1, options.source.value_bytes, options.seconds);
  const double members =
      raft::bench::MeasureRoundTrip(options.source.value_bytes, options.seconds / 4);
  const double client = MeasureClientRoundTrip(options.source.value_bytes, options.seconds / 4);
  return {{"second_of_three_ms", disk.second_of_three_ms},
          {"members_ms", members},
          {"client_ms", client},
          {"syncs_per_second", disk.syncs_per_second}};
}

Json RunReady(const Options& options) {
  const std::vector<rpc::Address> servers = Addresses(options.servers);
  const absl::Duration timeout = absl::Seconds(options.ready_timeout);
  Must(AwaitReady(servers, !options.serializable, timeout));
  return {{"ready", true}};
}

Json RunLeader(const Options& options) {
  const auto leader = FindLeader(Addresses(options.servers));
  Must(leader.status());
  return {{"leader", leader->ToString()}};
}

void Declare(Options& o, CLI::App& app) {
  app.add_option("load", o.load,
                 "put, range, serial-range, txn-put, cas, mix, wide-range, watch, lease, fill, "
                 "compact; or ready, leader, floor")
      ->required();
  app.add_option("--servers", o.servers, "HOST:PORT,...")->delimiter(',');
  app.add_flag("--leader-only", o.leader_only, "connect to the leader, not to all in turn");
  app.add_option("--connections", o.connections, "HTTP/2 connections")->check(CLI::PositiveNumber);
  app.add_option("--threads", o.threads, "io threads")->check(CLI::Range(1, 16));
  app.add_option("--core", o.core, "run on this core only; -1: on any");
  app.add_option("--clients", o.clients, "each with one request under way")
      ->check(CLI::PositiveNumber);
  app.add_option("--seconds", o.seconds, "that count")->check(CLI::PositiveNumber);
  app.add_option("--warm-up", o.warm_up, "seconds before")->check(CLI::NonNegativeNumber);
  app.add_option("--processes", o.processes, "pids whose CPU time is measured")->delimiter(',');
  app.add_option("--keys", o.source.keys, "the key space")->check(CLI::Range(1ul, kKeysMax));
  app.add_flag("--random", o.source.random, "keys at random, not in turn");
  app.add_option("--value-bytes", o.source.value_bytes, "of each put")
      ->check(CLI::Range(1, 1 << 20));
  app.add_option("--wide-keys", o.source.wide_keys, "that wide-range reads");
  app.add_option("--watchers", o.watch.watchers, "watch: so many")->check(CLI::PositiveNumber);
  app.add_option("--watched-keys", o.watch.keys, "watch: on so many keys")
      ->check(CLI::PositiveNumber);
  app.add_option("--leases", o.leases, "lease: so many")->check(CLI::PositiveNumber);
  app.add_option("--ready-timeout", o.ready_timeout, "ready: seconds");
  app.add_flag("--serializable", o.serializable, "ready: without a leader");
  app.add_option("--directory", o.directory, "floor: on whose disk");
}

/// Streams' loads keep their state on one io thread.
void CheckOptions(const Options& options) {
  const bool streams = options.load == "watch" || options.load == "lease";
  Must(!streams || options.threads == 1, "this load has --threads 1 only");
  Must(options.load != "cas" || options.clients <= options.source.keys,
       "cas needs a key for each client; try: more --keys");
}

int Main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);
  Options options;
  CLI::App app("a light load for etcd's API");
  Declare(options, app);
  CLI11_PARSE(app, argc, argv);
  CheckOptions(options);
  PinTo(options.core);
  const Json result = options.load == "floor"    ? RunFloor(options)
                      : options.load == "ready"  ? RunReady(options)
                      : options.load == "leader" ? RunLeader(options)
                                                 : RunLoad(options);
  fmt::print("{}\n", result.dump());
  return 0;
}

}  // namespace
}  // namespace trireme::kv::bench

int main(int argc, char** argv) {
  return trireme::kv::bench::Main(argc, argv);
}
