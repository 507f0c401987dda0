#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "kv/model/watch.h"
#include "kv/server/response_wire.h"

/// etcd's watch messages.
namespace trireme::kv::inline engine {

struct WatchCreate {
  WatchSpec spec;
  std::int64_t watch_id = 0;  ///< 0: the server chooses.
  bool progress_notify = false;
  bool fragment = false;
};
struct WatchCancel {
  std::int64_t watch_id = 0;
};
struct WatchProgress {};
/// std::monostate: a message that asks for nothing, to which etcd says nothing.
using WatchMessage = std::variant<std::monostate, WatchCreate, WatchCancel, WatchProgress>;

/// False: the bytes are no WatchRequest.
bool ParseWatch(std::string_view message, WatchMessage* request);

/// A WatchResponse without its events.
struct WatchAnswer {
  std::int64_t revision = 0;
  std::int64_t watch_id = 0;
  bool created = false;
  bool canceled = false;
  std::int64_t compact_revision = 0;
  std::string_view cancel_reason;
  bool fragment = false;
};
void AppendWatchAnswer(std::string& to, const HeaderWriter& header, std::uint64_t raft_term,
                       const WatchAnswer& answer);
/// As one of a WatchResponse's events; `prev` may be null.
void AppendWatchEvent(std::string& to, EventType type, const KeyValueView& kv,
                      const KeyValue* prev);

}  // namespace trireme::kv::inline engine
