#include "mapreduce/cluster/wire.h"

#include <utility>

#include "mapreduce/engine/number.h"

namespace trireme::mapreduce::cluster {
namespace {

using plan::AttemptId;
using plan::JobId;

template <class Id>
auto Number(Id id) {
  return static_cast<std::uint64_t>(id);
}

}  // namespace

// The enums of the wire are the plan's, number for number.
static_assert(static_cast<int>(plan::Outcome::kOverLimit) == v1::OUTCOME_OVER_LIMIT);
static_assert(static_cast<int>(plan::Outcome::kCommitWait) == v1::OUTCOME_COMMIT_WAIT);
static_assert(static_cast<int>(plan::Outcome::kUnknownWorker) == v1::OUTCOME_UNKNOWN_WORKER);
static_assert(static_cast<int>(plan::JobState::kCancelled) == v1::JOB_STATE_CANCELLED);
static_assert(static_cast<int>(plan::FailureKind::kInternal) == v1::FAILURE_KIND_INTERNAL);
static_assert(static_cast<int>(plan::FailureKind::kBadInput) == v1::FAILURE_KIND_BAD_INPUT);
static_assert(static_cast<int>(plan::AttemptKind::kBackup) == v1::ATTEMPT_KIND_BACKUP);
static_assert(static_cast<int>(plan::AttemptEnd::kLostWorker) == v1::ATTEMPT_END_LOST_WORKER);

v1::TaskRef ToWire(const plan::TaskRef& from) {
  v1::TaskRef to;
  to.set_job(Number(from.job));
  to.set_reduce(from.phase == plan::Phase::kReduce);
  to.set_index(from.index);
  return to;
}

v1::AttemptRef ToWire(const plan::AttemptRef& from) {
  v1::AttemptRef to;
  *to.mutable_task() = ToWire(from.task);
  to.set_id(Number(from.id));
  return to;
}

v1::WorkerRef ToWire(const plan::WorkerRef& from) {
  v1::WorkerRef to;
  to.set_id(Number(from.id));
  to.set_incarnation(Number(from.incarnation));
  return to;
}

v1::RecordPosition ToWire(const plan::RecordPosition& from) {
  v1::RecordPosition to;
  to.set_file(from.file);
  to.set_offset(from.offset);
  return to;
}

v1::JobSpec ToWire(const plan::JobSpec& from) {
  v1::JobSpec to;
  to.set_name(from.name);
  to.set_maps(from.maps);
  to.set_reduces(from.reduces);
  to.set_max_attempts(from.max_attempts);
  to.set_priority(from.priority);
  to.set_backup_tasks(from.backup_tasks);
  to.set_skip_bad_records(from.skip_bad_records);
  to.set_durable_outputs(from.durable_outputs);
  to.set_task_timeout_ms(from.task_timeout_ms);
  to.set_definition(from.definition);
  return to;
}

v1::JobFailure ToWire(const plan::JobFailure& from) {
  v1::JobFailure to;
  *to.mutable_task() = ToWire(from.task);
  to.set_attempt(Number(from.attempt));
  *to.mutable_worker() = ToWire(from.worker);
  to.set_message(from.message);
  if (from.record) *to.mutable_record() = ToWire(*from.record);
  to.set_stderr_tail(from.stderr_tail);
  return to;
}

void ToWire(const Counters& from, google::protobuf::RepeatedPtrField<v1::Counter>* to) {
  for (const auto& [key, value] : from) {
    v1::Counter* counter = to->Add();
    counter->set_group(key.first);
    counter->set_name(key.second);
    counter->set_value(value);
  }
}

v1::JobStats ToWire(const plan::JobStats& from) {
  v1::JobStats to;
  to.set_attempts(from.attempts);
  to.set_failures(from.failures);
  to.set_killed(from.killed);
  to.set_backups(from.backups);
  to.set_backups_won(from.backups_won);
  to.set_outputs_lost(from.outputs_lost);
  to.set_skipped_records(from.skipped_records);
  to.set_map_output_bytes(from.map_output_bytes);
  to.set_output_bytes(from.output_bytes);
  return to;
}

v1::TaskResult ToWire(const TaskResult& from) {
  v1::TaskResult to;
  ToWire(from.counters, to.mutable_counters());
  to.set_input_bytes(from.input_bytes);
  to.set_input_records(from.input_records);
  to.set_output_bytes(from.output_bytes);
  to.set_output_records(from.output_records);
  to.set_spills(from.spills);
  to.set_input_groups(from.input_groups);
  to.set_spilled_records(from.spilled_records);
  return to;
}

v1::Split ToWire(const Split& from) {
  v1::Split to;
  for (const InputRange& range : from.ranges) {
    v1::InputRange* added = to.add_ranges();
    added->set_path(range.path);
    added->set_offset(range.offset);
    added->set_length(range.length);
  }
  return to;
}

v1::AttemptProgress ToWire(const plan::AttemptProgress& from) {
  v1::AttemptProgress to;
  *to.mutable_attempt() = ToWire(from.attempt);
  to.set_progress(from.progress);
  to.set_records(from.records);
  to.set_inputs_fetched(from.inputs_fetched);
  to.set_number(from.number);
  to.set_kind(ToWire(from.kind));
  to.set_age_ms(from.age_ms);
  return to;
}

v1::MapOutput ToWire(std::uint32_t map, const plan::MapOutput& from) {
  v1::MapOutput to;
  to.set_map(map);
  *to.mutable_worker() = ToWire(from.worker);
  to.set_attempt(Number(from.attempt));
  to.set_size_bytes(from.size_bytes);
  return to;
}

v1::PhaseStatus ToWire(const plan::PhaseCounts& from) {
  v1::PhaseStatus to;
  to.set_total(from.total);
  to.set_waiting(from.waiting);
  to.set_running(from.running);
  to.set_succeeded(from.succeeded);
  to.set_progress(from.progress);
  return to;
}

plan::TaskRef FromWire(const v1::TaskRef& from) {
  return {JobId{from.job()}, from.reduce() ? plan::Phase::kReduce : plan::Phase::kMap,
          from.index()};
}

plan::AttemptRef FromWire(const v1::AttemptRef& from) {
  return {FromWire(from.task()), AttemptId{from.id()}};
}

plan::WorkerRef FromWire(const v1::WorkerRef& from) {
  return {plan::WorkerId{from.id()}, plan::Incarnation{from.incarnation()}};
}

plan::RecordPosition FromWire(const v1::RecordPosition& from) {
  return {from.file(), from.offset()};
}

plan::JobSpec FromWire(const v1::JobSpec& from) {
  plan::JobSpec to;
  to.name = from.name();
  to.maps = from.maps();
  to.reduces = from.reduces();
  to.max_attempts = from.max_attempts();
  to.priority = from.priority();
  to.backup_tasks = from.backup_tasks();
  to.skip_bad_records = from.skip_bad_records();
  to.durable_outputs = from.durable_outputs();
  to.task_timeout_ms = from.task_timeout_ms();
  to.definition = from.definition();
  return to;
}

plan::JobFailure FromWire(const v1::JobFailure& from) {
  plan::JobFailure to;
  to.task = FromWire(from.task());
  to.attempt = AttemptId{from.attempt()};
  to.worker = FromWire(from.worker());
  to.message = from.message();
  if (from.has_record()) to.record = FromWire(from.record());
  to.stderr_tail = from.stderr_tail();
  return to;
}

Counters FromWire(const google::protobuf::RepeatedPtrField<v1::Counter>& from) {
  Counters to;
  for (const v1::Counter& counter : from) {
    std::int64_t& sum = to[{counter.group(), counter.name()}];
    sum = WrappingSum(sum, counter.value());
  }
  return to;
}

plan::JobStats FromWire(const v1::JobStats& from) {
  plan::JobStats to;
  to.attempts = from.attempts();
  to.failures = from.failures();
  to.killed = from.killed();
  to.backups = from.backups();
  to.backups_won = from.backups_won();
  to.outputs_lost = from.outputs_lost();
  to.skipped_records = from.skipped_records();
  to.map_output_bytes = from.map_output_bytes();
  to.output_bytes = from.output_bytes();
  return to;
}

TaskResult FromWire(const v1::TaskResult& from) {
  TaskResult to;
  to.counters = FromWire(from.counters());
  to.input_bytes = from.input_bytes();
  to.input_records = from.input_records();
  to.output_bytes = from.output_bytes();
  to.output_records = from.output_records();
  to.spills = from.spills();
  to.input_groups = from.input_groups();
  to.spilled_records = from.spilled_records();
  return to;
}

Split FromWire(const v1::Split& from) {
  Split to;
  to.ranges.reserve(static_cast<std::size_t>(from.ranges_size()));
  for (const v1::InputRange& range : from.ranges()) {
    to.ranges.push_back({range.path(), range.offset(), range.length()});
  }
  return to;
}

plan::AttemptProgress FromWire(const v1::AttemptProgress& from) {
  return {FromWire(from.attempt()),
          from.progress(),
          from.records(),
          from.inputs_fetched(),
          from.number(),
          FromWire(from.kind()),
          from.age_ms()};
}

plan::FetchSource FromWire(const v1::FetchSource& from) {
  return {from.map(), AttemptId{from.map_attempt()}, from.corrupt()};
}

plan::FailureKind FromWire(v1::FailureKind from) {
  return v1::FailureKind_IsValid(from) ? static_cast<plan::FailureKind>(from)
                                       : plan::FailureKind::kInternal;
}

plan::AttemptKind FromWire(v1::AttemptKind from) {
  return v1::AttemptKind_IsValid(from) ? static_cast<plan::AttemptKind>(from)
                                       : plan::AttemptKind::kNormal;
}

plan::AttemptEnd FromWire(v1::AttemptEnd from) {
  return v1::AttemptEnd_IsValid(from) ? static_cast<plan::AttemptEnd>(from)
                                      : plan::AttemptEnd::kKilled;
}

plan::JobState FromWire(v1::JobState from) {
  return v1::JobState_IsValid(from) ? static_cast<plan::JobState>(from) : plan::JobState::kFailed;
}

plan::AttemptFailed FromWire(const v1::AttemptFailed& from, plan::WorkerRef worker) {
  plan::AttemptFailed to;
  to.attempt = FromWire(from.attempt());
  to.worker = worker;
  to.kind = FromWire(from.kind());
  to.message = from.message();
  to.stderr_tail = from.stderr_tail();
  if (from.has_record()) to.record = FromWire(from.record());
  for (const v1::FetchSource& source : from.fetch()) to.fetch.push_back(FromWire(source));
  return to;
}

}  // namespace trireme::mapreduce::cluster
