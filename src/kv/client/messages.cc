#include "kv/client/messages.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"

namespace trireme::kv {

// ---- The words of the public header.

KeyRange KeyRange::Single(std::string_view key) {
  return {std::string(key), ""};
}

KeyRange KeyRange::Prefix(std::string_view prefix) {
  if (prefix.empty()) return All();
  // The least key greater than all that begin so: the prefix, its last byte below 0xff one up.
  std::string end(prefix);
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
  if (end.empty()) return From(prefix);
  ++end.back();
  return {std::string(prefix), std::move(end)};
}

KeyRange KeyRange::From(std::string_view key) {
  return {std::string(key), std::string(1, '\0')};
}

KeyRange KeyRange::All() {
  return From(std::string_view("\0", 1));
}

Step Get(std::string_view key) {
  return RangeQuery{.range = KeyRange::Single(key)};
}
Step Get(RangeQuery query) {
  return query;
}
Step Put(std::string_view key, std::string_view value, LeaseId lease) {
  return PutStep{std::string(key), std::string(value), lease};
}
Step Delete(std::string_view key) {
  return DeleteStep{KeyRange::Single(key)};
}
Step Delete(KeyRange range) {
  return DeleteStep{std::move(range)};
}
Step Nested(Txn txn) {
  return TxnStep{std::make_shared<const Txn>(std::move(txn))};
}

namespace internal {
namespace {

namespace pb = etcdserverpb;

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

pb::TxnRequest FencedBodyOf(const Txn& txn) {
  return txn.fences().empty() ? BodyOf(txn) : Under(txn.fences(), BodyOf(txn));
}

pb::RequestOp ToProto(const Step& step) {
  pb::RequestOp op;
  std::visit(
      Overloaded{
          [&](const RangeQuery& query) { *op.mutable_request_range() = internal::ToProto(query); },
          [&](const PutStep& put) {
            *op.mutable_request_put() = PutOf(put.key, put.value, put.lease);
          },
          [&](const DeleteStep& deletion) {
            *op.mutable_request_delete_range() = internal::ToProto(deletion.range);
          },
          [&](const TxnStep& nested) { *op.mutable_request_txn() = FencedBodyOf(*nested.txn); },
      },
      step);
  return op;
}

bool StepWrites(const Step& step) {
  if (const auto* nested = std::get_if<TxnStep>(&step)) return Writes(*nested->txn);
  return !std::holds_alternative<RangeQuery>(step);
}

absl::Status WrongShape() {
  return absl::InternalError(
      "the answer to a transaction has not the shape of the transaction; is the endpoint a store "
      "that speaks etcd's v3 API?");
}

absl::StatusOr<TxnResult> NestedFromProto(const Txn& txn, pb::TxnResponse reply) {
  if (txn.fences().empty()) return FromProto(txn, std::move(reply));
  if (!reply.succeeded()) return TxnResult{};
  if (reply.responses_size() != 1 || !reply.responses(0).has_response_txn()) return WrongShape();
  return FromProto(txn, std::move(*reply.mutable_responses(0)->mutable_response_txn()));
}

absl::StatusOr<StepResult> StepFromProto(const Step& step, pb::ResponseOp reply) {
  if (std::holds_alternative<RangeQuery>(step) && reply.has_response_range()) {
    return StepResult{FromProto(std::move(*reply.mutable_response_range()))};
  }
  if (std::holds_alternative<PutStep>(step) && reply.has_response_put()) {
    return StepResult{Written{}};
  }
  if (std::holds_alternative<DeleteStep>(step) && reply.has_response_delete_range()) {
    return StepResult{FromProto(reply.response_delete_range())};
  }
  if (const auto* nested = std::get_if<TxnStep>(&step); nested && reply.has_response_txn()) {
    TRIREME_ASSIGN_OR_RETURN(
        TxnResult result, NestedFromProto(*nested->txn, std::move(*reply.mutable_response_txn())));
    return StepResult{std::move(result)};
  }
  return WrongShape();
}

}  // namespace

KeyValue FromProto(mvccpb::KeyValue from) {
  return {std::move(*from.mutable_key()), std::move(*from.mutable_value()),
          Version{from.version()},        Revision{from.create_revision()},
          Revision{from.mod_revision()},  LeaseId{from.lease()}};
}

RangeResult FromProto(pb::RangeResponse reply) {
  RangeResult result;
  result.keys.reserve(static_cast<std::size_t>(reply.kvs_size()));
  for (mvccpb::KeyValue& one : *reply.mutable_kvs()) {
    result.keys.push_back(FromProto(std::move(one)));
  }
  result.more = reply.more();
  result.count = reply.count();
  result.revision = {reply.header().revision()};
  return result;
}

DeleteResult FromProto(const pb::DeleteRangeResponse& reply) {
  return {reply.deleted(), Revision{reply.header().revision()}};
}

Event FromProto(mvccpb::Event from) {
  Event event;
  event.kind = from.type() == mvccpb::Event::DELETE ? Event::Kind::kDelete : Event::Kind::kPut;
  if (from.has_prev_kv()) event.previous = FromProto(std::move(*from.mutable_prev_kv()));
  event.key_value = FromProto(std::move(*from.mutable_kv()));
  return event;
}

pb::RangeRequest ToProto(const RangeQuery& query) {
  pb::RangeRequest request;
  request.set_key(query.range.begin);
  request.set_range_end(query.range.end);
  request.set_limit(query.limit);
  request.set_revision(query.revision.value);
  // The enumerators have etcd's numbers.
  request.set_sort_order(static_cast<pb::RangeRequest::SortOrder>(query.order));
  request.set_sort_target(static_cast<pb::RangeRequest::SortTarget>(query.sort_by));
  request.set_serializable(query.serializable);
  request.set_keys_only(query.keys_only);
  request.set_count_only(query.count_only);
  request.set_min_mod_revision(query.modified_min.value);
  request.set_max_mod_revision(query.modified_max.value);
  request.set_min_create_revision(query.created_min.value);
  request.set_max_create_revision(query.created_max.value);
  return request;
}

pb::DeleteRangeRequest ToProto(const KeyRange& range) {
  pb::DeleteRangeRequest request;
  request.set_key(range.begin);
  request.set_range_end(range.end);
  return request;
}

pb::PutRequest PutOf(std::string_view key, std::string_view value, LeaseId lease) {
  pb::PutRequest request;
  request.set_key(key.data(), key.size());
  request.set_value(value.data(), value.size());
  request.set_lease(lease.value);
  return request;
}

pb::Compare ToProto(const Compare& from) {
  constexpr std::array kTargets = {pb::Compare::VERSION, pb::Compare::CREATE, pb::Compare::MOD,
                                   pb::Compare::VALUE, pb::Compare::LEASE};
  constexpr std::array kResults = {pb::Compare::EQUAL, pb::Compare::GREATER, pb::Compare::LESS,
                                   pb::Compare::NOT_EQUAL};
  pb::Compare compare;
  compare.set_key(from.key);
  compare.set_target(kTargets[static_cast<std::size_t>(from.field)]);
  compare.set_result(kResults[static_cast<std::size_t>(from.relation)]);
  const std::int64_t number =
      from.field == Field::kValue ? 0 : std::get<std::int64_t>(from.operand);
  switch (from.field) {
    case Field::kVersion:
      compare.set_version(number);
      break;
    case Field::kCreated:
      compare.set_create_revision(number);
      break;
    case Field::kModified:
      compare.set_mod_revision(number);
      break;
    case Field::kValue:
      compare.set_value(std::get<std::string>(from.operand));
      break;
    case Field::kLease:
      compare.set_lease(number);
      break;
  }
  return compare;
}

pb::TxnRequest BodyOf(const Txn& txn) {
  pb::TxnRequest request;
  for (const Compare& compare : txn.compares()) *request.add_compare() = internal::ToProto(compare);
  for (const Step& step : txn.then_steps()) *request.add_success() = ToProto(step);
  for (const Step& step : txn.else_steps()) *request.add_failure() = ToProto(step);
  return request;
}

pb::TxnRequest Under(const std::vector<Compare>& compares, pb::TxnRequest body) {
  pb::TxnRequest request;
  for (const Compare& compare : compares) *request.add_compare() = internal::ToProto(compare);
  *request.add_success()->mutable_request_txn() = std::move(body);
  return request;
}

bool Writes(const Txn& txn) {
  return std::ranges::any_of(txn.then_steps(), StepWrites) ||
         std::ranges::any_of(txn.else_steps(), StepWrites);
}

absl::StatusOr<TxnResult> FromProto(const Txn& txn, pb::TxnResponse reply) {
  const std::vector<Step>& steps = reply.succeeded() ? txn.then_steps() : txn.else_steps();
  if (static_cast<std::size_t>(reply.responses_size()) < steps.size()) return WrongShape();
  TxnResult result;
  result.succeeded = reply.succeeded();
  result.revision = {reply.header().revision()};
  result.results.reserve(steps.size());
  for (std::size_t i = 0; i < steps.size(); ++i) {
    TRIREME_ASSIGN_OR_RETURN(
        StepResult one,
        StepFromProto(steps[i], std::move(*reply.mutable_responses(static_cast<int>(i)))));
    result.results.push_back(std::move(one));
  }
  return result;
}

absl::Status FenceFailed() {
  return absl::FailedPreconditionError(
      "the transaction was refused: the lock or leadership that fences it has been lost");
}

}  // namespace internal
}  // namespace trireme::kv
