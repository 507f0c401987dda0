#include "mapreduce/cluster/job_book.h"

#include <algorithm>
#include <utility>

#include "mapreduce/cluster/job_counters.h"

namespace trireme::mapreduce::cluster {

using plan::JobId;

void JobEntry::Count(plan::Phase phase, const TaskResult& result, int sign) {
  Counters said;
  CountTask(phase, map_only, result, said);
  for (const auto& [name, value] : said) counters[name] += sign * value;
  const auto factor = static_cast<std::uint64_t>(static_cast<std::int64_t>(sign));
  (phase == plan::Phase::kMap ? map_input_bytes : reduce_input_bytes) +=
      factor * result.input_bytes;
}

void JobBook::Admit(JobId id, const plan::JobSpec& spec) {
  last_id_ = std::max(last_id_, static_cast<std::uint64_t>(id));
  JobEntry& entry = jobs_[id];
  entry.map_only = spec.reduces == 0;
  // The submitter's bytes were parsed before the job was admitted; a journal's have a checksum.
  (void)entry.definition.ParseFromString(spec.definition);
  submissions_[entry.definition.submission()] = id;
}

void JobBook::Forget(JobId id) {
  const auto found = jobs_.find(id);
  if (found == jobs_.end()) return;
  submissions_.erase(found->second.definition.submission());
  jobs_.erase(found);
}

JobEntry* JobBook::Find(JobId id) {
  const auto found = jobs_.find(id);
  return found == jobs_.end() ? nullptr : &found->second;
}

const JobEntry* JobBook::Find(JobId id) const {
  const auto found = jobs_.find(id);
  return found == jobs_.end() ? nullptr : &found->second;
}

std::optional<JobId> JobBook::FindSubmission(std::uint64_t submission) const {
  const auto found = submissions_.find(submission);
  if (found == submissions_.end()) return std::nullopt;
  return found->second;
}

std::optional<JobId> JobBook::FindWriter(const std::string& output_directory) const {
  for (const auto& [id, entry] : jobs_) {
    if (!entry.finished && entry.definition.output_directory() == output_directory) return id;
  }
  return std::nullopt;
}

void JobBook::Report(const plan::AttemptRef& attempt, TaskResult result) {
  JobEntry* entry = Find(attempt.task.job);
  if (entry == nullptr) return;
  const auto [at, added] = entry->reports.try_emplace(attempt.task);
  if (!added) entry->Count(attempt.task.phase, at->second.result, -1);
  entry->Count(attempt.task.phase, result, 1);
  entry->sizes[attempt.id] = {result.input_bytes, result.output_bytes, result.input_records};
  at->second = {attempt.id, std::move(result)};
}

void JobBook::Note(const plan::AttemptRef& attempt, std::string_view why,
                   std::string_view stderr_tail) {
  JobEntry* entry = Find(attempt.task.job);
  if (entry == nullptr) return;
  if (!stderr_tail.empty()) {
    stderr_tail.remove_prefix(stderr_tail.size() -
                              std::min(stderr_tail.size(), kStderrTailBytesMax));
    entry->stderr_tails.emplace_back(attempt.id, stderr_tail);
    if (entry->stderr_tails.size() > kStderrTailsMax) entry->stderr_tails.pop_front();
  }
  if (entry->notes.size() >= kAttemptNotesMax) return;
  entry->notes.try_emplace(attempt.id, why.substr(0, kAttemptNoteBytesMax));
}

void JobBook::Close(JobId id) {
  JobEntry* entry = Find(id);
  if (entry == nullptr) return;
  entry->closed = true;
  entry->definition.clear_splits();
  entry->reports.clear();
}

void JobBook::Replay(const v1::JournalRecord& record) {
  switch (record.record_case()) {
    case v1::JournalRecord::kJobAdmitted: {
      const JobId id{record.job_admitted().job()};
      if (Find(id) == nullptr) Admit(id, FromWire(record.job_admitted().spec()));
      break;
    }
    case v1::JournalRecord::kTaskReported:
      unclaimed_[record.task_reported().attempt().id()] = FromWire(record.task_reported().result());
      break;
    case v1::JournalRecord::kMapSucceeded: {
      const v1::MapSucceeded& made = record.map_succeeded();
      ReplayWinner(
          {{JobId{made.job()}, plan::Phase::kMap, made.map()}, plan::AttemptId{made.attempt()}});
      break;
    }
    case v1::JournalRecord::kTaskCommitted:
      ReplayWinner(FromWire(record.task_committed().attempt()));
      break;
    case v1::JournalRecord::kJobEnded: {
      const std::uint64_t id = record.job_ended().job();
      Close(JobId{id});
      if (early_totals_.contains(id)) ReplayTotals(early_totals_[id]);
      break;
    }
    case v1::JournalRecord::kJobForgotten:
      Forget(JobId{record.job_forgotten().job()});
      break;
    case v1::JournalRecord::kJobIdsUsed:
      last_id_ = std::max(last_id_, record.job_ids_used().last());
      break;
    case v1::JournalRecord::kJobTotals:
      early_totals_[record.job_totals().job()] = record.job_totals();
      break;
    case v1::JournalRecord::kOutputReady:
      if (JobEntry* entry = Find(JobId{record.output_ready().job()}); entry != nullptr) {
        entry->output_made = entry->output_ready = true;
      }
      break;
    case v1::JournalRecord::kJobFinished:
      if (JobEntry* entry = Find(JobId{record.job_finished().job()}); entry != nullptr) {
        entry->finished = entry->announced = true;
        entry->elapsed_ms = record.job_finished().elapsed_ms();
        const std::string& error = record.job_finished().error();
        if (!error.empty()) entry->finish_error = absl::UnknownError(error);
      }
      break;
    default:
      break;
  }
}

void JobBook::ReplayWinner(const plan::AttemptRef& attempt) {
  const auto said = unclaimed_.find(static_cast<std::uint64_t>(attempt.id));
  if (said == unclaimed_.end()) return;
  Report(attempt, std::move(said->second));
  unclaimed_.erase(said);
}

void JobBook::ReplayTotals(const v1::JobTotals& record) {
  JobEntry* entry = Find(JobId{record.job()});
  if (entry == nullptr) return;
  entry->counters = FromWire(record.counters());
  entry->map_input_bytes = record.map_input_bytes();
  entry->reduce_input_bytes = record.reduce_input_bytes();
}

void JobBook::Checkpoint(std::vector<v1::JournalRecord>* to) const {
  to->emplace_back().mutable_job_ids_used()->set_last(last_id_);
  for (const auto& [id, entry] : jobs_) {
    for (const auto& [task, report] : entry.reports) {
      to->push_back(MakeTaskReported({task, report.attempt}, report.result));
    }
    if (!entry.closed) continue;
    v1::JobTotals* totals = to->emplace_back().mutable_job_totals();
    totals->set_job(static_cast<std::uint64_t>(id));
    ToWire(entry.counters, totals->mutable_counters());
    totals->set_map_input_bytes(entry.map_input_bytes);
    totals->set_reduce_input_bytes(entry.reduce_input_bytes);
  }
}

void JobBook::CheckpointFinished(std::vector<v1::JournalRecord>* to) const {
  for (const auto& [id, entry] : jobs_) {
    if (entry.output_made) to->push_back(MakeOutputReady(id));
    if (entry.finished) to->push_back(MakeJobFinished(id, entry));
  }
}

v1::JournalRecord MakeTaskReported(const plan::AttemptRef& attempt, const TaskResult& result) {
  v1::JournalRecord record;
  *record.mutable_task_reported()->mutable_attempt() = ToWire(attempt);
  *record.mutable_task_reported()->mutable_result() = ToWire(result);
  return record;
}

v1::JournalRecord MakeOutputReady(JobId job) {
  v1::JournalRecord record;
  record.mutable_output_ready()->set_job(static_cast<std::uint64_t>(job));
  return record;
}

v1::JournalRecord MakeJobFinished(JobId job, const JobEntry& entry) {
  v1::JournalRecord record;
  record.mutable_job_finished()->set_job(static_cast<std::uint64_t>(job));
  record.mutable_job_finished()->set_error(std::string(entry.finish_error.message()));
  record.mutable_job_finished()->set_elapsed_ms(entry.elapsed_ms);
  return record;
}

}  // namespace trireme::mapreduce::cluster
