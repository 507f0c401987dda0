#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "kv/server/kv_machine.h"
#include "rpc/loop.h"

namespace trireme::kv::inline engine {

/// Tells the server's own waiters that something changed at a key, or what under a prefix.
/// Thread-safe.
class KeyWatch {
 public:
  /// On the loop. Null: nobody knows what changed, if anything; it is in the newest view.
  struct Change {
    EventType type;
    KeyValue kv;
  };
  using Changed = std::function<void(const Change*)>;
  using Id = std::uint64_t;

  /// From here on every change that a view taken afterwards does not have is told; those at a key
  /// as null.
  Id AddKey(std::string key, std::shared_ptr<rpc::Loop> loop, Changed changed);
  Id AddPrefix(std::string prefix, std::shared_ptr<rpc::Loop> loop, Changed changed);
  /// What has been posted may still come.
  void Remove(Id id);

  bool wanted() const { return count_.load() > 0; }
  /// On the thread that applies, after the batch's view was published.
  void OnBatch(const CommittedBatch& batch);

 private:
  struct Waiter {
    std::string place;
    bool prefix = false;
    std::shared_ptr<rpc::Loop> loop;
    std::shared_ptr<const Changed> changed;
  };

  Id Add(Waiter waiter);
  void Tell(Id id, std::shared_ptr<const Change> change) const;
  void Match(const Event& event) const;

  std::atomic<std::size_t> count_{0};
  mutable std::mutex mutex_;  // Guards all below.
  Id last_ = 0;
  absl::flat_hash_map<Id, Waiter> waiters_;
  std::multimap<std::string, Id, std::less<>> keys_, prefixes_;
};

}  // namespace trireme::kv::inline engine
