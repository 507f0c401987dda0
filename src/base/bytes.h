#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

/// Little-endian loads and stores, and LEB128 varints: the byte-level vocabulary of every format.
namespace trireme {

static_assert(std::endian::native == std::endian::little, "big-endian hosts are not supported");

template <typename T>
inline T LoadLittle(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <typename T>
inline void StoreLittle(void* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

template <typename T>
inline void AppendLittle(std::string& to, T value) {
  to.append(reinterpret_cast<const char*>(&value), sizeof value);
}

inline constexpr std::size_t kVarintBytesMax = 10;

/// Writes `value` at `to`, which has room for kVarintBytesMax bytes; returns the end.
inline char* StoreVarint(char* to, std::uint64_t value) {
  while (value >= 0x80) {
    *to++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *to++ = static_cast<char>(value);
  return to;
}

inline void AppendVarint(std::string& to, std::uint64_t value) {
  char buffer[kVarintBytesMax];
  to.append(buffer, static_cast<std::size_t>(StoreVarint(buffer, value) - buffer));
}

/// Reads a varint from [from, end); returns its end, or nullptr when it is cut off or over 64 bits.
inline const char* LoadVarint(const char* from, const char* end, std::uint64_t* value) {
  std::uint64_t result = 0;
  for (int shift = 0; from < end && shift < 64; shift += 7) {
    const auto byte = static_cast<unsigned char>(*from++);
    if (shift == 63 && byte > 1) return nullptr;
    result |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) {
      *value = result;
      return from;
    }
  }
  return nullptr;
}

/// Takes fields off the front of hostile bytes; every call says whether the field was there whole.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : bytes_(bytes) {}

  template <typename T>
  [[nodiscard]] bool Little(T* value) {
    if (bytes_.size() < sizeof(T)) return false;
    *value = LoadLittle<T>(bytes_.data());
    bytes_.remove_prefix(sizeof(T));
    return true;
  }

  [[nodiscard]] bool Varint(std::uint64_t* value) {
    const char* end = LoadVarint(bytes_.data(), bytes_.data() + bytes_.size(), value);
    if (end == nullptr) return false;
    bytes_.remove_prefix(static_cast<std::size_t>(end - bytes_.data()));
    return true;
  }

  /// A varint length, then that many bytes.
  [[nodiscard]] bool Sized(std::string_view* value) {
    std::uint64_t size = 0;
    if (!Varint(&size) || size > bytes_.size()) return false;
    *value = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return true;
  }

  std::string_view rest() const { return bytes_; }
  bool empty() const { return bytes_.empty(); }

 private:
  std::string_view bytes_;
};

inline void AppendSized(std::string& to, std::string_view value) {
  AppendVarint(to, value.size());
  to.append(value);
}

}  // namespace trireme
