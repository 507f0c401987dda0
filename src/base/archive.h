#pragma once

#include <concepts>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"

/// A byte form of plain structs from one list of their fields: a struct S takes part by a function
/// `template <class A> void Fields(A& archive, S& s) { archive(s.a, s.b); }` beside it. Numbers are
/// varints (signed ones zigzag), strings and containers are preceded by their size.
namespace trireme {

class Encoder {
 public:
  template <typename... T>
  void operator()(T&... fields) {
    (Put(fields), ...);
  }
  std::string Take() { return std::move(bytes_); }

 private:
  template <typename T>
  void Put(T& value) {
    if constexpr (std::is_enum_v<T>) {
      AppendVarint(bytes_, static_cast<std::uint64_t>(value));
    } else if constexpr (std::unsigned_integral<T>) {
      AppendVarint(bytes_, value);
    } else if constexpr (std::signed_integral<T>) {
      const auto wide = static_cast<std::int64_t>(value);
      AppendVarint(
          bytes_, (static_cast<std::uint64_t>(wide) << 1) ^ static_cast<std::uint64_t>(wide >> 63));
    } else {
      Fields(*this, value);
    }
  }
  void Put(std::string& value) { AppendSized(bytes_, value); }
  template <typename T>
  void Put(std::vector<T>& values) {
    AppendVarint(bytes_, values.size());
    for (T& value : values) Put(value);
  }
  template <typename T>
  void Put(std::optional<T>& value) {
    AppendVarint(bytes_, value.has_value() ? 1 : 0);
    if (value) Put(*value);
  }
  template <typename A, typename B>
  void Put(std::pair<A, B>& value) {
    Put(value.first);
    Put(value.second);
  }
  template <typename K, typename V, typename C>
  void Put(std::map<K, V, C>& values) {
    AppendVarint(bytes_, values.size());
    for (auto& [key, value] : values) {
      Put(const_cast<K&>(key));
      Put(value);
    }
  }
  template <typename... T>
  void Put(std::variant<T...>& value) {
    AppendVarint(bytes_, value.index());
    std::visit([this](auto& held) { Put(held); }, value);
  }

  std::string bytes_;
};

/// Reads what an Encoder wrote. Anything else makes it not ok(), with bounded memory: no container
/// is made larger than the bytes left can fill.
class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : reader_(bytes) {}

  template <typename... T>
  void operator()(T&... fields) {
    (Get(fields), ...);
  }
  bool ok() const { return ok_; }
  /// All was read and nothing is left.
  bool complete() const { return ok_ && reader_.empty(); }

 private:
  std::uint64_t Number(std::uint64_t max) {
    std::uint64_t value = 0;
    ok_ = ok_ && reader_.Varint(&value) && value <= max;
    return ok_ ? value : 0;
  }
  /// A count of things that take at least one byte each.
  std::size_t Count() { return Number(reader_.rest().size()); }

  template <typename T>
  void Get(T& value) {
    if constexpr (std::is_enum_v<T>) {
      value = static_cast<T>(
          Number(static_cast<std::make_unsigned_t<std::underlying_type_t<T>>>(~0ull)));
    } else if constexpr (std::is_same_v<T, bool>) {
      value = Number(1) != 0;
    } else if constexpr (std::unsigned_integral<T>) {
      value = static_cast<T>(Number(static_cast<T>(~0ull)));
    } else if constexpr (std::signed_integral<T>) {
      const std::uint64_t zigzag = Number(~0ull);
      value = static_cast<T>(static_cast<std::int64_t>(zigzag >> 1) ^
                             -static_cast<std::int64_t>(zigzag & 1));
    } else {
      Fields(*this, value);
    }
  }
  void Get(std::string& value) {
    std::string_view view;
    ok_ = ok_ && reader_.Sized(&view);
    value.assign(ok_ ? view : std::string_view());
  }
  template <typename T>
  void Get(std::vector<T>& values) {
    values.clear();
    for (std::size_t count = Count(); count > 0 && ok_; --count) Get(values.emplace_back());
  }
  template <typename T>
  void Get(std::optional<T>& value) {
    value.reset();
    if (Number(1) != 0) Get(value.emplace());
  }
  template <typename A, typename B>
  void Get(std::pair<A, B>& value) {
    Get(value.first);
    Get(value.second);
  }
  template <typename K, typename V, typename C>
  void Get(std::map<K, V, C>& values) {
    values.clear();
    for (std::size_t count = Count(); count > 0 && ok_; --count) {
      K key{};
      Get(key);
      Get(values[std::move(key)]);
    }
  }
  template <typename... T>
  void Get(std::variant<T...>& value) {
    const std::size_t index = Number(sizeof...(T) - 1);
    std::size_t i = 0;
    ((i++ == index ? Get(value.template emplace<T>()) : void()), ...);
  }

  ByteReader reader_;
  bool ok_ = true;
};

template <typename T>
std::string EncodeFields(const T& value) {
  Encoder encoder;
  encoder(const_cast<T&>(value));  // an Encoder only reads
  return encoder.Take();
}

template <typename T>
[[nodiscard]] bool DecodeFields(std::string_view bytes, T* value) {
  Decoder decoder(bytes);
  decoder(*value);
  return decoder.complete();
}

}  // namespace trireme
