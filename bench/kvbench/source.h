#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace trireme::kv::bench {

inline constexpr char kRangeMethod[] = "/etcdserverpb.KV/Range";
inline constexpr char kPutMethod[] = "/etcdserverpb.KV/Put";
inline constexpr char kTxnMethod[] = "/etcdserverpb.KV/Txn";

/// Keys are eight decimal digits: there are at most so many.
inline constexpr std::uint64_t kKeysMax = 100'000'000;
std::string Key(std::uint64_t index);

struct Request {
  std::string_view method;  ///< Empty: the client has nothing more to ask.
  std::string bytes;
};

/// One client's requests. Not thread-safe: it lives on the thread of its client's connection.
class Source {
 public:
  virtual ~Source() = default;
  virtual Request Next() = 0;
  /// Looks at the answer to the last request no more than it must. Not OK: the answer is wrong.
  virtual absl::Status Check(std::string_view reply) = 0;
};

struct SourceOptions {
  std::uint64_t keys = 10'000;  ///< The key space.
  bool random = false;          ///< Keys at random; otherwise each client goes round in its share.
  std::size_t value_bytes = 256;
  std::uint64_t wide_keys = 10'000;  ///< Of a wide range.
};

using MakeSource = std::function<std::unique_ptr<Source>(std::uint64_t client)>;

/// `kind`: put, range, serial-range, txn-put, cas, mix, wide-range, fill. Null: there is no such.
MakeSource SourcesOf(std::string_view kind, const SourceOptions& options, std::uint64_t clients);

/// The revision in the header with which every reply begins; 0: there is none.
std::int64_t HeaderRevision(std::string_view reply);

}  // namespace trireme::kv::bench
