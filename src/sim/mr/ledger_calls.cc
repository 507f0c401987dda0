#include "sim/mr/ledger_calls.h"

namespace trireme::sim {

namespace pb = ::etcdserverpb;
namespace ledger = mapreduce::ledger;

namespace {

ledger::FoundKey FoundOf(const ::mvccpb::KeyValue& kv) {
  return {kv.key(), kv.value(), kv.create_revision(), kv.mod_revision()};
}

}  // namespace

pb::TxnRequest TxnOf(const ledger::Write& write) {
  pb::TxnRequest request;
  for (const ledger::Condition& condition : write.conditions) {
    pb::Compare& compare = *request.add_compare();
    compare.set_key(condition.key);
    if (condition.field == ledger::Field::kCreated) {
      compare.set_target(pb::Compare::CREATE);
      compare.set_create_revision(condition.equals);
    } else {
      compare.set_target(pb::Compare::MOD);
      compare.set_mod_revision(condition.equals);
    }
  }
  for (const ledger::Range& range : write.deletes) {
    pb::DeleteRangeRequest& gone = *request.add_success()->mutable_request_delete_range();
    gone.set_key(range.begin);
    gone.set_range_end(range.end);
  }
  for (const ledger::Put& put : write.puts) {
    pb::PutRequest& to = *request.add_success()->mutable_request_put();
    to.set_key(put.key);
    to.set_value(put.value);
  }
  for (const std::string& key : write.reads) {
    request.add_failure()->mutable_request_range()->set_key(key);
  }
  return request;
}

ledger::Answer AnswerOf(std::uint64_t id, const pb::TxnResponse& response) {
  if (response.succeeded()) return {id, ledger::Written{response.header().revision()}};
  ledger::Refused refused;
  for (const pb::ResponseOp& one : response.responses()) {
    for (const auto& kv : one.response_range().kvs()) refused.found.push_back(FoundOf(kv));
  }
  return {id, std::move(refused)};
}

pb::RangeRequest RangeOf(const ledger::Read& read) {
  pb::RangeRequest request;
  request.set_key(read.range.begin);
  request.set_range_end(read.range.end);
  request.set_limit(read.limit);
  request.set_revision(read.revision);
  return request;
}

ledger::Page PageOf(const pb::RangeResponse& response) {
  ledger::Page page;
  for (const auto& kv : response.kvs()) page.keys.push_back(FoundOf(kv));
  page.more = response.more();
  page.revision = response.header().revision();
  return page;
}

}  // namespace trireme::sim
