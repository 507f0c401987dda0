// Writes to the store in DIRECTORY until it is killed, and says on standard output, in eight bytes
// each time, up to which entry it knows everything to be flushed.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/check.h"
#include "base/random.h"
#include "kv/store/rocks_store.h"
#include "kv/store_commands.h"

namespace trireme::kv {
namespace {

constexpr std::uint64_t kCommandsBetweenFlushes = 60;

[[noreturn]] void Write(const char* directory, std::uint64_t seed) {
  const auto store = RocksStore::Open(directory, {.overlay_bytes = 150 << 10, .runs_max = 3});
  TRIREME_CHECK(store.ok());
  const auto model = Model::Open(**store);
  TRIREME_CHECK(model.ok());
  Random random(seed);
  const auto run = [&](std::uint64_t commands) {
    for (; commands > 0; --commands) {
      test::ApplyNext(**model);
      if (commands == 1 || random.OneIn(3)) TRIREME_CHECK((*model)->Commit().ok());
    }
  };
  for (;;) {
    run(1 + random.Below(kCommandsBetweenFlushes));
    const FlushWait wait = (*store)->StartFlush();
    const std::uint64_t flushed = (*model)->applied_index();
    run(1 + random.Below(kCommandsBetweenFlushes));
    TRIREME_CHECK(wait().ok());
    TRIREME_CHECK(::write(STDOUT_FILENO, &flushed, sizeof flushed) == sizeof flushed);
  }
}

}  // namespace
}  // namespace trireme::kv

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: rocks_writer DIRECTORY SEED\n");
    return 2;
  }
  trireme::kv::Write(argv[1], std::strtoull(argv[2], nullptr, 10));
}
