// Runs a fuzz target without libFuzzer: over files given, or over a fixed number of seeded inputs,
// so that every build and sanitizer exercises it.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "base/random.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr int kInputs = 3000;
constexpr std::size_t kInputBytesMax = 300;

void RunOne(const std::string& bytes) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
}

/// Half small values, of which frames and lengths are made, half anything.
std::string RandomInput(trireme::Random& random) {
  std::string bytes(random.Below(kInputBytesMax), '\0');
  for (char& byte : bytes) byte = static_cast<char>(random.Below(random.OneIn(2) ? 10 : 256));
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    RunOne({std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()});
  }
  trireme::Random random(1);
  for (int i = 0; argc == 1 && i < kInputs; ++i) RunOne(RandomInput(random));
  std::puts("every input was taken");
  return 0;
}
