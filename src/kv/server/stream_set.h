#pragma once

#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "kv/server/rpc_errors.h"
#include "rpc/server_call.h"

namespace trireme::kv::inline engine {

/// What clients set who would rather ask another member than wait for a leader.
inline bool RequiresLeader(const rpc::ServerCall& call) {
  for (const auto& [key, value] : call.request_metadata())
    if (key == "hasleader") return true;
  return false;
}

/// The long calls of one io thread, to be ended when the server stops or its leader is gone.
class StreamSet {
 public:
  void Add(std::shared_ptr<rpc::ServerCall> call) {
    rpc::ServerCall* key = call.get();
    calls_.emplace(key, std::move(call));
  }
  void Remove(rpc::ServerCall* call) { calls_.erase(call); }

  void EndAll(const absl::Status& status) {
    for (const auto& [key, call] : decltype(calls_)(calls_)) call->Finish(status);
  }
  /// Those that are of no use without a leader.
  void EndLeaderless() {
    for (const auto& [key, call] : decltype(calls_)(calls_))
      if (RequiresLeader(*call)) call->Finish(NoLeader());
  }

 private:
  absl::flat_hash_map<rpc::ServerCall*, std::shared_ptr<rpc::ServerCall>> calls_;
};

/// Membership of a StreamSet for as long as this lives.
class StreamEntry {
 public:
  StreamEntry(StreamSet& set, std::shared_ptr<rpc::ServerCall> call)
      : set_(set), call_(call.get()) {
    set_.Add(std::move(call));
  }
  ~StreamEntry() { set_.Remove(call_); }
  StreamEntry(const StreamEntry&) = delete;
  StreamEntry& operator=(const StreamEntry&) = delete;

 private:
  StreamSet& set_;
  rpc::ServerCall* const call_;
};

}  // namespace trireme::kv::inline engine
