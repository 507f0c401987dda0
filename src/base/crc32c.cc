#include "base/crc32c.h"

#include <array>
#include <cstddef>

#include "base/bytes.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#endif

namespace trireme {
namespace {

constexpr std::uint32_t kPolynomial = 0x82F63B78;  // reflected
constexpr int kTables = 8;
using Tables = std::array<std::array<std::uint32_t, 256>, kTables>;

/// Table k advances a byte over k more zero bytes ("slicing by 8", Kounavis & Berry, ISCC '05).
constexpr Tables MakeTables() {
  Tables tables{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    tables[0][i] = crc;
  }
  for (int k = 1; k < kTables; ++k) {
    for (std::uint32_t i = 0; i < 256; ++i) {
      const std::uint32_t before = tables[k - 1][i];
      tables[k][i] = (before >> 8) ^ tables[0][before & 0xff];
    }
  }
  return tables;
}
constexpr Tables kTable = MakeTables();

std::uint32_t WordByTable(std::uint32_t crc, const char* at) {
  const std::uint64_t word = LoadLittle<std::uint64_t>(at) ^ crc;
  std::uint32_t next = 0;
  for (int k = 0; k < kTables; ++k) next ^= kTable[7 - k][(word >> (8 * k)) & 0xff];
  return next;
}

#if defined(__x86_64__)
constexpr bool kHasInstruction = true;

bool InstructionIsThere() {
  return __builtin_cpu_supports("sse4.2") != 0;
}

__attribute__((target("sse4.2"))) std::uint32_t ByInstruction(const char* at, std::size_t size,
                                                              std::uint32_t crc) {
  std::uint64_t wide = crc;
  for (; size >= 8; at += 8, size -= 8) wide = _mm_crc32_u64(wide, LoadLittle<std::uint64_t>(at));
  crc = static_cast<std::uint32_t>(wide);
  for (; size > 0; ++at, --size) crc = _mm_crc32_u8(crc, static_cast<unsigned char>(*at));
  return crc;
}
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
constexpr bool kHasInstruction = true;

bool InstructionIsThere() {
  return true;
}

std::uint32_t ByInstruction(const char* at, std::size_t size, std::uint32_t crc) {
  for (; size >= 8; at += 8, size -= 8) crc = __crc32cd(crc, LoadLittle<std::uint64_t>(at));
  for (; size > 0; ++at, --size) crc = __crc32cb(crc, static_cast<unsigned char>(*at));
  return crc;
}
#else
constexpr bool kHasInstruction = false;

bool InstructionIsThere() {
  return false;
}

std::uint32_t ByInstruction(const char*, std::size_t, std::uint32_t crc) {
  return crc;
}
#endif

}  // namespace

std::uint32_t Crc32cPortable(std::string_view bytes, std::uint32_t seed) {
  std::uint32_t crc = ~seed;
  for (; bytes.size() >= 8; bytes.remove_prefix(8)) crc = WordByTable(crc, bytes.data());
  for (const char byte : bytes) {
    crc = (crc >> 8) ^ kTable[0][(crc ^ static_cast<unsigned char>(byte)) & 0xff];
  }
  return ~crc;
}

std::uint32_t Crc32c(std::string_view bytes, std::uint32_t seed) {
  static const bool kUseInstruction = kHasInstruction && InstructionIsThere();
  if (!kUseInstruction) return Crc32cPortable(bytes, seed);
  return ~ByInstruction(bytes.data(), bytes.size(), ~seed);
}

}  // namespace trireme
