#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "gtest/gtest.h"
#include "sim/kv/cast.h"
#include "sim/sharded/world.h"
#include "sim/world.h"

/// Linked with one source file into which cmake/flaws.cmake has put a known bug. That the same
/// seeds pass without it is what sim_tests show.
namespace trireme::sim {
namespace {

constexpr std::uint64_t kSeedsMax = 500;
RunResult RunSeed(std::uint64_t seed) {
#if defined(FLAW_SHARDED)
  return sharded::Run(sharded::DrawOptions(seed));
#elif defined(FLAW_KV)
  return World(DrawKvOptions(seed), nullptr, MakeKvCast).Run();
#else
  return World(Options::Draw(seed)).Run();
#endif
}

enum class Ending { kWell, kViolation, kAborted };

/// In a process of its own: a core that is broken may also stop at a check of its own.
Ending RunApart(std::uint64_t seed) {
  const pid_t child = fork();
  if (child == 0) {
    (void)!freopen("/dev/null", "w", stderr);
    const RunResult result = RunSeed(seed);
    if (!result.ok()) std::printf("seed %lu: %s\n", seed, result.violation.c_str());
    std::fflush(stdout);
    _exit(result.ok() ? 0 : 1);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  if (WIFSIGNALED(status)) return Ending::kAborted;
  return WEXITSTATUS(status) == 0 ? Ending::kWell : Ending::kViolation;
}

TEST(Flaw, AnOracleSeesItWithin500Seeds) {
  std::uint64_t aborted = 0;
  for (std::uint64_t seed = 1; seed <= kSeedsMax; ++seed) {
    const Ending ending = RunApart(seed);
    aborted += ending == Ending::kAborted ? 1 : 0;
    if (ending != Ending::kViolation) continue;
    std::printf("%s: seed %lu; before it the core's own checks stopped %lu\n", FLAW_NAME, seed,
                aborted);
    return;
  }
  FAIL() << FLAW_NAME << " was not found; the core's own checks stopped " << aborted;
}

}  // namespace
}  // namespace trireme::sim
