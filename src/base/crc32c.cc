#include "base/crc32c.h"

#include <array>
#include <cstddef>

#include "base/bytes.h"

#if defined(__x86_64__)
#include <immintrin.h>
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
  return __builtin_cpu_supports("sse4.2") != 0 && __builtin_cpu_supports("pclmul") != 0;
}

/// x^n modulo the polynomial, reflected.
constexpr std::uint32_t PowerOfX(std::uint64_t n) {
  std::uint32_t power = 0x80000000;
  for (; n > 0; --n) power = (power >> 1) ^ ((power & 1) != 0 ? kPolynomial : 0);
  return power;
}

/// The product with x^n. 32 bits by 32 come out one bit lower than reflected ones should, and the
/// instruction that reduces them multiplies by x^32.
template <std::uint64_t kBytes>
__attribute__((target("sse4.2,pclmul"))) std::uint64_t Shifted(std::uint64_t crc) {
  constexpr std::uint32_t kPower = PowerOfX(kBytes * 8 - 33);
  return static_cast<std::uint64_t>(_mm_cvtsi128_si64(
      _mm_clmulepi64_si128(_mm_cvtsi64_si128(static_cast<std::int64_t>(crc)),
                           _mm_cvtsi64_si128(static_cast<std::int64_t>(kPower)), 0)));
}

/// The instruction's result takes three cycles, and one can begin in each: three parts of the bytes
/// side by side, put together by a product each (Gopal et al., "Fast CRC Computation for iSCSI
/// Polynomial Using CRC32 Instruction", Intel 2011).
template <std::size_t kPartBytes>
__attribute__((target("sse4.2,pclmul"))) std::uint64_t ThreeParts(const char*& at,
                                                                  std::size_t& size,
                                                                  std::uint64_t first) {
  static_assert(kPartBytes % 8 == 0);
  for (; size >= 3 * kPartBytes; at += 2 * kPartBytes, size -= 3 * kPartBytes) {
    std::uint64_t second = 0;
    std::uint64_t third = 0;
    for (const char* const end = at + kPartBytes; at < end; at += 8) {
      first = _mm_crc32_u64(first, LoadLittle<std::uint64_t>(at));
      second = _mm_crc32_u64(second, LoadLittle<std::uint64_t>(at + kPartBytes));
      third = _mm_crc32_u64(third, LoadLittle<std::uint64_t>(at + 2 * kPartBytes));
    }
    first = third ^ _mm_crc32_u64(0, Shifted<2 * kPartBytes>(first)) ^
            _mm_crc32_u64(0, Shifted<kPartBytes>(second));
  }
  return first;
}

/// Four registers of 64 bytes are folded side by side from here on; for less it does not pay.
constexpr std::size_t kFoldedBytesMin = 512;

bool FoldingIsThere() {
  return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("vpclmulqdq") != 0;
}

/// In each 16 bytes of `before`, a polynomial whose lowest bit is x^127: its product with
/// x^(8 kBytes), but for multiples of the polynomial, plus `after` that stands kBytes behind it
/// (Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction", Intel
/// 2009). The product of two reflected numbers is one bit short, which the powers make up for.
template <std::uint64_t kBytes>
__attribute__((target("avx512f,vpclmulqdq"))) inline __m512i Folded(__m512i before, __m512i after) {
  constexpr std::uint64_t kFirstHalf = std::uint64_t{PowerOfX(kBytes * 8 + 63)} << 32;
  constexpr std::uint64_t kSecondHalf = std::uint64_t{PowerOfX(kBytes * 8 - 1)} << 32;
  const __m512i powers =
      _mm512_set4_epi64(static_cast<long long>(kSecondHalf), static_cast<long long>(kFirstHalf),
                        static_cast<long long>(kSecondHalf), static_cast<long long>(kFirstHalf));
  constexpr int kSumOfThree = 0x96;
  return _mm512_ternarylogic_epi64(_mm512_clmulepi64_epi128(before, powers, 0x00),
                                   _mm512_clmulepi64_epi128(before, powers, 0x11), after,
                                   kSumOfThree);
}

/// Takes whole 64 bytes off the front, 256 of them at least.
__attribute__((target("sse4.2,avx512f,vpclmulqdq"))) std::uint64_t ByFolding(const char*& at,
                                                                             std::size_t& size,
                                                                             std::uint32_t crc) {
  __m512i a = _mm512_xor_si512(_mm512_loadu_si512(at),
                               _mm512_zextsi128_si512(_mm_cvtsi32_si128(static_cast<int>(crc))));
  __m512i b = _mm512_loadu_si512(at + 64);
  __m512i c = _mm512_loadu_si512(at + 128);
  __m512i d = _mm512_loadu_si512(at + 192);
  for (at += 256, size -= 256; size >= 256; at += 256, size -= 256) {
    a = Folded<256>(a, _mm512_loadu_si512(at));
    b = Folded<256>(b, _mm512_loadu_si512(at + 64));
    c = Folded<256>(c, _mm512_loadu_si512(at + 128));
    d = Folded<256>(d, _mm512_loadu_si512(at + 192));
  }
  a = Folded<64>(Folded<64>(Folded<64>(a, b), c), d);
  for (; size >= 64; at += 64, size -= 64) a = Folded<64>(a, _mm512_loadu_si512(at));
  std::uint64_t words[8];
  _mm512_storeu_si512(words, a);
  std::uint64_t wide = 0;
  for (const std::uint64_t word : words) wide = _mm_crc32_u64(wide, word);
  return wide;
}

__attribute__((target("sse4.2,pclmul"))) std::uint32_t ByInstruction(const char* at,
                                                                     std::size_t size,
                                                                     std::uint32_t crc) {
  static const bool kFolds = FoldingIsThere();
  std::uint64_t wide = crc;
  if (kFolds && size >= kFoldedBytesMin) wide = ByFolding(at, size, crc);
  wide = ThreeParts<1360>(at, size, wide);  // of 4 KiB, all but 16 bytes
  wide = ThreeParts<80>(at, size, wide);    // of 256 bytes likewise
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
