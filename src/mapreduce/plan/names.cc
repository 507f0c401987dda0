#include "mapreduce/plan/actions.h"
#include "mapreduce/plan/events.h"
#include "mapreduce/plan/snapshot.h"
#include "mapreduce/plan/types.h"

namespace trireme::mapreduce::plan {

const char* Name(Phase phase) {
  return phase == Phase::kMap ? "map" : "reduce";
}

const char* Name(AttemptKind kind) {
  switch (kind) {
    case AttemptKind::kNormal:
      return "normal";
    case AttemptKind::kRetry:
      return "retry";
    case AttemptKind::kBackup:
      return "backup";
  }
  return "?";
}

const char* Name(JobState state) {
  switch (state) {
    case JobState::kMapping:
      return "mapping";
    case JobState::kReducing:
      return "reducing";
    case JobState::kSucceeded:
      return "succeeded";
    case JobState::kFailed:
      return "failed";
    case JobState::kCancelled:
      return "cancelled";
  }
  return "?";
}

const char* Name(Outcome outcome) {
  switch (outcome) {
    case Outcome::kOk:
      return "ok";
    case Outcome::kDuplicate:
      return "duplicate";
    case Outcome::kDiscard:
      return "discard";
    case Outcome::kCommitGranted:
      return "commit granted";
    case Outcome::kCommitWait:
      return "commit wait";
    case Outcome::kUnknownJob:
      return "unknown job";
    case Outcome::kUnknownWorker:
      return "unknown worker";
    case Outcome::kStaleIncarnation:
      return "stale incarnation";
    case Outcome::kUnknownAttempt:
      return "unknown attempt";
    case Outcome::kInvalid:
      return "invalid";
    case Outcome::kOverLimit:
      return "over limit";
  }
  return "?";
}

const char* Name(FailureKind kind) {
  switch (kind) {
    case FailureKind::kUserCode:
      return "user code failed";
    case FailureKind::kInput:
      return "input could not be read";
    case FailureKind::kFetch:
      return "map output could not be fetched";
    case FailureKind::kKilled:
      return "killed";
    case FailureKind::kTimeout:
      return "timed out";
    case FailureKind::kInternal:
      return "worker failed";
    case FailureKind::kBadInput:
      return "bad input";
  }
  return "?";
}

const char* Name(CancelReason reason) {
  switch (reason) {
    case CancelReason::kOtherWon:
      return "other won";
    case CancelReason::kJobOver:
      return "job over";
    case CancelReason::kTimeout:
      return "timeout";
    case CancelReason::kPreempted:
      return "preempted";
    case CancelReason::kNotWanted:
      return "not wanted";
  }
  return "?";
}

const char* Name(AttemptEnd end) {
  switch (end) {
    case AttemptEnd::kRunning:
      return "running";
    case AttemptEnd::kSucceeded:
      return "succeeded";
    case AttemptEnd::kFailed:
      return "failed";
    case AttemptEnd::kKilled:
      return "killed";
    case AttemptEnd::kLostWorker:
      return "lost worker";
  }
  return "?";
}

}  // namespace trireme::mapreduce::plan
