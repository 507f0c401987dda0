#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "mapreduce/plan/types.h"

/// What the shell tells the plan. Any event may come late, twice or from the dead: the answer says
/// what it was worth, and nothing is ever counted twice.
namespace trireme::mapreduce::plan {

struct JobSubmitted {
  JobId job{};
  JobSpec spec;
};

struct JobCancelled {
  JobId job{};
};

/// What a worker says of an attempt it has. It goes on listing an attempt until the plan has
/// answered the attempt's final report (AttemptSucceeded or AttemptFailed).
struct AttemptProgress {
  AttemptRef attempt;
  double progress = 0;          ///< 0 to 1; a share of the input's bytes.
  std::uint64_t records = 0;    ///< Any number that grows while the attempt lives.
  bool inputs_fetched = false;  ///< Reduce: no map output will be fetched any more.
  // As it was assigned, for a plan that does not know it any more.
  std::uint32_t number = 0;
  AttemptKind kind = AttemptKind::kNormal;
  TimeMs age_ms = 0;  ///< Since its assignment arrived.
};

/// A worker is there, for the first time or again. With the incarnation known before it keeps its
/// map outputs; with a greater one the old life's outputs and attempts are lost.
struct WorkerRegistered {
  WorkerRef worker;
  std::uint32_t slots = 1;
  std::string host;
  std::vector<AttemptProgress> running;
  /// It has reports to repeat, and a heartbeat follows them: till then it has no slots, and what it
  /// lists is taken over without one.
  bool catches_up = false;
};

/// Renews the lease. An attempt listed here that the plan does not know is cancelled, or adopted
/// when it is of an earlier epoch and its task still wants it.
struct WorkerHeartbeat {
  WorkerRef worker;
  std::uint32_t slots = 1;  ///< Slots it has now, busy ones included; 0 drains it.
  std::vector<AttemptProgress> running;
};

/// The worker is known to be dead or has said goodbye; its outputs are lost with it.
struct WorkerGone {
  WorkerRef worker;
};

/// A reduce attempt (or a map attempt of a map-only job) has its whole output durable under a
/// temporary name and asks whether to rename it. Asked again, the answer is the same.
struct CommitRequested {
  AttemptRef attempt;
  WorkerRef worker;
};

/// A map attempt has its output durable on its worker, or a committing attempt has renamed it.
struct AttemptSucceeded {
  AttemptRef attempt;
  WorkerRef worker;
  std::uint64_t output_bytes = 0;
};

/// A reduce attempt cannot fetch a map output, and goes on waiting for another copy of it. Said
/// again after each new try that failed (about once a second), until MapOutputMoved; when the
/// answer is kDuplicate, that has been missed: look the place up again (FindMapOutput).
struct FetchFailed {
  AttemptRef attempt;       ///< The reduce attempt.
  WorkerRef worker;         ///< Where the reduce attempt runs.
  std::uint32_t map = 0;    ///< The map task.
  AttemptId map_attempt{};  ///< Whose output it is.
  bool corrupt = false;     ///< Fetched, but its checksum is wrong.
};

enum class FailureKind : std::uint8_t {
  kUserCode,  ///< Crash, non-zero exit, out of memory.
  kInput,     ///< The split could not be read.
  kFetch,     ///< Reduce: gave up over a map output (`fetch` says which).
  kKilled,    ///< Stopped for no fault of the task: cancelled, or the worker shuts down.
  kTimeout,   ///< No progress for the job's task timeout.
  kInternal,  ///< The worker's own trouble, such as a full disk.
  kBadInput,  ///< The input's bytes are wrong: the job fails at once, another try reads the same.
};

struct FetchSource {
  std::uint32_t map = 0;
  AttemptId map_attempt{};
  bool corrupt = false;
};

struct AttemptFailed {
  AttemptRef attempt;
  WorkerRef worker;
  FailureKind kind = FailureKind::kUserCode;
  std::string message;
  std::string stderr_tail;
  std::optional<RecordPosition> record;  ///< The one record it was at.
  std::vector<FetchSource> fetch;        ///< kFetch: the outputs it could not have.
};

using Event =
    std::variant<JobSubmitted, JobCancelled, WorkerRegistered, WorkerHeartbeat, WorkerGone,
                 CommitRequested, AttemptSucceeded, FetchFailed, AttemptFailed>;

/// What an event was worth; the shell's answer to whoever sent it. The answer may be given only
/// when the records that came with it are durable (see Output).
enum class Outcome : std::uint8_t {
  kOk,             ///< Applied.
  kDuplicate,      ///< Applied before; answer as if for the first time.
  kDiscard,        ///< Another attempt won, or the job is over: throw the attempt's work away.
  kCommitGranted,  ///< Rename now, then report success.
  kCommitWait,     ///< Another attempt holds the permission: ask again later.
  kUnknownJob,
  kUnknownWorker,     ///< Not registered or lease expired: it must register.
  kStaleIncarnation,  ///< From an earlier life of the worker.
  kUnknownAttempt,    ///< Never assigned there, or given up long ago: as kDiscard.
  kInvalid,           ///< A field is out of range; nothing was changed.
  kOverLimit,         ///< jobs_max, workers_max or tasks_max; nothing was changed.
};

const char* Name(Outcome outcome);
const char* Name(FailureKind kind);

}  // namespace trireme::mapreduce::plan
