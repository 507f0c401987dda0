#pragma once

#include <cstdint>
#include <string_view>

namespace trireme {

/// The Castagnoli CRC (Castagnoli, Braeuer & Herrmann, "Optimization of Cyclic Redundancy-Check
/// Codes with 24 and 32 Parity Bits", IEEE Trans. Comm. 41(6), 1993), as iSCSI and ext4 use it:
/// every error of up to 32 adjacent bits changes it. `seed` is the checksum of bytes that came
/// before: Crc32c(b, Crc32c(a)) is that of both. By the processor's instruction where there is one.
std::uint32_t Crc32c(std::string_view bytes, std::uint32_t seed = 0);

/// The same by table, for processors without the instruction and to test against.
std::uint32_t Crc32cPortable(std::string_view bytes, std::uint32_t seed = 0);

}  // namespace trireme
