#pragma once

#include <cstdint>
#include <string>

/// How the object store is reached. Credentials are no part of it: every process finds its own.
namespace trireme::mapreduce {

struct S3Options {
  enum class Addressing : std::uint8_t {
    kAuto,     ///< the bucket in the host's name at AWS, in the path elsewhere
    kPath,     ///< ENDPOINT/BUCKET/KEY
    kVirtual,  ///< BUCKET.ENDPOINT/KEY
  };
  std::string endpoint;  ///< http(s)://HOST[:PORT]; empty: the environment's, the profile's, AWS's
  std::string region;    ///< empty: the environment's, the profile's, us-east-1
  Addressing addressing = Addressing::kAuto;
  bool anonymous = false;  ///< sign nothing

  std::uint32_t connections = 32;            ///< at once, of one process
  std::uint32_t attempts_max = 8;            ///< of one request
  std::uint32_t read_ahead = 4;              ///< ranges under way, of one open file
  std::uint64_t read_bytes = 4u << 20;       ///< of one range
  std::uint32_t upload_ahead = 2;            ///< parts under way, of one open file
  std::uint64_t part_bytes = 8u << 20;       ///< of one part of an upload, at first
  std::uint32_t connect_timeout_ms = 5'000;  ///< to be connected
  std::uint32_t stall_timeout_s = 20;        ///< without a byte
  std::uint32_t backoff_ms = 100;            ///< before the second attempt; doubles
  std::uint32_t backoff_ms_max = 10'000;
};

template <typename A>
void Fields(A& archive, S3Options& o) {
  archive(o.endpoint, o.region, o.addressing, o.anonymous, o.connections, o.attempts_max,
          o.read_ahead, o.read_bytes, o.upload_ahead, o.part_bytes, o.connect_timeout_ms,
          o.stall_timeout_s, o.backoff_ms, o.backoff_ms_max);
}

/// S3's own limits, and ours on what a store may answer.
inline constexpr std::uint64_t kS3PartBytesMin = 5u << 20;
inline constexpr std::uint32_t kS3PartsMax = 10'000;
inline constexpr std::size_t kS3KeyBytesMax = 1024;
inline constexpr std::size_t kS3AnswerBytesMax = 64u << 20;  // a manifest is one
inline constexpr std::uint32_t kS3ListKeysMax = 1000;

}  // namespace trireme::mapreduce
