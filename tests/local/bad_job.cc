/// A job that misbehaves at the line "bad", as `--set do=...` says; otherwise it counts lines.
#include <trireme/mapreduce.h>

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace mr = trireme::mapreduce;

namespace {

void EatMemory() {
  std::vector<char*> eaten;
  for (;;) {
    constexpr std::size_t kBytes = 16 << 20;
    eaten.push_back(static_cast<char*>(std::malloc(kBytes)));
    std::memset(eaten.back(), 1, kBytes);
  }
}

/// Dies as from a wild pointer, whatever a sanitizer would make of a real one.
[[noreturn]] void Segfault() {
  std::signal(SIGSEGV, SIG_DFL);
  std::raise(SIGSEGV);
  std::abort();
}

class BadMapper : public mr::Mapper {
 public:
  void Start(mr::Emitter& out) override { deed_ = out.Param("do"); }
  void Map(const mr::Record& line, mr::Emitter& out) override {
    if (line.value == "bad") Do(out);
    out.Emit(line.value, 1);
    out.Count("lines");
  }

 private:
  void Do(mr::Emitter& out) const {
    if (deed_ == "segv") {
      std::fprintf(stderr, "about to crash\n");
      Segfault();
    }
    if (deed_ == "exit") std::exit(7);
    if (deed_ == "abort") std::abort();
    if (deed_ == "throw") throw std::runtime_error("thrown on purpose");
    if (deed_ == "fail") out.Fail("failed on purpose");
    if (deed_ == "eat") EatMemory();
    if (deed_ == "hang") {
      for (;;) ::pause();
    }
    if (deed_ == "once" && out.task().attempt == 0) std::abort();
    if (deed_ == "tell") {  // then wait to be interrupted
      std::ofstream(std::string(out.Param("file"))) << ::getpid();
      for (;;) ::pause();
    }
  }
  std::string deed_;
};

class BadReducer : public mr::Reducer {
 public:
  void Reduce(std::string_view key, mr::Values& values, mr::Output& out) override {
    if (key == "bad" && out.Param("reduce") == "segv") Segfault();
    std::int64_t sum = 0, value = 0;
    while (values.Next(&value)) sum += value;
    out.Emit(key, sum);
  }
};

}  // namespace

int main(int argc, char** argv) {
  mr::Job job{.name = "bad-job"};
  job.mapper = mr::New<BadMapper>();
  job.reducer = mr::New<BadReducer>();
  return mr::Main(argc, argv, job);
}
