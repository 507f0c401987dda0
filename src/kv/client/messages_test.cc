#include "kv/client/messages.h"

#include "gtest/gtest.h"

namespace trireme::kv::internal {
namespace {

namespace pb = etcdserverpb;

TEST(KeyRangeTest, PrefixesEndAtTheNextOne) {
  EXPECT_EQ(KeyRange::Prefix("ab").end, "ac");
  EXPECT_EQ(KeyRange::Prefix("a\xff").end, "b");
  EXPECT_EQ(KeyRange::Prefix("\xff\xff").end, std::string(1, '\0')) << "no key is after it";
  EXPECT_EQ(KeyRange::Prefix("").begin, std::string(1, '\0'));
  EXPECT_EQ(KeyRange::Single("k").end, "");
}

TEST(MessagesTest, QueriesCarryEveryField) {
  const pb::RangeRequest request = ToProto(RangeQuery{.range = {"a", "b"},
                                                      .limit = 3,
                                                      .revision = {4},
                                                      .order = Order::kDescending,
                                                      .sort_by = SortBy::kValue,
                                                      .serializable = true,
                                                      .keys_only = true,
                                                      .count_only = true,
                                                      .modified_min = {5},
                                                      .modified_max = {6},
                                                      .created_min = {7},
                                                      .created_max = {8}});
  EXPECT_EQ(request.key() + request.range_end(), "ab");
  EXPECT_EQ(request.limit(), 3);
  EXPECT_EQ(request.revision(), 4);
  EXPECT_EQ(request.sort_order(), pb::RangeRequest::DESCEND);
  EXPECT_EQ(request.sort_target(), pb::RangeRequest::VALUE);
  EXPECT_TRUE(request.serializable() && request.keys_only() && request.count_only());
  EXPECT_EQ(request.min_mod_revision(), 5);
  EXPECT_EQ(request.max_mod_revision(), 6);
  EXPECT_EQ(request.min_create_revision(), 7);
  EXPECT_EQ(request.max_create_revision(), 8);
}

TEST(MessagesTest, ComparesBecomeTheirTargets) {
  const pb::Compare value = ToProto(ValueOf("k") != "v");
  EXPECT_EQ(value.target(), pb::Compare::VALUE);
  EXPECT_EQ(value.result(), pb::Compare::NOT_EQUAL);
  EXPECT_EQ(value.value(), "v");
  const pb::Compare lease = ToProto(LeaseOf("k") == LeaseId{9});
  EXPECT_EQ(lease.target(), pb::Compare::LEASE);
  EXPECT_EQ(lease.lease(), 9);
  EXPECT_EQ(ToProto(CreatedOf("k") < Revision{2}).result(), pb::Compare::LESS);
  EXPECT_EQ(ToProto(ModifiedOf("k") > Revision{2}).mod_revision(), 2);
  EXPECT_EQ(ToProto(VersionOf("k") == Version{2}).version(), 2);
}

TEST(MessagesTest, WritesAreFoundAtAnyDepth) {
  Txn inner;
  inner.Else(Delete("k"));
  Txn outer;
  outer.Then(Get("a"), Get("b"));
  EXPECT_FALSE(Writes(outer));
  outer.Else(Nested(inner));
  EXPECT_TRUE(Writes(outer));
}

TEST(MessagesTest, FencesStandAroundATransaction) {
  Txn inner;
  inner.Fence(CreatedOf("lock") == Revision{3}).Then(Put("k", "v"));
  Txn outer;
  outer.Then(Nested(inner));
  const pb::TxnRequest request = BodyOf(outer);
  const pb::TxnRequest& fenced = request.success(0).request_txn();
  ASSERT_EQ(fenced.compare_size(), 1);
  EXPECT_EQ(fenced.compare(0).create_revision(), 3);
  EXPECT_EQ(fenced.success(0).request_txn().success(0).request_put().key(), "k");
}

TEST(MessagesTest, AnswersOfAnotherShapeAreErrors) {
  Txn txn;
  txn.Then(Get("a"), Put("b", "v"));
  pb::TxnResponse reply;
  reply.set_succeeded(true);
  EXPECT_TRUE(absl::IsInternal(FromProto(txn, reply).status())) << "too few";
  reply.add_responses()->mutable_response_put();
  reply.add_responses()->mutable_response_put();
  EXPECT_TRUE(absl::IsInternal(FromProto(txn, reply).status())) << "not a range";
  reply.mutable_responses(0)->mutable_response_range();
  EXPECT_TRUE(FromProto(txn, reply).ok());
}

}  // namespace
}  // namespace trireme::kv::internal
