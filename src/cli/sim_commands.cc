#include "cli/sim_commands.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdint>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "CLI/CLI.hpp"
#include "base/status_macros.h"
#include "cli/command_table.h"
#include "cli/run_command.h"
#include "cli/say.h"
#include "fmt/format.h"
#include "sim/kv/cast.h"
#include "sim/mr/cast.h"
#include "sim/sharded/world.h"
#include "sim/shrink.h"
#include "sim/world.h"

namespace trireme::cli {
namespace {

constexpr std::uint64_t kJobsMax = 256;
constexpr std::size_t kFailuresShownMax = 10;

struct SimArguments {
  std::uint64_t seed = 1;
  std::string seeds;
  std::uint64_t jobs = 1;
  std::vector<std::string> with;
  bool trace = false;
  bool options = false;
  bool shrink = true;
  bool kv = false;
  bool sharded = false;
  bool mr = false;

  sim::Options Draw(std::uint64_t of_seed) const {
    if (sharded) return sim::sharded::DrawOptions(of_seed);
    if (mr) return sim::DrawMrOptions(of_seed);
    return kv ? sim::DrawKvOptions(of_seed) : sim::Options::Draw(of_seed);
  }
  sim::RunResult Run(const sim::Options& of, sim::Trace::Sink sink) const {
    if (sharded) return sim::sharded::Run(of, std::move(sink));
    return sim::World(of, std::move(sink), Cast()).Run();
  }
  sim::MakeCast Cast() const {
    return mr ? sim::MakeMrCast : kv ? sim::MakeKvCast : sim::MakeRegisterCast;
  }
};

struct Seeds {
  std::uint64_t first = 1;
  std::uint64_t last = 1;
};

absl::StatusOr<Seeds> ParseSeeds(const std::string& text) {
  Seeds seeds;
  const char* end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, seeds.first);
  const bool dots =
      first.ec == std::errc() && end - first.ptr > 2 && std::string_view(first.ptr, 2) == "..";
  if (dots) {
    const auto last = std::from_chars(first.ptr + 2, end, seeds.last);
    if (last.ec == std::errc() && last.ptr == end && seeds.first <= seeds.last) return seeds;
  }
  return absl::InvalidArgumentError(
      fmt::format("--seeds '{}': give two numbers, the lower one first: 1..1000", text));
}

absl::StatusOr<sim::Options> OptionsFor(const SimArguments& arguments, std::uint64_t seed) {
  sim::Options options = arguments.Draw(seed);
  for (const std::string& setting : arguments.with) {
    const std::size_t equals = setting.find('=');
    if (equals == setting.npos) {
      return absl::InvalidArgumentError(
          fmt::format("--with '{}': give name=value, for instance crash_ms=0", setting));
    }
    TRIREME_RETURN_IF_ERROR(options.Set(std::string_view(setting).substr(0, equals),
                                        std::string_view(setting).substr(equals + 1)));
  }
  TRIREME_RETURN_IF_ERROR(options.Validate());
  if (arguments.sharded && (options.groups == 0 || options.controllers == 0)) {
    return absl::InvalidArgumentError("groups, controllers: with --sharded, give 1 or more");
  }
  return options;
}

std::string ReplayCommand(const SimArguments& arguments, const sim::Options& options) {
  const char* kind = arguments.sharded ? "--sharded "
                     : arguments.mr    ? "--mr "
                     : arguments.kv    ? "--kv "
                                       : "";
  std::string command = fmt::format("trireme sim {}--seed {} --trace", kind, options.seed);
  const std::string difference = options.Difference(arguments.Draw(options.seed));
  if (!difference.empty()) command += fmt::format(" --with {}", difference);
  return command;
}

void PrintFailure(const SimArguments& arguments, const sim::Options& options,
                  const sim::RunResult& result, bool shrink) {
  Say(stdout, "seed {} fails at {:.6f} s: {}\n  {}\n  {}\n", options.seed,
      static_cast<double>(result.at) / 1e6, result.violation, options.Text(),
      ReplayCommand(arguments, options));
  if (!shrink) return;
  const sim::Shrunk shrunk = sim::Shrink(
      options, [&](const sim::Options& smaller) { return arguments.Run(smaller, nullptr); });
  Say(stdout, "  the shortest found in {} runs fails at {:.6f} s after {} events: {}\n  {}\n",
      shrunk.runs, static_cast<double>(shrunk.result.at) / 1e6, shrunk.result.events,
      shrunk.result.violation, ReplayCommand(arguments, shrunk.options));
}

int RunOne(const SimArguments& arguments) {
  const absl::StatusOr<sim::Options> options = OptionsFor(arguments, arguments.seed);
  if (!options.ok()) return WrongUse(options.status());
  if (arguments.options) {
    for (const sim::OptionField& field : sim::OptionFields()) {
      Say(stdout, "{}={}\n", field.name, *options.*field.number);
    }
    return kDone;
  }
  sim::Trace::Sink sink;
  if (arguments.trace) sink = [](std::string_view line) { Say(stdout, "{}\n", line); };
  const sim::RunResult result = arguments.Run(*options, std::move(sink));
  if (!result.ok()) {
    PrintFailure(arguments, *options, result, arguments.shrink && !arguments.trace);
    return kFailed;
  }
  Say(stdout, "seed {}: {:.3f} s, {} events, {} operations, {} entries committed\n", options->seed,
      static_cast<double>(result.at) / 1e6, result.events, result.operations, result.committed);
  return kDone;
}

/// What several threads find out about many seeds; each world belongs to one thread.
class Sweep {
 public:
  Sweep(const SimArguments& arguments, Seeds seeds)
      : arguments_(arguments), seeds_(seeds), next_(seeds.first) {}

  int Run() {
    std::vector<std::thread> threads;
    for (std::uint64_t i = 0; i < arguments_.jobs; ++i) threads.emplace_back([this] { Work(); });
    for (std::thread& thread : threads) thread.join();
    std::sort(failures_.begin(), failures_.end(),
              [](const Failure& a, const Failure& b) { return a.options.seed < b.options.seed; });
    for (std::size_t i = 0; i < std::min(failures_.size(), kFailuresShownMax); ++i) {
      PrintFailure(arguments_, failures_[i].options, failures_[i].result,
                   arguments_.shrink && i == 0);
    }
    Say(stdout,
        "seeds {}..{}: {} fail; {:.0f} simulated seconds, {} operations, {} entries, "
        "{} histories undecided\n",
        seeds_.first, seeds_.last, failures_.size(), static_cast<double>(micros_) / 1e6,
        operations_, committed_, undecided_);
    return failures_.empty() ? kDone : kFailed;
  }

 private:
  struct Failure {
    sim::Options options;
    sim::RunResult result;
  };

  void Work() {
    for (std::uint64_t seed = next_++; seed <= seeds_.last; seed = next_++) {
      const sim::Options options = *OptionsFor(arguments_, seed);
      sim::RunResult result = arguments_.Run(options, nullptr);
      const std::lock_guard lock(mutex_);
      micros_ += result.at;
      operations_ += result.operations;
      committed_ += result.committed;
      undecided_ += result.undecided ? 1 : 0;
      if (!result.ok()) failures_.push_back({options, std::move(result)});
    }
  }

  const SimArguments& arguments_;
  const Seeds seeds_;
  std::atomic<std::uint64_t> next_;
  std::mutex mutex_;  // of all below
  std::uint64_t micros_ = 0;
  std::uint64_t operations_ = 0;
  std::uint64_t committed_ = 0;
  std::uint64_t undecided_ = 0;
  std::vector<Failure> failures_;
};

int RunMany(const SimArguments& arguments) {
  const absl::StatusOr<Seeds> seeds = ParseSeeds(arguments.seeds);
  if (!seeds.ok()) return WrongUse(seeds.status());
  const absl::StatusOr<sim::Options> options = OptionsFor(arguments, seeds->first);
  if (!options.ok()) return WrongUse(options.status());
  if (arguments.trace || arguments.options) {
    return WrongUse(absl::InvalidArgumentError(
        "--trace and --options are for one world: give --seed N instead of --seeds"));
  }
  return Sweep(arguments, *seeds).Run();
}

}  // namespace

int RunSim(std::vector<std::string> arguments) {
  SimArguments a;
  CLI::App app(
      "Runs whole Raft clusters in virtual time, each drawn from a seed with all its "
      "faults, and checks what must hold.\nExit status: 0 all is well, 1 a world fails, "
      "2 wrong use.",
      "trireme sim");
  auto* one = app.add_option("--seed", a.seed, "run this world")->capture_default_str();
  app.add_option("--seeds", a.seeds, "run these worlds: FIRST..LAST")->excludes(one);
  app.add_option("--jobs", a.jobs, "threads for --seeds")
      ->capture_default_str()
      ->check(CLI::Range(std::uint64_t{1}, kJobsMax));
  app.add_option("--with", a.with, "set options of the world: NAME=VALUE ...");
  auto* kv = app.add_flag("--kv", a.kv, "the KV with its clients, instead of registers");
  app.add_flag("--sharded", a.sharded, "several clusters with a sharded store, instead of one")
      ->excludes(kv);
  app.add_flag("--mr", a.mr, "jobs: coordinators on the KV, and workers")
      ->excludes(kv)
      ->excludes("--sharded");
  app.add_flag("--trace", a.trace, "print all that happens");
  app.add_flag("--options", a.options, "print the world's options and run nothing");
  app.add_flag("--shrink,!--no-shrink", a.shrink, "look for a shorter failing run (default)");
  if (Describe(app)) return kDone;
  std::reverse(arguments.begin(), arguments.end());
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::CallForHelp&) {
    Say(stdout, "{}", app.help());
    return FlushOutput(kDone);
  } catch (const CLI::ParseError& error) {
    return WrongUse(
        absl::InvalidArgumentError(fmt::format("{}: see `trireme sim --help`", error.what())));
  }
  return FlushOutput(a.seeds.empty() ? RunOne(a) : RunMany(a));
}

}  // namespace trireme::cli
