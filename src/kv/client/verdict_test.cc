#include "kv/client/verdict.h"

#include <trireme/kv.h>
#include "gtest/gtest.h"
#include "rpc/status.h"

namespace trireme::kv::internal {
namespace {

using absl::StatusCode;

TEST(VerdictTest, WhatDidNotLeaveThisMachineWasNotExecuted) {
  const absl::Status refused = absl::UnavailableError("connection refused");
  EXPECT_EQ(Judge(rpc::WithOutcome(refused, rpc::Outcome::kNotExecuted)), Verdict::kNotExecuted);
  EXPECT_EQ(Judge(rpc::WithOutcome(refused, rpc::Outcome::kUnknown)), Verdict::kUnknown);
}

TEST(VerdictTest, AnAnswerIsFinalUnlessItsCodeSaysThatTheServerDoesNotKnow) {
  for (const StatusCode code :
       {StatusCode::kInvalidArgument, StatusCode::kNotFound, StatusCode::kAlreadyExists,
        StatusCode::kPermissionDenied, StatusCode::kResourceExhausted,
        StatusCode::kFailedPrecondition, StatusCode::kOutOfRange, StatusCode::kUnimplemented,
        StatusCode::kUnauthenticated}) {
    EXPECT_EQ(Judge(absl::Status(code, "etcdserver: something")), Verdict::kFinal);
  }
  for (const StatusCode code :
       {StatusCode::kCancelled, StatusCode::kUnknown, StatusCode::kDeadlineExceeded,
        StatusCode::kAborted, StatusCode::kInternal, StatusCode::kUnavailable,
        StatusCode::kDataLoss}) {
    EXPECT_EQ(Judge(absl::Status(code, "etcdserver: request timed out")), Verdict::kUnknown);
  }
}

TEST(VerdictTest, EtcdRefusesSomeRequestsUnread) {
  EXPECT_EQ(Judge(absl::UnavailableError("etcdserver: no leader")), Verdict::kNotExecuted);
  EXPECT_EQ(Judge(absl::ResourceExhaustedError("etcdserver: too many requests")),
            Verdict::kNotExecuted);
  EXPECT_EQ(Judge(absl::UnknownError("raft proposal dropped")), Verdict::kNotExecuted);
  // This one may come when the leader is lost while the request is under way.
  EXPECT_EQ(Judge(absl::UnavailableError("etcdserver: leader changed")), Verdict::kUnknown);
}

TEST(VerdictTest, MarksAreReadBack) {
  EXPECT_FALSE(MayHaveTakenEffect(absl::UnavailableError("x")));
  EXPECT_TRUE(MayHaveTakenEffect(MarkMaybe(absl::UnavailableError("x"))));
  EXPECT_TRUE(MarkMaybe(absl::OkStatus()).ok());
  EXPECT_EQ(CompactedAt(CompactedError(3, 17)), Revision{17});
  EXPECT_EQ(CompactedAt(absl::OutOfRangeError("x")), std::nullopt);
  EXPECT_TRUE(IsLeaseGone(absl::NotFoundError("etcdserver: requested lease not found")));
  EXPECT_FALSE(IsLeaseGone(absl::NotFoundError("something else")));
}

}  // namespace
}  // namespace trireme::kv::internal
