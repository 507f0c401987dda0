#include "kv/server/watch_wire.h"

#include "base/bytes.h"
#include "kv/server/wire.h"

namespace trireme::kv::inline engine {
namespace {

using wire::Bytes;
using wire::Number;
using wire::Reader;

void AddFilter(WatchSpec& spec, std::uint64_t filter) {
  if (filter == 0) spec.no_put = true;
  if (filter == 1) spec.no_delete = true;
}

/// Repeated enums come packed, from old clients one by one.
bool AddFilters(WatchSpec& spec, std::string_view packed) {
  ByteReader reader(packed);
  std::uint64_t filter = 0;
  while (!reader.empty()) {
    if (!reader.Varint(&filter)) return false;
    AddFilter(spec, filter);
  }
  return true;
}

bool ParseCreate(std::string_view message, WatchCreate* create) {
  Reader reader(message);
  bool sound = true;
  while (sound && reader.Next()) {
    switch (reader.tag()) {
      case Bytes(1):
        create->spec.key = reader.bytes();
        break;
      case Bytes(2):
        create->spec.end = reader.bytes();
        break;
      case Number(3):
        create->spec.start_revision = reader.signed_number();
        break;
      case Number(4):
        create->progress_notify = reader.flag();
        break;
      case Number(5):
        AddFilter(create->spec, reader.number());
        break;
      case Bytes(5):
        sound = AddFilters(create->spec, reader.bytes());
        break;
      case Number(6):
        create->spec.prev_kv = reader.flag();
        break;
      case Number(7):
        create->watch_id = reader.signed_number();
        break;
      case Number(8):
        create->fragment = reader.flag();
        break;
      default:
        break;
    }
  }
  return sound && reader.ok();
}

bool ParseCancel(std::string_view message, WatchCancel* cancel) {
  Reader reader(message);
  while (reader.Next())
    if (reader.tag() == Number(1)) cancel->watch_id = reader.signed_number();
  return reader.ok();
}

}  // namespace

bool ParseWatch(std::string_view message, WatchMessage* request) {
  Reader reader(message);
  bool sound = true;
  while (sound && reader.Next()) {
    if (reader.tag() == Bytes(1))
      sound = ParseCreate(reader.bytes(), &request->emplace<WatchCreate>());
    if (reader.tag() == Bytes(2))
      sound = ParseCancel(reader.bytes(), &request->emplace<WatchCancel>());
    if (reader.tag() == Bytes(3)) request->emplace<WatchProgress>();
  }
  return sound && reader.ok();
}

void AppendWatchAnswer(std::string& to, const HeaderWriter& header, std::uint64_t raft_term,
                       const WatchAnswer& answer) {
  header.Append(to, answer.revision, raft_term);
  wire::Append(to, 2, answer.watch_id);
  wire::Append(to, 3, answer.created ? 1 : 0);
  wire::Append(to, 4, answer.canceled ? 1 : 0);
  wire::Append(to, 5, answer.compact_revision);
  wire::Append(to, 6, answer.cancel_reason);
  wire::Append(to, 7, answer.fragment ? 1 : 0);
}

void AppendWatchEvent(std::string& to, EventType type, const KeyValueView& kv,
                      const KeyValue* prev) {
  const std::int64_t number = type == EventType::kDelete ? 1 : 0;
  std::size_t size = wire::FieldSize(1, number) + KeyValueFieldSize(2, kv);
  if (prev != nullptr) size += KeyValueFieldSize(3, ViewOf(*prev));
  wire::AppendHead(to, 11, size);
  wire::Append(to, 1, number);
  AppendKeyValue(to, 2, kv);
  if (prev != nullptr) AppendKeyValue(to, 3, ViewOf(*prev));
}

}  // namespace trireme::kv::inline engine
