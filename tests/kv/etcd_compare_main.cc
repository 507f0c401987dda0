// Random requests to a real etcd and to the model: every answer and every error must be the same.
// Started by tests/kv/compare_with_etcd against an etcd that nobody has written to: etcd_compare
// HOST:PORT SEED REQUESTS
#include <cstdlib>
#include <string>

#include "base/check.h"
#include "etcd/rpc.trireme.h"
#include "fmt/format.h"
#include "kv/model/checks.h"
#include "kv/model/model.h"
#include "kv/model/test_describe.h"
#include "kv/model/test_requests.h"
#include "kv/store/memory_store.h"
#include "rpc/channel.h"

namespace trireme::kv {
namespace {

namespace pb = ::etcdserverpb;

/// Longer than any run: real time ends no lease.
constexpr std::int64_t kTtl = 10'000;

std::string Bytes(std::string_view view) {
  return std::string(view);
}

pb::RangeRequest ToPb(const RangeRequest& r) {
  pb::RangeRequest to;
  to.set_key(Bytes(r.key));
  to.set_range_end(Bytes(r.end));
  to.set_limit(r.limit);
  to.set_revision(r.revision);
  to.set_sort_order(static_cast<pb::RangeRequest::SortOrder>(r.order));
  to.set_sort_target(static_cast<pb::RangeRequest::SortTarget>(r.target));
  to.set_keys_only(r.keys_only);
  to.set_count_only(r.count_only);
  to.set_min_mod_revision(r.min_mod);
  to.set_max_mod_revision(r.max_mod);
  to.set_min_create_revision(r.min_create);
  to.set_max_create_revision(r.max_create);
  return to;
}

pb::PutRequest ToPb(const PutRequest& r) {
  pb::PutRequest to;
  to.set_key(Bytes(r.key));
  to.set_value(Bytes(r.value));
  to.set_lease(r.lease);
  to.set_prev_kv(r.prev_kv);
  to.set_ignore_value(r.ignore_value);
  to.set_ignore_lease(r.ignore_lease);
  return to;
}

pb::DeleteRangeRequest ToPb(const DeleteRangeRequest& r) {
  pb::DeleteRangeRequest to;
  to.set_key(Bytes(r.key));
  to.set_range_end(Bytes(r.end));
  to.set_prev_kv(r.prev_kv);
  return to;
}

pb::Compare ToPb(const Compare& c) {
  pb::Compare to;
  to.set_result(static_cast<pb::Compare::CompareResult>(c.result));
  to.set_target(static_cast<pb::Compare::CompareTarget>(c.target));
  to.set_key(Bytes(c.key));
  to.set_range_end(Bytes(c.end));
  if (c.target == CompareTarget::kVersion) to.set_version(c.number);
  if (c.target == CompareTarget::kCreate) to.set_create_revision(c.number);
  if (c.target == CompareTarget::kMod) to.set_mod_revision(c.number);
  if (c.target == CompareTarget::kLease) to.set_lease(c.number);
  if (c.target == CompareTarget::kValue) to.set_value(Bytes(c.value));
  return to;
}

pb::TxnRequest ToPb(const TxnRequest& txn);

pb::RequestOp ToPb(const RequestOp& op) {
  pb::RequestOp to;
  if (const auto* r = std::get_if<RangeRequest>(&op.request))
    *to.mutable_request_range() = ToPb(*r);
  if (const auto* r = std::get_if<PutRequest>(&op.request)) *to.mutable_request_put() = ToPb(*r);
  if (const auto* r = std::get_if<DeleteRangeRequest>(&op.request))
    *to.mutable_request_delete_range() = ToPb(*r);
  if (const auto* r = std::get_if<TxnRequest>(&op.request)) *to.mutable_request_txn() = ToPb(*r);
  return to;
}

pb::TxnRequest ToPb(const TxnRequest& txn) {
  pb::TxnRequest to;
  for (const Compare& compare : txn.compares) *to.add_compare() = ToPb(compare);
  for (const RequestOp& op : txn.success) *to.add_success() = ToPb(op);
  for (const RequestOp& op : txn.failure) *to.add_failure() = ToPb(op);
  return to;
}

KeyValue FromPb(const ::mvccpb::KeyValue& kv) {
  return {kv.key(), kv.value(), kv.create_revision(), kv.mod_revision(), kv.version(), kv.lease()};
}

RangeResult FromPb(const pb::RangeResponse& r) {
  RangeResult to = {.revision = r.header().revision(), .more = r.more(), .count = r.count()};
  for (const auto& kv : r.kvs()) to.kvs.push_back(FromPb(kv));
  return to;
}

PutResult FromPb(const pb::PutResponse& r) {
  PutResult to = {.revision = r.header().revision()};
  if (r.has_prev_kv()) to.prev = FromPb(r.prev_kv());
  return to;
}

DeleteRangeResult FromPb(const pb::DeleteRangeResponse& r) {
  DeleteRangeResult to = {.revision = r.header().revision(), .deleted = r.deleted()};
  for (const auto& kv : r.prev_kvs()) to.prevs.push_back(FromPb(kv));
  return to;
}

TxnResult FromPb(const pb::TxnResponse& r) {
  TxnResult to = {.revision = r.header().revision(), .succeeded = r.succeeded()};
  for (const auto& op : r.responses()) {
    auto& response = to.responses.emplace_back().response;
    if (op.has_response_range()) response = FromPb(op.response_range());
    if (op.has_response_put()) response = FromPb(op.response_put());
    if (op.has_response_delete_range()) response = FromPb(op.response_delete_range());
    if (op.has_response_txn()) response = FromPb(op.response_txn());
  }
  return to;
}

/// What etcd dies of (3.4: "unexpected error during txn"): a delete to the end of all keys, which
/// its check for duplicates overlooks, and then a put that keeps the value or lease of a key that
/// it deleted.
struct Deadly {
  bool deletes_to_end = false, keeps = false;

  void See(const TxnRequest& txn) {
    for (const auto* ops : {&txn.success, &txn.failure}) {
      for (const RequestOp& op : *ops) {
        if (const auto* t = std::get_if<TxnRequest>(&op.request)) See(*t);
        if (const auto* d = std::get_if<DeleteRangeRequest>(&op.request))
          deletes_to_end = deletes_to_end || d->end == kFromKey;
        if (const auto* p = std::get_if<PutRequest>(&op.request))
          keeps = keeps || p->ignore_value || p->ignore_lease;
      }
    }
  }
};

class Comparison {
 public:
  Comparison(const std::string& address, std::uint64_t seed)
      : channel_(*rpc::Channel::Create(*rpc::ParseAddress(address))),
        kv_(channel_),
        lease_(channel_),
        model_(*Model::Open(store_)),
        requests_(seed) {}

  /// The number of answers that differ.
  int Run(int count) {
    for (int i = 0; i < count && differences_ < 10; ++i) Step(i);
    return differences_;
  }

 private:
  void Step(int i) {
    Random& random = requests_.random();
    const std::int64_t revision = model_->meta().revision, compacted = model_->meta().compacted;
    if (random.OneIn(3)) return Range(i, requests_.Range(revision, compacted));
    Command command = requests_.Any(revision, compacted);
    if (random.OneIn(4)) command.body = requests_.Txn(revision, compacted, 0);  // also unsound ones
    if (auto* put = std::get_if<PutRequest>(&command.body); put != nullptr && random.OneIn(20)) {
      put->key = {};
      put->ignore_value = random.OneIn(2);
    }
    std::visit([&](auto& body) { Send(i, body); }, command.body);
  }

  void Same(int i, const std::string& what, const std::string& theirs, const std::string& ours) {
    if (theirs == ours) return;
    ++differences_;
    fmt::print("request {}, {}\n  etcd:    {}\n  trireme: {}\n", i, what, theirs, ours);
  }

  static std::string Words(const absl::Status& status) {
    return fmt::format("code {}: {}", status.raw_code(),
                       std::string_view(status.message().data(), status.message().size()));
  }

  template <typename Response>
  static std::string Answer(const absl::StatusOr<Response>& response) {
    return response.ok() ? Describe(FromPb(*response)) : Words(response.status());
  }

  std::string Ours(Error checked, const Command& command) {
    if (checked != Error::kNone) return Describe(checked);
    Outcome outcome;
    TRIREME_CHECK(model_->Apply(model_->applied_index() + 1, 1, command, &outcome).ok());
    TRIREME_CHECK(model_->Commit().ok());
    if (outcome.error != Error::kNone) return Describe(outcome.error);
    return std::visit([](const auto& result) { return Describe(result); }, outcome.result);
  }

  void Range(int i, const RangeRequest& request) {
    const auto response = kv_.Range(ToPb(request));
    Error error = Error::kNone;
    RangeResult result;
    TRIREME_CHECK(model_->View()->Range(request, &error, &result).ok());
    const std::string ours = error != Error::kNone ? Describe(error) : Describe(result);
    Same(i, ToPb(request).ShortDebugString(), Answer(response), ours);
  }

  void Send(int i, const PutRequest& request) {
    const auto response = kv_.Put(ToPb(request));
    const std::string ours = Ours(Check(request), {.body = request});
    Same(i, ToPb(request).ShortDebugString(), Answer(response), ours);
  }

  void Send(int i, const DeleteRangeRequest& request) {
    const auto response = kv_.DeleteRange(ToPb(request));
    const std::string ours = Ours(Check(request), {.body = request});
    Same(i, ToPb(request).ShortDebugString(), Answer(response), ours);
  }

  void Send(int i, const TxnRequest& request) {
    Deadly deadly;
    deadly.See(request);
    if (deadly.deletes_to_end && deadly.keeps) return;
    const auto response = kv_.Txn(ToPb(request));
    const std::string ours = Ours(Check(request), {.body = request});
    Same(i, ToPb(request).ShortDebugString(), Answer(response), ours);
  }

  void Send(int i, const CompactRequest& request) {
    pb::CompactionRequest to;
    to.set_revision(request.revision);
    const auto response = kv_.Compact(to);
    const std::string theirs = response.ok() ? "done" : Words(response.status());
    Same(i, "compact " + to.ShortDebugString(), theirs, Ours(Error::kNone, {.body = request}));
  }

  void Send(int i, LeaseGrantRequest& request) {
    if (request.id == kNoLease) return;  // etcd chooses an id, as our server will
    request.ttl_s = request.ttl_s == 1 ? kLeaseTtlMax + 1 : kTtl;
    pb::LeaseGrantRequest to;
    to.set_id(request.id);
    to.set_ttl(request.ttl_s);
    const auto response = lease_.LeaseGrant(to);
    const std::string theirs =
        response.ok() ? Describe(LeaseResult{response->ttl()}) : Words(response.status());
    Same(i, "grant " + to.ShortDebugString(), theirs, Ours(Check(request), {.body = request}));
  }

  void Send(int i, const LeaseRevokeRequest& request) {
    pb::LeaseRevokeRequest to;
    to.set_id(request.id);
    const auto response = lease_.LeaseRevoke(to);
    const std::string theirs = response.ok() ? "done" : Words(response.status());
    Same(i, "revoke " + to.ShortDebugString(), theirs, Ours(Error::kNone, {.body = request}));
  }

  // What has no counterpart among etcd's requests, or runs by its clock.
  void Send(int, const LeaseKeepAliveRequest&) {}
  void Send(int, const TickRequest&) {}
  void Send(int, const ExtendLeasesRequest&) {}
  void Send(int, const NoteRequest&) {}

  std::shared_ptr<rpc::Channel> channel_;
  pb::KVStub kv_;
  pb::LeaseStub lease_;
  MemoryStore store_;
  std::unique_ptr<Model> model_;
  RandomRequests requests_;
  int differences_ = 0;
};

}  // namespace
}  // namespace trireme::kv

int main(int argc, char** argv) {
  if (argc != 4) {
    fmt::print(stderr, "usage: etcd_compare HOST:PORT SEED REQUESTS\n");
    return 2;
  }
  const int requests = std::atoi(argv[3]);
  const int differences =
      trireme::kv::Comparison(argv[1], std::strtoull(argv[2], nullptr, 10)).Run(requests);
  fmt::print("seed {}: {} requests, {} answers differ\n", argv[2], requests, differences);
  return differences == 0 ? 0 : 1;
}
