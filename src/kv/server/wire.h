#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"

/// Protobuf's encoding, by hand: a request is read in place and an answer written once.
namespace trireme::kv::wire {

/// A field's number and how its value is written, as they stand before it.
constexpr std::uint64_t Number(std::uint64_t field) {
  return field << 3;
}
constexpr std::uint64_t Bytes(std::uint64_t field) {
  return field << 3 | 2;
}

/// Takes a message of hostile bytes apart, field by field. A field of another type than asked for
/// has another tag and is passed over like an unknown one, as protobuf does.
class Reader {
 public:
  explicit Reader(std::string_view message) : rest_(message) {}

  /// False: the message is over, or damaged.
  bool Next();
  bool ok() const { return ok_; }

  std::uint64_t tag() const { return tag_; }
  std::string_view bytes() const { return bytes_; }
  std::uint64_t number() const { return number_; }
  std::int64_t signed_number() const { return static_cast<std::int64_t>(number_); }
  bool flag() const { return number_ != 0; }

 private:
  bool Take();

  ByteReader rest_;
  std::uint64_t tag_ = 0, number_ = 0;
  std::string_view bytes_;
  bool ok_ = true;
};

constexpr std::size_t NumberSize(std::uint64_t value) {
  std::size_t size = 1;
  for (; value >= 0x80; value >>= 7) ++size;
  return size;
}

/// Zero and empty are not written: they are the default.
inline std::size_t FieldSize(std::uint64_t field, std::int64_t value) {
  const auto bits = static_cast<std::uint64_t>(value);
  return value == 0 ? 0 : NumberSize(Number(field)) + NumberSize(bits);
}
inline std::size_t FieldSize(std::uint64_t field, std::string_view value) {
  return value.empty() ? 0 : NumberSize(Bytes(field)) + NumberSize(value.size()) + value.size();
}

inline void Append(std::string& to, std::uint64_t field, std::int64_t value) {
  if (value == 0) return;
  AppendVarint(to, Number(field));
  AppendVarint(to, static_cast<std::uint64_t>(value));
}
inline void Append(std::string& to, std::uint64_t field, std::string_view value) {
  if (value.empty()) return;
  AppendVarint(to, Bytes(field));
  AppendSized(to, value);
}
/// What comes before a message of `size` bytes.
inline void AppendHead(std::string& to, std::uint64_t field, std::size_t size) {
  AppendVarint(to, Bytes(field));
  AppendVarint(to, size);
}
/// A message, also an empty one.
inline void AppendMessage(std::string& to, std::uint64_t field, std::string_view message) {
  AppendHead(to, field, message.size());
  to.append(message);
}

}  // namespace trireme::kv::wire
