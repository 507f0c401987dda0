// The KV model alone, over both stores: operations per second of one thread, without network, log
// or Raft.
#include <malloc.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/random.h"
#include "fmt/format.h"
#include "kv/model/command_codec.h"
#include "kv/model/model.h"
#include "kv/model/watch.h"
#include "kv/store/memory_store.h"
#include "kv/store/rocks_store.h"

namespace trireme::kv {
namespace {

constexpr std::size_t kValueBytes = 256;

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// What a busy machine does not change: of this thread, or of all threads.
double CpuSeconds(clockid_t clock = CLOCK_THREAD_CPUTIME_ID) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

std::size_t ResidentBytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  unsigned long total = 0, resident = 0;
  TRIREME_CHECK(file != nullptr && std::fscanf(file, "%lu %lu", &total, &resident) == 2);
  std::fclose(file);
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// Keys of 8 bytes in no order.
std::string Key(std::uint64_t i) {
  Random random(i);
  std::uint64_t word = random.Next();
  return {reinterpret_cast<const char*>(&word), sizeof word};
}

class Bench {
 public:
  Bench(OrderedStore& store, std::string name, std::uint64_t keys, int batch)
      : name_(std::move(name)), keys_(keys), batch_(batch), model_(*Model::Open(store)) {}

  void Run() {
    std::uint64_t i = 0;
    Time("put, new keys", keys_, [&](std::uint64_t) { Apply(Put(i++)); });
    Time("put, keys there are", 2 * keys_,
         [&](std::uint64_t) { Apply(Put(random_.Below(keys_))); });
    Time("txn, compare and put", keys_ / 2, [&](std::uint64_t) { CompareAndPut(); });
    view_ = model_->View();
    Time("range of one key", keys_, [&](std::uint64_t) { Range(Key(random_.Below(keys_)), ""); });
    Time("range of all, per key", keys_, nullptr, [&] { Range(kFromKey, kFromKey); });
    view_.reset();
    Sweep();
  }

 private:
  Command Put(std::uint64_t i) {
    key_ = Key(i);
    return {.body = PutRequest{.key = key_, .value = value_}};
  }

  void Apply(const Command& command) {
    const std::string bytes = EncodeCommand(command);
    Outcome outcome;
    TRIREME_CHECK(model_->Apply(model_->applied_index() + 1, 1, bytes, &outcome).ok());
    TRIREME_CHECK(outcome.error == Error::kNone);
    if (++pending_ == batch_) Commit();
  }

  /// As a server does: each batch gets a view for the reads that come.
  void Commit() {
    pending_ = 0;
    TRIREME_CHECK(model_->Commit().ok());
    view_ = model_->View();
  }

  void CompareAndPut() {
    key_ = Key(random_.Below(keys_));
    TxnRequest txn;
    txn.compares.push_back({CompareResult::kGreater, CompareTarget::kVersion, key_, {}, 0, {}});
    txn.success.push_back({PutRequest{.key = key_, .value = value_}});
    txn.failure.push_back({RangeRequest{.key = key_}});
    Apply({.body = std::move(txn)});
  }

  void Range(std::string_view key, std::string_view end) {
    RangeSummary summary;
    std::size_t bytes = 0;
    TRIREME_CHECK(view_
                      ->Range(
                          {.key = key, .end = end},
                          [&](const KeyValueView& kv) { bytes += kv.value.size(); }, &summary)
                      .ok());
    TRIREME_CHECK(bytes == static_cast<std::size_t>(summary.count) * kValueBytes && bytes > 0);
  }

  void Sweep() {
    Apply({.body = CompactRequest{model_->meta().revision}});
    if (pending_ > 0) Commit();
    double longest = 0;
    const double begin = Now();
    for (bool more = true; more;) {
      const double step = Now();
      more = *model_->Sweep();
      TRIREME_CHECK(model_->Commit().ok());
      longest = std::max(longest, Now() - step);
    }
    fmt::print("{:<8}{:>6}  {:<24}{:>10.2f} s, longest step {:.1f} ms, resident {} MiB\n", name_,
               batch_, "compaction of it all", Now() - begin, longest * 1e3, ResidentBytes() >> 20);
  }

  void Time(const char* what, std::uint64_t count, const std::function<void(std::uint64_t)>& each,
            const std::function<void()>& all = nullptr) {
    const double begin = Now(), cpu_begin = CpuSeconds();
    const double process_begin = CpuSeconds(CLOCK_PROCESS_CPUTIME_ID);
    if (all != nullptr) all();
    for (std::uint64_t i = 0; each != nullptr && i < count; ++i) each(i);
    if (pending_ > 0) Commit();
    const double seconds = Now() - begin, cpu = CpuSeconds() - cpu_begin;
    const double process = CpuSeconds(CLOCK_PROCESS_CPUTIME_ID) - process_begin;
    const auto n = static_cast<double>(count);
    fmt::print(
        "{:<8}{:>6}  {:<24}{:>10.0f}/s {:>8.2f} us of CPU, {:>6.2f} of all threads, resident {} "
        "MiB\n",
        name_, batch_, what, n / seconds, cpu / n * 1e6, process / n * 1e6, ResidentBytes() >> 20);
  }

  std::string name_;
  std::uint64_t keys_;
  int batch_, pending_ = 0;
  std::unique_ptr<Model> model_;
  std::shared_ptr<const ReadView> view_;
  Random random_{1};
  std::string key_, value_ = std::string(kValueBytes, 'v');
};

/// Events per second through an index of as many watches on keys of their own, and of prefixes.
void Watches(std::uint64_t watches) {
  WatchIndex index;
  for (std::uint64_t i = 0; i < watches; ++i) {
    index.Add(2 * i, {.key = Key(i)}, 1);
    std::string end = Key(i);
    ++end.back();
    index.Add(2 * i + 1, {.key = Key(i), .end = end}, 1);
  }
  Random random(1);
  std::uint64_t found = 0;
  constexpr int kEvents = 1'000'000;
  const double begin = CpuSeconds();
  for (int i = 0; i < kEvents; ++i) {
    const std::string key = Key(random.Below(watches));
    index.Match({.kv = {.key = key, .mod_revision = 2}}, [&](WatchId) { ++found; });
  }
  fmt::print("an event among {} watches of keys and {} of ranges: {:.2f} us of CPU, {:.1f} found\n",
             watches, watches, (CpuSeconds() - begin) / kEvents * 1e6,
             static_cast<double>(found) / kEvents);
}

void InMemory(std::uint64_t keys, int batch) {
  MemoryStore store;
  Bench(store, "memory", keys, batch).Run();
}

void InFiles(std::uint64_t keys, int batch) {
  const std::string directory =
      std::filesystem::temp_directory_path() / fmt::format("trireme-bench-{}", ::getpid());
  {
    auto store = RocksStore::Open(directory);
    TRIREME_CHECK(store.ok());
    Bench(**store, "rocksdb", keys, batch).Run();
  }
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace trireme::kv

int main(int argc, char** argv) {
  using namespace trireme::kv;
  const std::uint64_t keys = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 200'000;
  fmt::print("{} keys of 8 bytes, values of {} bytes\nstore    batch\n", keys, kValueBytes);
  const bool files_only = argc > 2;
  for (const int batch : {100}) {
    if (!files_only) InMemory(keys, batch);
    ::malloc_trim(0);
    InFiles(keys, batch);
    ::malloc_trim(0);
  }
  Watches(1000);
  return 0;
}
