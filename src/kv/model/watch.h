#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "kv/model/results.h"
#include "kv/model/view.h"

/// Which events a watch gets, from now on and from history. Not a part of the replicated state:
/// each server has the watches of its own clients.
namespace trireme::kv::inline engine {

using WatchId = std::uint64_t;

struct WatchSpec {
  std::string key;                  ///< Empty: as one zero byte, as etcd takes it.
  std::string end;                  ///< As of a range.
  std::int64_t start_revision = 0;  ///< 0 or less: what comes after the creation.
  bool no_put = false;
  bool no_delete = false;
  bool prev_kv = false;
};

/// A range whose end is not after its key matches nothing; etcd refuses the watch
/// (kWatchRangeEmpty).
bool EmptyRange(const WatchSpec& spec);

/// Where a watch created at `current` begins: `next` is the first revision it has not been given.
/// When that is past `current` it belongs into a WatchIndex at once, otherwise history comes first.
struct WatchStart {
  std::int64_t next = 0;
  bool behind = false;
};
WatchStart StartOf(const WatchSpec& spec, std::int64_t current);

/// An event with what the watch asked for.
struct WatchEvent {
  EventType type = EventType::kPut;
  KeyValue kv;
  std::optional<KeyValue> prev;
};

/// The key's state before `mod_revision`, for a watch with prev_kv; none when it did not exist or
/// has been compacted.
absl::Status PreviousOf(const ReadView& view, std::string_view key, std::int64_t mod_revision,
                        std::optional<KeyValue>* prev);

struct History {
  std::vector<WatchEvent> events;  ///< Of whole revisions, in order.
  std::int64_t next = 0;           ///< Where to go on; past the view's revision: caught up.
  bool compacted = false;          ///< `from` can no longer be read: the watch is cancelled.
};

/// Events of the watch from revision `from` on. Stops after the revision in which keys and values
/// came to `bytes_max`, and when `changes_max` changes have been looked at, so that one step is
/// bounded but for the size of a single revision.
absl::Status ReadHistory(const ReadView& view, const WatchSpec& spec, std::int64_t from,
                         std::size_t bytes_max, std::size_t changes_max, History* history);

/// The watches that have caught up. Finds those of an event in time that grows with the logarithm
/// of the number of different ranges, and with the number found.
class WatchIndex {
 public:
  /// `id` is not in it. Events before `next` are not for this watch.
  void Add(WatchId id, const WatchSpec& spec, std::int64_t next);
  /// Whether it was in it.
  bool Remove(WatchId id);
  std::size_t size() const { return watches_.size(); }

  /// Calls `found` for each watch that wants the event, in an order that depends on ids and ranges
  /// alone.
  void Match(const Event& event, absl::FunctionRef<void(WatchId)> found);

 private:
  struct Watch {
    WatchId id;
    std::int64_t next;
    bool no_put, no_delete;
  };
  /// Watches of one range, by id.
  using Group = std::vector<Watch>;
  struct Place {
    std::string key, end;
  };
  struct KeyHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view key) const {
      return std::hash<std::string_view>()(key);
    }
  };
  /// In ranges_, in order of their beginnings; a balanced tree laid out in place: the root of
  /// [a, b) is in the middle.
  struct Interval {
    std::string_view key, end;  ///< An empty end: no end.
    std::string_view last;      ///< The greatest end in this part of the tree; empty: no end.
    const Group* group;
  };

  void Rebuild();
  std::string_view SetLast(std::size_t from, std::size_t to);
  void MatchRanges(std::size_t from, std::size_t to, const Event& event,
                   absl::FunctionRef<void(WatchId)> found) const;
  static void MatchGroup(const Group& group, const Event& event,
                         absl::FunctionRef<void(WatchId)> found);

  absl::flat_hash_map<WatchId, Place> watches_;
  absl::flat_hash_map<std::string, Group, KeyHash, std::equal_to<>> keys_;
  absl::btree_map<std::pair<std::string, std::string>, Group> ranges_;
  std::vector<Interval> intervals_;  ///< Of ranges_, when fresh_.
  bool fresh_ = true;
};

}  // namespace trireme::kv::inline engine
