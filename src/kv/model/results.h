#pragma once

#include <cstdint>
#include <forward_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "kv/model/errors.h"
#include "kv/model/requests.h"

/// What requests come to, and the changes they made.
namespace trireme::kv::inline engine {

/// A key's version as views, which last until what gave them goes on.
struct KeyValueView {
  std::string_view key;
  std::string_view value;
  std::int64_t create_revision = 0;
  std::int64_t mod_revision = 0;
  std::int64_t version = 0;  ///< Puts since creation.
  LeaseId lease = kNoLease;
};

struct KeyValue {
  std::string key;
  std::string value;
  std::int64_t create_revision = 0;
  std::int64_t mod_revision = 0;
  std::int64_t version = 0;
  LeaseId lease = kNoLease;

  static KeyValue Of(const KeyValueView& v) {
    return {std::string(v.key), std::string(v.value),
            v.create_revision,  v.mod_revision,
            v.version,          v.lease};
  }
  friend bool operator==(const KeyValue&, const KeyValue&) = default;
};

/// `revision` in each: the header's.
struct RangeResult {
  std::int64_t revision = 0;
  std::vector<KeyValue> kvs;
  bool more = false;
  std::int64_t count = 0;  ///< Of all keys in the range, whatever limit and bounds.
};

struct PutResult {
  std::int64_t revision = 0;
  std::optional<KeyValue> prev;
};

struct DeleteRangeResult {
  std::int64_t revision = 0;
  std::int64_t deleted = 0;
  std::vector<KeyValue> prevs;
};

struct ResponseOp;

/// A nested one has the revision 0, as in etcd.
struct TxnResult {
  std::int64_t revision = 0;
  bool succeeded = false;
  std::vector<ResponseOp> responses;
};

struct ResponseOp {
  std::variant<RangeResult, PutResult, DeleteRangeResult, TxnResult> response;
};

struct LeaseResult {
  std::int64_t ttl_s = 0;
};

struct LeaseKeepAliveResult {
  std::vector<std::int64_t> ttls_s;  ///< In the order asked; 0: no such lease.
};

struct TickResult {
  std::vector<LeaseId> expired;
};

enum class EventType : std::uint8_t { kPut, kDelete };

/// A change for those who watch. Views into the command or into the Outcome's `memory`.
struct Event {
  EventType type = EventType::kPut;
  KeyValueView kv;  ///< Of a delete: key and mod_revision only.
  bool created = false;
};

/// What a command did. With an error it changed nothing.
struct Outcome {
  Error error = Error::kNone;
  std::int64_t revision = 0;  ///< After it.
  std::variant<std::monostate, PutResult, DeleteRangeResult, TxnResult, LeaseResult,
               LeaseKeepAliveResult, TickResult>
      result;
  std::vector<Event> events;  ///< By revision, then by order within it.
  std::forward_list<std::string> memory;

  std::string_view Keep(std::string bytes) { return memory.emplace_front(std::move(bytes)); }
};

}  // namespace trireme::kv::inline engine
