#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "cli/kv/connection.h"
#include "etcd/rpc.pb.h"

namespace trireme::kvcli {

/// What a page should come to, and the longest that is accepted; one key with its value is at most
/// as long as a server's requests.
inline constexpr std::size_t kPageBytesWanted = 4u << 20;
inline constexpr std::size_t kPageBytesMax = 64u << 20;
inline constexpr std::int64_t kPageKeysFirst = 64;
inline constexpr std::int64_t kPageKeysMax = 10'000;

/// Reads all keys of a range at one revision, in order, in pages of bounded size.
class PageReader {
 public:
  PageReader(Connection& cluster, std::string begin, std::string end)
      : cluster_(cluster), begin_(std::move(begin)), end_(std::move(end)) {}

  /// The next page; one without keys is the end.
  absl::StatusOr<etcdserverpb::RangeResponse> Next();
  /// That of the first page, which all others are of too.
  const etcdserverpb::ResponseHeader& header() const { return header_; }

 private:
  absl::StatusOr<etcdserverpb::RangeResponse> Read();

  Connection& cluster_;
  std::string begin_, end_;
  std::int64_t limit_ = kPageKeysFirst;
  bool started_ = false, finished_ = false;
  etcdserverpb::ResponseHeader header_;
};

}  // namespace trireme::kvcli
