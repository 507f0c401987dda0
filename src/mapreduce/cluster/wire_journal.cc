#include <algorithm>
#include <cstdint>

#include "mapreduce/cluster/wire.h"

namespace trireme::mapreduce::cluster {
namespace {

using plan::AttemptId;
using plan::JobId;

void PutSpan(const std::optional<plan::AttemptSpan>& from, auto* to) {
  if (!from) return;
  v1::AttemptSpan* span = to->mutable_span();
  span->set_start_ms(static_cast<std::uint64_t>(from->start_ms));
  span->set_length_ms(static_cast<std::uint64_t>(from->length_ms));
  span->set_number(from->number);
  span->set_kind(ToWire(from->kind));
}

/// Milliseconds that a timeline has room for.
plan::TimeMs TimelineMs(std::uint64_t ms) {
  return static_cast<plan::TimeMs>(std::min<std::uint64_t>(ms, UINT32_MAX));
}

std::optional<plan::AttemptSpan> SpanOf(const auto& from) {
  if (!from.has_span()) return std::nullopt;
  const v1::AttemptSpan& span = from.span();
  return plan::AttemptSpan{TimelineMs(span.start_ms()), TimelineMs(span.length_ms()), span.number(),
                           FromWire(span.kind())};
}

void Put(const plan::EpochStarted& from, v1::JournalRecord* to) {
  to->mutable_epoch_started()->set_epoch(from.epoch);
}

void Put(const plan::JobAdmitted& from, v1::JournalRecord* to) {
  to->mutable_job_admitted()->set_job(static_cast<std::uint64_t>(from.job));
  *to->mutable_job_admitted()->mutable_spec() = ToWire(from.spec);
  if (from.submitted_ms) to->mutable_job_admitted()->set_submitted_unix_ms(*from.submitted_ms);
}

void Put(const plan::MapSucceeded& from, v1::JournalRecord* to) {
  v1::MapSucceeded* record = to->mutable_map_succeeded();
  record->set_job(static_cast<std::uint64_t>(from.job));
  record->set_map(from.map);
  *record->mutable_worker() = ToWire(from.output.worker);
  record->set_attempt(static_cast<std::uint64_t>(from.output.attempt));
  record->set_size_bytes(from.output.size_bytes);
  PutSpan(from.span, record);
}

void Put(const plan::CommitGranted& from, v1::JournalRecord* to) {
  *to->mutable_commit_granted()->mutable_attempt() = ToWire(from.attempt);
  *to->mutable_commit_granted()->mutable_worker() = ToWire(from.worker);
  PutSpan(from.span, to->mutable_commit_granted());
}

void Put(const plan::TaskCommitted& from, v1::JournalRecord* to) {
  *to->mutable_task_committed()->mutable_attempt() = ToWire(from.attempt);
  *to->mutable_task_committed()->mutable_worker() = ToWire(from.worker);
  to->mutable_task_committed()->set_output_bytes(from.output_bytes);
  PutSpan(from.span, to->mutable_task_committed());
}

void Put(const plan::FailureCounted& from, v1::JournalRecord* to) {
  v1::FailureCounted* record = to->mutable_failure_counted();
  *record->mutable_attempt() = ToWire(from.attempt);
  *record->mutable_worker() = ToWire(from.worker);
  if (from.record) *record->mutable_record() = ToWire(*from.record);
  PutSpan(from.span, record);
}

void Put(const plan::AttemptOver& from, v1::JournalRecord* to) {
  v1::AttemptOver* record = to->mutable_attempt_over();
  *record->mutable_attempt() = ToWire(from.attempt);
  *record->mutable_worker() = ToWire(from.worker);
  record->set_end(static_cast<v1::AttemptEnd>(from.end));
  PutSpan(from.span, record);
}

void Put(const plan::RecordSkipped& from, v1::JournalRecord* to) {
  *to->mutable_record_skipped()->mutable_task() = ToWire(from.task);
  *to->mutable_record_skipped()->mutable_record() = ToWire(from.record);
}

void Put(const plan::JobEnded& from, v1::JournalRecord* to) {
  v1::JobEnded* record = to->mutable_job_ended();
  record->set_job(static_cast<std::uint64_t>(from.job));
  record->set_state(ToWire(from.state));
  if (from.failure) *record->mutable_failure() = ToWire(*from.failure);
  *record->mutable_stats() = ToWire(from.stats);
  record->set_maps_done_ms(static_cast<std::uint64_t>(from.maps_done_ms));
  record->set_ended_ms(static_cast<std::uint64_t>(from.ended_ms));
}

void Put(const plan::JobForgotten& from, v1::JournalRecord* to) {
  to->mutable_job_forgotten()->set_job(static_cast<std::uint64_t>(from.job));
}

plan::JournalRecord Get(const v1::MapSucceeded& from) {
  const plan::MapOutput output{FromWire(from.worker()), AttemptId{from.attempt()},
                               from.size_bytes()};
  return plan::MapSucceeded{JobId{from.job()}, from.map(), output, SpanOf(from)};
}

plan::JournalRecord Get(const v1::JobAdmitted& from) {
  plan::JobAdmitted to{JobId{from.job()}, FromWire(from.spec()), std::nullopt};
  if (from.has_submitted_unix_ms())
    to.submitted_ms = std::max<plan::TimeMs>(from.submitted_unix_ms(), 0);
  return to;
}

plan::JournalRecord Get(const v1::AttemptOver& from) {
  const plan::AttemptEnd end = FromWire(from.end());
  return plan::AttemptOver{FromWire(from.attempt()), FromWire(from.worker()),
                           end == plan::AttemptEnd::kRunning ? plan::AttemptEnd::kKilled : end,
                           SpanOf(from).value_or(plan::AttemptSpan{})};
}

plan::JournalRecord Get(const v1::FailureCounted& from) {
  plan::FailureCounted to{FromWire(from.attempt()), FromWire(from.worker()), std::nullopt,
                          SpanOf(from)};
  if (from.has_record()) to.record = FromWire(from.record());
  return to;
}

plan::JournalRecord Get(const v1::JobEnded& from) {
  plan::JobEnded to{
      JobId{from.job()},      FromWire(from.state()),          std::nullopt,
      FromWire(from.stats()), TimelineMs(from.maps_done_ms()), TimelineMs(from.ended_ms())};
  if (from.has_failure()) to.failure = FromWire(from.failure());
  return to;
}

}  // namespace

v1::JournalRecord ToWire(const plan::JournalRecord& from) {
  v1::JournalRecord to;
  std::visit([&to](const auto& record) { Put(record, &to); }, from);
  return to;
}

std::optional<plan::JournalRecord> FromWire(const v1::JournalRecord& from) {
  switch (from.record_case()) {
    case v1::JournalRecord::kEpochStarted:
      return plan::EpochStarted{from.epoch_started().epoch()};
    case v1::JournalRecord::kJobAdmitted:
      return Get(from.job_admitted());
    case v1::JournalRecord::kMapSucceeded:
      return Get(from.map_succeeded());
    case v1::JournalRecord::kCommitGranted:
      return plan::CommitGranted{FromWire(from.commit_granted().attempt()),
                                 FromWire(from.commit_granted().worker()),
                                 SpanOf(from.commit_granted())};
    case v1::JournalRecord::kTaskCommitted:
      return plan::TaskCommitted{
          FromWire(from.task_committed().attempt()), FromWire(from.task_committed().worker()),
          from.task_committed().output_bytes(), SpanOf(from.task_committed())};
    case v1::JournalRecord::kFailureCounted:
      return Get(from.failure_counted());
    case v1::JournalRecord::kRecordSkipped:
      return plan::RecordSkipped{FromWire(from.record_skipped().task()),
                                 FromWire(from.record_skipped().record())};
    case v1::JournalRecord::kJobEnded:
      return Get(from.job_ended());
    case v1::JournalRecord::kAttemptOver:
      return Get(from.attempt_over());
    case v1::JournalRecord::kJobForgotten:
      return plan::JobForgotten{JobId{from.job_forgotten().job()}};
    default:
      return std::nullopt;
  }
}

}  // namespace trireme::mapreduce::cluster
