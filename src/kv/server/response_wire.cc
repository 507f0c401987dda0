#include "kv/server/response_wire.h"

#include <variant>

#include "base/status_macros.h"
#include "kv/server/wire.h"

namespace trireme::kv::inline engine {
namespace {

/// Of an answer whose memory is taken at once.
constexpr std::size_t kSmallAnswerBytes = 384;

std::size_t SizeOf(const KeyValueView& kv) {
  return wire::FieldSize(1, kv.key) + wire::FieldSize(2, kv.create_revision) +
         wire::FieldSize(3, kv.mod_revision) + wire::FieldSize(4, kv.version) +
         wire::FieldSize(5, kv.value) + wire::FieldSize(6, kv.lease);
}

/// The header of an answer within a transaction has the revision alone; a nested transaction's has
/// nothing (docs/kv-model.md), and then there is none.
void AppendRevision(std::string& to, std::int64_t revision) {
  if (revision == 0) return;
  wire::AppendHead(to, 1, wire::FieldSize(3, revision));
  wire::Append(to, 3, revision);
}

void AppendBody(std::string& to, const RangeResult& result) {
  for (const KeyValue& kv : result.kvs) AppendKeyValue(to, 2, ViewOf(kv));
  wire::Append(to, 3, result.more ? 1 : 0);
  wire::Append(to, 4, result.count);
}
void AppendBody(std::string& to, const PutResult& result) {
  if (result.prev) AppendKeyValue(to, 2, ViewOf(*result.prev));
}
void AppendBody(std::string& to, const DeleteRangeResult& result) {
  wire::Append(to, 2, result.deleted);
  for (const KeyValue& kv : result.prevs) AppendKeyValue(to, 3, ViewOf(kv));
}
void AppendBody(std::string& to, const TxnResult& result);

/// A ResponseOp's fields are numbered in the order of the variant.
void AppendOp(std::string& to, const ResponseOp& op) {
  std::string response;
  std::visit(
      [&](const auto& result) {
        AppendRevision(response, result.revision);
        AppendBody(response, result);
      },
      op.response);
  std::string framed;
  wire::AppendMessage(framed, op.response.index() + 1, response);
  wire::AppendMessage(to, 3, framed);
}

void AppendBody(std::string& to, const TxnResult& result) {
  wire::Append(to, 2, result.succeeded ? 1 : 0);
  for (const ResponseOp& op : result.responses) AppendOp(to, op);
}

}  // namespace

HeaderWriter::HeaderWriter(std::uint64_t cluster_id, std::uint64_t member_id) {
  wire::Append(ids_, 1, static_cast<std::int64_t>(cluster_id));
  wire::Append(ids_, 2, static_cast<std::int64_t>(member_id));
}

void HeaderWriter::Append(std::string& to, std::int64_t revision, std::uint64_t raft_term) const {
  const auto term = static_cast<std::int64_t>(raft_term);
  wire::AppendHead(to, 1, ids_.size() + wire::FieldSize(3, revision) + wire::FieldSize(4, term));
  to.append(ids_);
  wire::Append(to, 3, revision);
  wire::Append(to, 4, term);
}

void AppendKeyValue(std::string& to, std::uint64_t field, const KeyValueView& kv) {
  wire::AppendHead(to, field, SizeOf(kv));
  wire::Append(to, 1, kv.key);
  wire::Append(to, 2, kv.create_revision);
  wire::Append(to, 3, kv.mod_revision);
  wire::Append(to, 4, kv.version);
  wire::Append(to, 5, kv.value);
  wire::Append(to, 6, kv.lease);
}

std::size_t KeyValueFieldSize(std::uint64_t field, const KeyValueView& kv) {
  const std::size_t size = SizeOf(kv);
  return wire::NumberSize(wire::Bytes(field)) + wire::NumberSize(size) + size;
}

KeyValueView ViewOf(const KeyValue& kv) {
  return {kv.key, kv.value, kv.create_revision, kv.mod_revision, kv.version, kv.lease};
}

absl::Status AppendRangeResponse(std::string& to, const HeaderWriter& header, const ReadView& view,
                                 const RangeRequest& request, Error* error) {
  const std::size_t before = to.size();
  to.reserve(before + kSmallAnswerBytes);
  header.Append(to, view.meta().revision, view.meta().applied_term);
  RangeSummary summary;
  TRIREME_RETURN_IF_ERROR(view.Range(
      request, [&to](const KeyValueView& kv) { AppendKeyValue(to, 2, kv); }, &summary));
  *error = summary.error;
  if (summary.error != Error::kNone) {
    to.resize(before);
    return absl::OkStatus();
  }
  wire::Append(to, 3, summary.more ? 1 : 0);
  wire::Append(to, 4, summary.count);
  return absl::OkStatus();
}

void AppendTxnResponse(std::string& to, const HeaderWriter& header, std::uint64_t raft_term,
                       const TxnResult& result) {
  header.Append(to, result.revision, raft_term);
  AppendBody(to, result);
}

void AppendResponse(std::string& to, const HeaderWriter& header, std::uint64_t raft_term,
                    const Outcome& outcome, std::int64_t lease) {
  header.Append(to, outcome.revision, raft_term);
  if (const auto* put = std::get_if<PutResult>(&outcome.result)) AppendBody(to, *put);
  if (const auto* del = std::get_if<DeleteRangeResult>(&outcome.result)) AppendBody(to, *del);
  if (const auto* txn = std::get_if<TxnResult>(&outcome.result)) AppendBody(to, *txn);
  if (const auto* granted = std::get_if<LeaseResult>(&outcome.result)) {
    wire::Append(to, 2, lease);
    wire::Append(to, 3, granted->ttl_s);
  }
}

}  // namespace trireme::kv::inline engine
