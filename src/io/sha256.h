#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace trireme::io {

inline constexpr std::size_t kSha256Bytes = 32;

/// SHA-256 over bytes as they come.
class Sha256 {
 public:
  Sha256();
  void Add(std::string_view bytes);
  /// Of everything so far; once.
  std::string Finish();

 private:
  std::shared_ptr<evp_md_ctx_st> context_;
};

/// Checks a stream whose last 32 bytes are the SHA-256 of those before them.
class TrailingSha256 {
 public:
  void Add(std::string_view bytes);
  std::uint64_t size_bytes() const { return size_bytes_; }
  /// Once, at the end.
  bool EndsWithItself();

 private:
  Sha256 hash_;
  std::string tail_;  // What may be the hash.
  std::uint64_t size_bytes_ = 0;
};

}  // namespace trireme::io
