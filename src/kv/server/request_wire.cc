#include "kv/server/request_wire.h"

#include <algorithm>

#include "kv/model/command_codec.h"
#include "kv/server/wire.h"

namespace trireme::kv::inline engine {
namespace {

using wire::Bytes;
using wire::Number;
using wire::Reader;

/// An enum's number as it is, or one that no enum has.
template <typename Enum>
Enum ToEnum(std::uint64_t number) {
  return static_cast<Enum>(std::min<std::uint64_t>(number, UINT8_MAX));
}

struct TxnParser {
  bool serializable = true;
  int depth = 0;

  bool Txn(std::string_view message, TxnRequest* txn);
  bool Op(std::string_view message, RequestOp* op);
  static bool ParseCompare(std::string_view message, Compare* compare);
};

bool TxnParser::ParseCompare(std::string_view message, Compare* compare) {
  constexpr std::uint64_t kUnions[] = {Number(4), Number(5), Number(6), Bytes(7), Number(8)};
  std::uint64_t which = 0;  // of the union, the last one given
  Reader reader(message);
  while (reader.Next()) {
    switch (reader.tag()) {
      case Number(1):
        compare->result = ToEnum<CompareResult>(reader.number());
        break;
      case Number(2):
        compare->target = ToEnum<CompareTarget>(reader.number());
        break;
      case Bytes(3):
        compare->key = reader.bytes();
        break;
      case Bytes(7):
        compare->value = reader.bytes();
        which = reader.tag();
        break;
      case Number(4):
      case Number(5):
      case Number(6):
      case Number(8):
        compare->number = reader.signed_number();
        which = reader.tag();
        break;
      case Bytes(64):
        compare->end = reader.bytes();
        break;
      default:
        break;
    }
  }
  const auto target = static_cast<std::uint8_t>(compare->target);
  if (target >= kCompareTargets || static_cast<std::uint8_t>(compare->result) >= kCompareResults)
    return false;
  if (which != kUnions[target]) {  // what the target needs was not given: its default
    compare->number = 0;
    compare->value = {};
  }
  return reader.ok();
}

bool TxnParser::Op(std::string_view message, RequestOp* op) {
  Reader reader(message);
  bool sound = true;
  while (sound && reader.Next()) {
    bool of_range = false;
    switch (reader.tag()) {
      case Bytes(1):
        sound = ParseRange(reader.bytes(), &op->request.emplace<RangeRequest>(), &of_range);
        break;
      case Bytes(2):
        sound = ParsePut(reader.bytes(), &op->request.emplace<PutRequest>());
        break;
      case Bytes(3):
        sound = ParseDeleteRange(reader.bytes(), &op->request.emplace<DeleteRangeRequest>());
        break;
      case Bytes(4):
        sound = Txn(reader.bytes(), &op->request.emplace<TxnRequest>());
        break;
      default:
        continue;
    }
    serializable = serializable && of_range;
  }
  return sound && reader.ok();
}

bool TxnParser::Txn(std::string_view message, TxnRequest* txn) {
  // One level more than is allowed, so that it is refused by the gate with etcd's words.
  if (++depth > kTxnDepthMax + 1) return false;
  Reader reader(message);
  bool sound = true;
  while (sound && reader.Next()) {
    switch (reader.tag()) {
      case Bytes(1):
        sound = ParseCompare(reader.bytes(), &txn->compares.emplace_back());
        break;
      case Bytes(2):
        sound = Op(reader.bytes(), &txn->success.emplace_back());
        break;
      case Bytes(3):
        sound = Op(reader.bytes(), &txn->failure.emplace_back());
        break;
      default:
        break;
    }
  }
  --depth;
  return sound && reader.ok();
}

}  // namespace

bool ParseRange(std::string_view message, RangeRequest* request, bool* serializable) {
  Reader reader(message);
  while (reader.Next()) {
    switch (reader.tag()) {
      case Bytes(1):
        request->key = reader.bytes();
        break;
      case Bytes(2):
        request->end = reader.bytes();
        break;
      case Number(3):
        request->limit = reader.signed_number();
        break;
      case Number(4):
        request->revision = reader.signed_number();
        break;
      case Number(5):
        request->order = ToEnum<SortOrder>(reader.number());
        break;
      case Number(6):
        request->target = ToEnum<SortTarget>(reader.number());
        break;
      case Number(7):
        *serializable = reader.flag();
        break;
      case Number(8):
        request->keys_only = reader.flag();
        break;
      case Number(9):
        request->count_only = reader.flag();
        break;
      case Number(10):
        request->min_mod = reader.signed_number();
        break;
      case Number(11):
        request->max_mod = reader.signed_number();
        break;
      case Number(12):
        request->min_create = reader.signed_number();
        break;
      case Number(13):
        request->max_create = reader.signed_number();
        break;
      default:
        break;
    }
  }
  return reader.ok();
}

bool ParsePut(std::string_view message, PutRequest* request) {
  Reader reader(message);
  while (reader.Next()) {
    switch (reader.tag()) {
      case Bytes(1):
        request->key = reader.bytes();
        break;
      case Bytes(2):
        request->value = reader.bytes();
        break;
      case Number(3):
        request->lease = reader.signed_number();
        break;
      case Number(4):
        request->prev_kv = reader.flag();
        break;
      case Number(5):
        request->ignore_value = reader.flag();
        break;
      case Number(6):
        request->ignore_lease = reader.flag();
        break;
      default:
        break;
    }
  }
  return reader.ok();
}

bool ParseDeleteRange(std::string_view message, DeleteRangeRequest* request) {
  Reader reader(message);
  while (reader.Next()) {
    switch (reader.tag()) {
      case Bytes(1):
        request->key = reader.bytes();
        break;
      case Bytes(2):
        request->end = reader.bytes();
        break;
      case Number(3):
        request->prev_kv = reader.flag();
        break;
      default:
        break;
    }
  }
  return reader.ok();
}

bool ParseTxn(std::string_view message, TxnRequest* request, bool* serializable) {
  TxnParser parser;
  if (!parser.Txn(message, request)) return false;
  *serializable = parser.serializable;
  return true;
}

bool ParseCompact(std::string_view message, CompactRequest* request, bool* physical) {
  Reader reader(message);
  while (reader.Next()) {
    if (reader.tag() == Number(1)) request->revision = reader.signed_number();
    if (reader.tag() == Number(2)) *physical = reader.flag();
  }
  return reader.ok();
}

}  // namespace trireme::kv::inline engine
