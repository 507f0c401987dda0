#include <memory>
#include <string>

#include "base/random.h"
#include "etcd/rpc.pb.h"
#include "gtest/gtest.h"
#include "kv/model/model.h"
#include "kv/model/view.h"
#include "kv/server/lease_wire.h"
#include "kv/server/request_wire.h"
#include "kv/server/response_wire.h"
#include "kv/server/watch_wire.h"
#include "kv/store/memory_store.h"

/// Our reading and writing of etcd's messages beside protobuf's own.
namespace trireme::kv::inline engine {
namespace {

namespace pb = ::etcdserverpb;

class Drawn {
 public:
  explicit Drawn(std::uint64_t seed) : random_(seed) {}
  std::int64_t Int() {
    const std::uint64_t bits = random_.Next() >> random_.Below(64);
    return random_.OneIn(4) ? 0 : static_cast<std::int64_t>(bits);
  }
  std::string Text() { return std::string(random_.Below(4) * random_.Below(100), 'x'); }
  bool Bool() { return random_.OneIn(2); }
  int Below(int bound) { return static_cast<int>(random_.Below(bound)); }

 private:
  Random random_;
};

pb::RangeRequest DrawRange(Drawn& drawn) {
  pb::RangeRequest r;
  r.set_key(drawn.Text());
  r.set_range_end(drawn.Text());
  r.set_limit(drawn.Int());
  r.set_revision(drawn.Int());
  r.set_sort_order(static_cast<pb::RangeRequest::SortOrder>(drawn.Below(3)));
  r.set_sort_target(static_cast<pb::RangeRequest::SortTarget>(drawn.Below(5)));
  r.set_serializable(drawn.Bool());
  r.set_keys_only(drawn.Bool());
  r.set_count_only(drawn.Bool());
  r.set_min_mod_revision(drawn.Int());
  r.set_max_mod_revision(drawn.Int());
  r.set_min_create_revision(drawn.Int());
  r.set_max_create_revision(drawn.Int());
  return r;
}

void ExpectSame(const pb::RangeRequest& theirs, const RangeRequest& ours) {
  EXPECT_EQ(theirs.key(), ours.key);
  EXPECT_EQ(theirs.range_end(), ours.end);
  EXPECT_EQ(theirs.limit(), ours.limit);
  EXPECT_EQ(theirs.revision(), ours.revision);
  EXPECT_EQ(theirs.sort_order(), static_cast<int>(ours.order));
  EXPECT_EQ(theirs.sort_target(), static_cast<int>(ours.target));
  EXPECT_EQ(theirs.keys_only(), ours.keys_only);
  EXPECT_EQ(theirs.count_only(), ours.count_only);
  EXPECT_EQ(theirs.min_mod_revision(), ours.min_mod);
  EXPECT_EQ(theirs.max_mod_revision(), ours.max_mod);
  EXPECT_EQ(theirs.min_create_revision(), ours.min_create);
  EXPECT_EQ(theirs.max_create_revision(), ours.max_create);
}

pb::PutRequest DrawPut(Drawn& drawn) {
  pb::PutRequest r;
  r.set_key(drawn.Text());
  r.set_value(drawn.Text());
  r.set_lease(drawn.Int());
  r.set_prev_kv(drawn.Bool());
  r.set_ignore_value(drawn.Bool());
  r.set_ignore_lease(drawn.Bool());
  return r;
}

void ExpectSame(const pb::PutRequest& theirs, const PutRequest& ours) {
  EXPECT_EQ(theirs.key(), ours.key);
  EXPECT_EQ(theirs.value(), ours.value);
  EXPECT_EQ(theirs.lease(), ours.lease);
  EXPECT_EQ(theirs.prev_kv(), ours.prev_kv);
  EXPECT_EQ(theirs.ignore_value(), ours.ignore_value);
  EXPECT_EQ(theirs.ignore_lease(), ours.ignore_lease);
}

TEST(RequestWire, RangesAndPutsAreReadAsProtobufReadsThem) {
  Drawn drawn(1);
  for (int i = 0; i < 1000; ++i) {
    const pb::RangeRequest range = DrawRange(drawn);
    RangeRequest ours;
    bool serializable = false;
    const std::string bytes = range.SerializeAsString();
    ASSERT_TRUE(ParseRange(bytes, &ours, &serializable));
    ExpectSame(range, ours);
    EXPECT_EQ(range.serializable(), serializable);
    const pb::PutRequest put = DrawPut(drawn);
    const std::string put_bytes = put.SerializeAsString();
    PutRequest our_put;
    ASSERT_TRUE(ParsePut(put_bytes, &our_put));
    ExpectSame(put, our_put);
  }
}

pb::TxnRequest SomeTxn(Drawn& drawn) {
  pb::TxnRequest txn;
  auto* compare = txn.add_compare();
  compare->set_result(pb::Compare::GREATER);
  compare->set_target(pb::Compare::VALUE);
  compare->set_key("c");
  compare->set_range_end("d");
  compare->set_value("v");
  auto* number = txn.add_compare();
  number->set_target(pb::Compare::LEASE);
  number->set_key("l");
  number->set_lease(-5);
  auto* mismatched = txn.add_compare();  // etcd compares with the target's default
  mismatched->set_target(pb::Compare::MOD);
  mismatched->set_key("m");
  mismatched->set_version(7);
  *txn.add_success()->mutable_request_put() = DrawPut(drawn);
  auto* del = txn.add_success()->mutable_request_delete_range();
  del->set_key("a");
  del->set_range_end("b");
  del->set_prev_kv(true);
  *txn.add_failure()->mutable_request_txn()->add_success()->mutable_request_range() =
      DrawRange(drawn);
  txn.add_failure();
  return txn;
}

TEST(RequestWire, TransactionsNestAndCompareOnlyWithWhatTheirTargetNames) {
  Drawn drawn(2);
  const pb::TxnRequest txn = SomeTxn(drawn);
  const std::string bytes = txn.SerializeAsString();
  TxnRequest ours;
  bool serializable = true;
  ASSERT_TRUE(ParseTxn(bytes, &ours, &serializable));
  EXPECT_FALSE(serializable);
  ASSERT_EQ(ours.compares.size(), 3u);
  EXPECT_EQ(ours.compares[0].result, CompareResult::kGreater);
  EXPECT_EQ(ours.compares[0].value, "v");
  EXPECT_EQ(ours.compares[0].end, "d");
  EXPECT_EQ(ours.compares[1].target, CompareTarget::kLease);
  EXPECT_EQ(ours.compares[1].number, -5);
  EXPECT_EQ(ours.compares[2].number, 0);
  ExpectSame(txn.success(0).request_put(), std::get<PutRequest>(ours.success[0].request));
  const auto& del = std::get<DeleteRangeRequest>(ours.success[1].request);
  EXPECT_TRUE(del.key == "a" && del.end == "b" && del.prev_kv);
  const auto& nested = std::get<TxnRequest>(ours.failure[0].request);
  ExpectSame(txn.failure(0).request_txn().success(0).request_range(),
             std::get<RangeRequest>(nested.success[0].request));
  EXPECT_TRUE(std::holds_alternative<std::monostate>(ours.failure[1].request));
}

TEST(RequestWire, UnknownEnumsOfComparesAreRefusedAndOfRangesKeptForTheGate) {
  pb::TxnRequest txn;
  txn.add_compare()->set_target(static_cast<pb::Compare::CompareTarget>(9));
  TxnRequest ours;
  bool serializable = false;
  EXPECT_FALSE(ParseTxn(txn.SerializeAsString(), &ours, &serializable));
  pb::RangeRequest range;
  range.set_sort_order(static_cast<pb::RangeRequest::SortOrder>(256));
  RangeRequest our_range;
  ASSERT_TRUE(ParseRange(range.SerializeAsString(), &our_range, &serializable));
  EXPECT_GE(static_cast<int>(our_range.order), kSortOrders);
}

TEST(RequestWire, CutAndChangedMessagesAreReadWithinTheirBytesOrRefused) {
  Drawn drawn(3);
  for (int i = 0; i < 300; ++i) {
    std::string bytes = SomeTxn(drawn).SerializeAsString();
    if (drawn.Bool()) bytes.resize(drawn.Below(static_cast<int>(bytes.size())));
    for (int n = drawn.Below(5); n > 0 && !bytes.empty(); --n)
      bytes[drawn.Below(static_cast<int>(bytes.size()))] = static_cast<char>(drawn.Int());
    TxnRequest ours;
    bool serializable = false;
    if (!ParseTxn(bytes, &ours, &serializable)) continue;
    EXPECT_LE(ours.compares.size() + ours.success.size() + ours.failure.size(), bytes.size());
  }
  EXPECT_FALSE(ParsePut(std::string("\x0a\x05"
                                    "abc"),
                        std::make_unique<PutRequest>().get()));
}

TEST(ResponseWire, ARangeIsReadByProtobuf) {
  MemoryStore store;
  auto model = *Model::Open(store);
  Outcome outcome;
  ASSERT_TRUE(
      model->Apply(1, 3, Command{.body = PutRequest{.key = "a", .value = "1"}}, &outcome).ok());
  ASSERT_TRUE(
      model->Apply(2, 3, Command{.body = PutRequest{.key = "b", .value = ""}}, &outcome).ok());
  ASSERT_TRUE(model->Commit().ok());
  const HeaderWriter header(~0ull, 5);
  std::string bytes;
  Error error = Error::kNone;
  ASSERT_TRUE(AppendRangeResponse(bytes, header, *model->View(),
                                  {.key = "a", .end = "z", .limit = 1}, &error)
                  .ok());
  pb::RangeResponse response;
  ASSERT_TRUE(response.ParseFromString(bytes));
  EXPECT_EQ(response.header().cluster_id(), ~0ull);
  EXPECT_EQ(response.header().member_id(), 5u);
  EXPECT_EQ(response.header().revision(), 3);
  EXPECT_EQ(response.header().raft_term(), 3u);
  ASSERT_EQ(response.kvs_size(), 1);
  EXPECT_EQ(response.kvs(0).key(), "a");
  EXPECT_EQ(response.kvs(0).value(), "1");
  EXPECT_EQ(response.kvs(0).mod_revision(), 2);
  EXPECT_TRUE(response.more());
  EXPECT_EQ(response.count(), 2);
}

TEST(WatchWire, RequestsAndResponses) {
  pb::WatchRequest request;
  auto* create = request.mutable_create_request();
  create->set_key("k");
  create->set_range_end("l");
  create->set_start_revision(-3);
  create->add_filters(pb::WatchCreateRequest::NODELETE);
  create->set_prev_kv(true);
  create->set_watch_id(8);
  create->set_fragment(true);
  WatchMessage message;
  ASSERT_TRUE(ParseWatch(request.SerializeAsString(), &message));
  const auto& ours = std::get<WatchCreate>(message);
  EXPECT_EQ(ours.spec.key, "k");
  EXPECT_EQ(ours.spec.end, "l");
  EXPECT_EQ(ours.spec.start_revision, -3);
  EXPECT_TRUE(ours.spec.no_delete && !ours.spec.no_put && ours.spec.prev_kv && ours.fragment);
  EXPECT_EQ(ours.watch_id, 8);

  const KeyValue previous{.key = "k", .value = "old", .mod_revision = 3};
  std::string bytes;
  AppendWatchAnswer(bytes, HeaderWriter(1, 2), 7,
                    {.revision = 4, .watch_id = -1, .canceled = true});
  AppendWatchEvent(bytes, EventType::kDelete, {.key = "k", .mod_revision = 4}, &previous);
  pb::WatchResponse response;
  ASSERT_TRUE(response.ParseFromString(bytes));
  EXPECT_EQ(response.watch_id(), -1);
  EXPECT_TRUE(response.canceled());
  ASSERT_EQ(response.events_size(), 1);
  EXPECT_EQ(response.events(0).type(), mvccpb::Event::DELETE);
  EXPECT_EQ(response.events(0).kv().mod_revision(), 4);
  EXPECT_EQ(response.events(0).prev_kv().value(), "old");
}

TEST(LeaseWire, TimeToLiveKeepsEmptyAndNegative) {
  const HeaderWriter header(1, 2);
  pb::LeaseTimeToLiveResponse response;
  ASSERT_TRUE(response.ParseFromString(TimeToLiveResponse(
      header, {.revision = 9}, 77, LeaseStatus{.ttl_s = -1, .keys = {"a", ""}})));
  EXPECT_EQ(response.id(), 77);
  EXPECT_EQ(response.ttl(), -1);
  EXPECT_EQ(response.keys_size(), 2);
  EXPECT_EQ(response.header().revision(), 9);
}

}  // namespace
}  // namespace trireme::kv::inline engine
