#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

/// What the ledger asks of a store that speaks etcd's v3 API, as plain structs.
namespace trireme::mapreduce::ledger {

/// The leader's key, which lives as long as its leadership, and its create revision.
struct Fence {
  std::string key;
  std::int64_t created = 0;
};

enum class Field : std::uint8_t { kCreated, kModified };

/// The key's revision is `equals`; an absent key's are 0.
struct Condition {
  std::string key;
  Field field = Field::kCreated;
  std::int64_t equals = 0;
};

struct Put {
  std::string key;
  std::string value;
};

/// Keys from `begin` up to and without `end`.
struct Range {
  std::string begin;
  std::string end;
};

/// If all conditions hold, the puts and deletes, as one transaction; if not, a read of `reads`.
struct Write {
  std::uint64_t id = 0;  ///< Of this try.
  std::vector<Condition> conditions;
  std::vector<Put> puts;
  std::vector<Range> deletes;
  std::vector<std::string> reads;
};

struct FoundKey {
  std::string key;
  std::string value;
  std::int64_t created = 0;
  std::int64_t modified = 0;
};

/// It took effect, as this revision.
struct Written {
  std::int64_t revision = 0;
};
/// The conditions did not hold. Those of `reads` that were there at that moment.
struct Refused {
  std::vector<FoundKey> found;
};
/// No answer: it may have taken effect, or may yet.
struct Unknown {};

/// What became of a try.
struct Answer {
  std::uint64_t id = 0;
  std::variant<Written, Refused, Unknown> fate;
};

/// A linearizable read of the keys in a range, in order.
struct Read {
  Range range;
  std::int64_t limit = 0;
  std::int64_t revision = 0;  ///< 0: the newest.
};

struct Page {
  std::vector<FoundKey> keys;
  bool more = false;          ///< The limit cut it short.
  std::int64_t revision = 0;  ///< Of the store when it was read.
};

}  // namespace trireme::mapreduce::ledger
