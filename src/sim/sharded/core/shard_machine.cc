#include "sim/sharded/core/shard_machine.h"

#include <algorithm>

#include "base/bytes.h"

namespace trireme::sim::sharded {

ShardMachine ShardMachine::WithEverything() {
  ShardMachine machine;
  for (Place& place : machine.places_) place.holding = Holding::kServing;
  return machine;
}

Result ShardMachine::Apply(const Command& command) {
  return std::visit([this](const auto& one) { return Do(one); }, command);
}

Result ShardMachine::Read(const Get& get) const {
  const Place& place = places_[ShardOf(get.key)];
  if (place.holding != Holding::kServing) return {Code::kWrongGroup, "", 0};
  return place.content.Apply(get);
}

Result ShardMachine::Do(const Put& put) {
  Place& place = places_[ShardOf(put.key)];
  if (place.holding != Holding::kServing) return {Code::kWrongGroup, "", 0};
  return place.content.Apply(put);
}

/// A shard that an earlier move froze and nobody took is given to the later one as it is. None at
/// its number: this move's Delete has been here, so its Install has been there.
Result ShardMachine::Do(const Freeze& freeze) {
  Place& place = places_[freeze.shard];
  if (freeze.number < place.number) return {Code::kStale, "", 0};
  if (place.holding == Holding::kNone) {
    return {freeze.number == place.number ? Code::kGone : Code::kWrongGroup, "", 0};
  }
  place.holding = Holding::kFrozen;
  place.number = freeze.number;
  return {Code::kOk, place.content.Encode(), 0};
}

/// The second time it must not undo what clerks have written since the first.
Result ShardMachine::Do(const Install& install) {
  Place& place = places_[install.shard];
  if (install.number < place.number) return {Code::kStale, "", 0};
  if (install.number == place.number) return {};
  VersionedMap content;
  if (!content.Decode(install.content)) return {Code::kWrongGroup, "", 0};
  place = {Holding::kServing, install.number, std::move(content)};
  return {};
}

Result ShardMachine::Do(const Delete& gone) {
  Place& place = places_[gone.shard];
  if (gone.number < place.number) return {Code::kStale, "", 0};
  if (gone.number == place.number && place.holding == Holding::kFrozen) {
    place = {Holding::kNone, gone.number, {}};
  }
  return {};
}

std::string ShardMachine::Encode() const {
  std::string bytes;
  for (const Place& place : places_) {
    AppendVarint(bytes, static_cast<std::uint64_t>(place.holding));
    AppendVarint(bytes, place.number);
    AppendSized(bytes, place.content.Encode());
  }
  return bytes;
}

bool ShardMachine::Decode(std::string_view bytes) {
  *this = {};
  ByteReader reader(bytes);
  for (Place& place : places_) {
    std::uint64_t holding = 0;
    std::string_view content;
    if (!reader.Varint(&holding) || holding > 2 || !reader.Varint(&place.number) ||
        !reader.Sized(&content) || !place.content.Decode(content)) {
      return false;
    }
    place.holding = static_cast<Holding>(holding);
  }
  return reader.empty();
}

}  // namespace trireme::sim::sharded
