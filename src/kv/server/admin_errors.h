#pragma once

#include "absl/status/status.h"

/// etcd's answers to what changes or looks after a cluster (api/v3rpc/rpctypes/error.go).
namespace trireme::kv::inline engine {

inline absl::Status MemberExists() {
  return absl::FailedPreconditionError("etcdserver: member ID already exist");
}
inline absl::Status PeerUrlExists() {
  return absl::FailedPreconditionError("etcdserver: Peer URLs already exists");
}
inline absl::Status NotEnoughStarted() {
  return absl::FailedPreconditionError(
      "etcdserver: re-configuration failed due to not enough started members");
}
inline absl::Status BadPeerUrls() {
  return absl::InvalidArgumentError("etcdserver: given member URLs are invalid");
}
inline absl::Status MemberNotFound() {
  return absl::NotFoundError("etcdserver: member not found");
}
inline absl::Status MemberNotLearner() {
  return absl::FailedPreconditionError("etcdserver: can only promote a learner member");
}
inline absl::Status LearnerNotReady() {
  return absl::FailedPreconditionError(
      "etcdserver: can only promote a learner member which is in sync with leader");
}
inline absl::Status TooManyLearners() {
  return absl::FailedPreconditionError("etcdserver: too many learner members in cluster");
}
inline absl::Status Unhealthy() {
  return absl::UnavailableError("etcdserver: unhealthy cluster");
}
inline absl::Status NotLeader() {
  return absl::FailedPreconditionError("etcdserver: not leader");
}
inline absl::Status BadTransferee() {
  return absl::FailedPreconditionError("etcdserver: bad leader transferee");
}

}  // namespace trireme::kv::inline engine
