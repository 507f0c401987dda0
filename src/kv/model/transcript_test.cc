// What requests come to, in the words of etcd's clients: a short history of every kind of request,
// and every error.
#include <gtest/gtest.h>

#include "kv/model/checks.h"
#include "kv/model/model.h"
#include "kv/model/test_describe.h"
#include "kv/model/test_store.h"

namespace trireme::kv::inline engine {
namespace {

class Transcript : public ::testing::Test {
 protected:
  std::string Do(const Command& command) {
    Outcome outcome;
    EXPECT_TRUE(model_->Apply(model_->applied_index() + 1, 1, command, &outcome).ok());
    EXPECT_TRUE(model_->Commit().ok());
    return Describe(outcome);
  }
  std::string Get(const RangeRequest& request) {
    Error error = Error::kNone;
    RangeResult result;
    EXPECT_TRUE(model_->View()->Range(request, &error, &result).ok());
    return error != Error::kNone ? Describe(error) : Describe(result);
  }

  TestStore store_;
  std::unique_ptr<Model> model_ = *Model::Open(store_);
};

TEST_F(Transcript, Keys) {
  EXPECT_EQ(Do({.body = PutRequest{.key = "a", .value = "1"}}),
            "put at 2; revision 2\n  CREATE \"a\"=\"1\" create 2 mod 2 version 1");
  EXPECT_EQ(Do({.body = PutRequest{.key = "a", .value = "2", .prev_kv = true}}),
            "put at 3, was \"a\"=\"1\" create 2 mod 2 version 1; revision 3\n"
            "  PUT \"a\"=\"2\" create 2 mod 3 version 2");
  EXPECT_EQ(Get({.key = "a", .revision = 2}),
            "range at 3 count 1; \"a\"=\"1\" create 2 mod 2 version 1");
  EXPECT_EQ(Do({.body = DeleteRangeRequest{.key = "a", .end = "b"}}),
            "deleted 1 at 4; revision 4\n  DELETE \"a\" mod 4");
  EXPECT_EQ(Do({.body = DeleteRangeRequest{.key = "a"}}), "deleted 0 at 4; revision 4");
  EXPECT_EQ(Do({.body = PutRequest{.key = "a", .value = "3"}}),
            "put at 5; revision 5\n  CREATE \"a\"=\"3\" create 5 mod 5 version 1");
  EXPECT_EQ(Do({.body = PutRequest{.key = "b", .ignore_value = true}}),
            "code 3: etcdserver: key not found");
}

TEST_F(Transcript, RevisionsOutOfReach) {
  Do({.body = PutRequest{.key = "a", .value = "1"}});
  Do({.body = PutRequest{.key = "a", .value = "2"}});
  EXPECT_EQ(Get({.key = "a", .revision = 4}),
            "code 11: etcdserver: mvcc: required revision is a future revision");
  EXPECT_EQ(Do({.body = CompactRequest{4}}),
            "code 11: etcdserver: mvcc: required revision is a future revision");
  EXPECT_EQ(Do({.body = CompactRequest{3}}), "done; revision 3");
  EXPECT_EQ(Do({.body = CompactRequest{3}}),
            "code 11: etcdserver: mvcc: required revision has been compacted");
  EXPECT_EQ(Get({.key = "a", .revision = 2}),
            "code 11: etcdserver: mvcc: required revision has been compacted");
  EXPECT_EQ(Get({.key = "a", .revision = 3}),
            "range at 3 count 1; \"a\"=\"2\" create 2 mod 3 version 2");
}

TEST_F(Transcript, Leases) {
  EXPECT_EQ(Do({.body = PutRequest{.key = "a", .lease = 7}}),
            "code 5: etcdserver: requested lease not found");
  EXPECT_EQ(Do({.time_ms = 1000, .body = LeaseGrantRequest{7, 10}}), "lease for 10 s; revision 1");
  EXPECT_EQ(Do({.body = LeaseGrantRequest{7, 10}}), "code 9: etcdserver: lease already exists");
  EXPECT_EQ(Do({.body = LeaseGrantRequest{8, kLeaseTtlMax + 1}}),
            "code 11: etcdserver: too large lease TTL");
  Do({.body = PutRequest{.key = "a", .value = "x", .lease = 7}});
  Do({.body = PutRequest{.key = "b", .value = "y", .lease = 7}});
  EXPECT_EQ(Do({.time_ms = 5000, .body = LeaseKeepAliveRequest{{7, 9}}}),
            "kept alive for 10, 0 s; revision 3");
  const auto status = model_->View()->TimeToLive(7, 6500, true);
  EXPECT_EQ(status->ttl_s, 8);
  EXPECT_EQ(status->granted_ttl_s, 10);
  EXPECT_EQ(status->keys, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(model_->View()->TimeToLive(9, 6500, true)->ttl_s, -1);
  EXPECT_EQ(*model_->View()->Leases(), std::vector<LeaseId>{7});
  EXPECT_EQ(Do({.time_ms = 14'999, .body = TickRequest{}}), "expired []; revision 3");
  Do({.time_ms = 14'999, .body = ExtendLeasesRequest{1000}});
  EXPECT_EQ(Do({.time_ms = 25'998, .body = TickRequest{}}), "expired []; revision 3");
  EXPECT_EQ(Do({.time_ms = 25'999, .body = TickRequest{}}),
            "expired [7]; revision 4\n  DELETE \"a\" mod 4\n  DELETE \"b\" mod 4");
  EXPECT_EQ(Do({.body = LeaseRevokeRequest{7}}), "code 5: etcdserver: requested lease not found");
}

TEST_F(Transcript, ATransactionSeesItsOwnWritesAndComparesWhatWasBefore) {
  TxnRequest nested;
  nested.compares.push_back({.target = CompareTarget::kVersion, .key = "a", .number = 0});
  nested.success.push_back({RangeRequest{.key = "a"}});
  TxnRequest txn;
  txn.success = {{PutRequest{.key = "a", .value = "1"}}, {std::move(nested)}};
  EXPECT_EQ(Do({.body = std::move(txn)}),
            "txn at 2 then [put at 2 | txn at 0 then [range at 2 count 1; "
            "\"a\"=\"1\" create 2 mod 2 version 1 | ] | ]; revision 2\n"
            "  CREATE \"a\"=\"1\" create 2 mod 2 version 1");
}

TEST(Checks, WhatNoStateMakesRight) {
  EXPECT_EQ(Describe(Check(RangeRequest{})), "code 3: etcdserver: key is not provided");
  EXPECT_EQ(Describe(Check(DeleteRangeRequest{})), "code 3: etcdserver: key is not provided");
  EXPECT_EQ(Describe(Check(RangeRequest{.key = "k", .target = SortTarget{9}})),
            "code 3: etcdserver: invalid sort option");
  EXPECT_EQ(Describe(Check(PutRequest{.key = "k", .value = "v", .ignore_value = true})),
            "code 3: etcdserver: value is provided");
  EXPECT_EQ(Describe(Check(PutRequest{.key = "k", .lease = 1, .ignore_lease = true})),
            "code 3: etcdserver: lease is provided");
  TxnRequest empty_op;
  empty_op.success.resize(1);
  EXPECT_EQ(Describe(Check(empty_op)), "code 3: etcdserver: key not found");
  TxnRequest twice;
  twice.success = {{PutRequest{.key = "k"}}, {DeleteRangeRequest{.key = "a", .end = "z"}}};
  EXPECT_EQ(Describe(Check(twice)), "code 3: etcdserver: duplicate key given in txn request");
  EXPECT_EQ(Describe(Error::kRequestTooLarge), "code 3: etcdserver: request is too large");
  EXPECT_EQ(Describe(Error::kNoSpace), "code 8: etcdserver: mvcc: database space exceeded");
}

TEST(Checks, OperationsAreCountedWithThoseAroundThem) {
  TxnRequest inner;
  inner.failure.assign(3, {RangeRequest{.key = "k"}});
  TxnRequest outer;
  outer.success = {{inner}, {RangeRequest{.key = "k"}}};
  EXPECT_EQ(Check(outer, 5), Error::kNone);
  EXPECT_EQ(Describe(Check(outer, 4)), "code 3: etcdserver: too many operations in txn request");
}

TEST(Checks, BothBranchesMayPutAKey) {
  TxnRequest branches;
  branches.success = {{PutRequest{.key = "k"}}};
  branches.failure = {{PutRequest{.key = "k"}}};
  EXPECT_EQ(Check(branches), Error::kNone);
  TxnRequest outer;
  outer.success = {{branches}};
  EXPECT_EQ(Check(outer), Error::kNone);
  outer.success.push_back({PutRequest{.key = "k"}});
  EXPECT_EQ(Check(outer), Error::kDuplicateKey);
}

}  // namespace
}  // namespace trireme::kv::inline engine
