#include <algorithm>
#include <chrono>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "mapreduce/cluster/job_counters.h"
#include "mapreduce/cluster/master.h"

namespace trireme::mapreduce::cluster {

using plan::JobId;
using plan::Outcome;

namespace {

absl::Status NoSuchJob(JobId job) {
  return absl::NotFoundError(fmt::format(
      "job {}: not known here; `trireme mr list` shows those that are", std::uint64_t(job)));
}

v1::SubmitJobReply ReplyFor(JobId job) {
  v1::SubmitJobReply reply;
  reply.set_job(static_cast<std::uint64_t>(job));
  return reply;
}

}  // namespace

std::int64_t UnixMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

absl::Status Master::Validate(const v1::JobSpec& spec, v1::JobDefinition* definition) const {
  if (!definition->ParseFromString(spec.definition()) || definition->output_directory().empty() ||
      definition->setup().empty()) {
    return absl::InvalidArgumentError("the job's definition is not a whole JobDefinition");
  }
  if (static_cast<std::uint32_t>(definition->splits_size()) != spec.maps()) {
    return absl::InvalidArgumentError(fmt::format("the job has {} splits for {} map tasks",
                                                  definition->splits_size(), spec.maps()));
  }
  const std::string& directory = definition->output_directory();
  if (const auto writer = book_.FindWriter(directory)) {
    return absl::AlreadyExistsError(
        fmt::format("--output {}: job {} is writing there; wait for it or name another directory",
                    directory, std::uint64_t(*writer)));
  }
  if (checking_.contains(directory)) {
    return absl::AlreadyExistsError(
        fmt::format("--output {}: another job is being submitted with it", directory));
  }
  return absl::OkStatus();
}

void Master::Submit(v1::SubmitJobRequest request, SubmitReply reply) {
  v1::JobDefinition definition;
  if (definition.ParseFromString(request.spec().definition())) {
    if (const auto known = book_.FindSubmission(definition.submission())) {
      Promise([reply = std::move(reply), job = *known](const absl::Status& closed) mutable {
        closed.ok() ? reply(ReplyFor(job)) : reply(closed);
      });
      return;
    }
    const auto same = checking_.find(definition.output_directory());
    if (same != checking_.end() && same->second.submission == definition.submission()) {
      same->second.again.push_back([this, request = std::move(request),
                                    reply = std::move(reply)](const absl::Status& closed) mutable {
        closed.ok() ? Submit(std::move(request), std::move(reply)) : reply(closed);
      });
      return;
    }
  }
  absl::Status valid = Validate(request.spec(), &definition);
  if (valid.ok() && journal_ != nullptr) valid = journal_->CheckRoom(request.ByteSizeLong());
  if (!valid.ok()) {
    Say([reply = std::move(reply), valid](const absl::Status&) mutable { reply(valid); });
    return;
  }
  const std::string directory = definition.output_directory();
  const bool overwrite = request.overwrite();
  checking_[directory].submission = definition.submission();
  hands_.check_output(directory, overwrite,
                      [self = shared_from_this(), directory, request = std::move(request),
                       reply = std::move(reply)](const absl::Status& status) mutable {
                        self->OnChecked(directory, status, std::move(request), std::move(reply));
                      });
}

void Master::OnChecked(const std::string& directory, const absl::Status& status,
                       v1::SubmitJobRequest request, SubmitReply reply) {
  Checking checked = std::move(checking_.extract(directory).mapped());
  if (!closed_.ok()) {
    reply(closed_);
  } else if (status.ok()) {
    Admit(std::move(request), std::move(reply));
  } else {
    Say([reply = std::move(reply), status](const absl::Status&) mutable { reply(status); });
  }
  for (auto& again : checked.again) again(closed_);
}

void Master::Admit(v1::SubmitJobRequest request, SubmitReply reply) {
  const plan::JobSpec spec = FromWire(request.spec());
  const JobId id = book_.NextId();
  const Outcome outcome = Step(plan::JobSubmitted{id, spec});
  absl::StatusOr<v1::SubmitJobReply> result = ReplyFor(id);
  if (outcome == Outcome::kOk) {
    book_.Admit(id, spec);
  } else if (outcome == Outcome::kOverLimit) {
    result = absl::ResourceExhaustedError(
        fmt::format("the coordinator has {} jobs or the job over {} tasks; wait, or use larger "
                    "splits",
                    planner_.limits().jobs_max, planner_.limits().tasks_max));
  } else {
    result = absl::InvalidArgumentError(fmt::format("the job is {}", plan::Name(outcome)));
  }
  Promise([reply = std::move(reply), result = std::move(result)](
              const absl::Status& closed) mutable { closed.ok() ? reply(result) : reply(closed); });
}

void Master::Cancel(JobId job, absl::AnyInvocable<void(absl::StatusOr<v1::JobStatus>)> reply) {
  const Outcome outcome = Step(plan::JobCancelled{job});
  Promise([this, job, outcome, reply = std::move(reply)](const absl::Status& closed) mutable {
    if (!closed.ok()) return reply(closed);
    if (outcome == Outcome::kUnknownJob) return reply(NoSuchJob(job));
    const auto snapshot = planner_.Snapshot(job);
    if (outcome == Outcome::kDuplicate && snapshot &&
        snapshot->state != plan::JobState::kCancelled) {
      return reply(absl::FailedPreconditionError(
          fmt::format("job {} has {} already: there is nothing to cancel", std::uint64_t(job),
                      plan::Name(snapshot->state))));
    }
    reply(Status(job));
  });
}

absl::StatusOr<v1::JobStatus> Master::Status(JobId job) const {
  const auto snapshot = planner_.Snapshot(job);
  const JobEntry* entry = book_.Find(job);
  if (!snapshot || entry == nullptr) return NoSuchJob(job);
  return StatusOf(*snapshot, *entry);
}

v1::JobStatus Master::StatusOf(const plan::JobSnapshot& snapshot, const JobEntry& entry) const {
  v1::JobStatus to;
  to.set_job(static_cast<std::uint64_t>(snapshot.id));
  to.set_name(snapshot.spec.name);
  to.set_state(ToWire(snapshot.state));
  to.set_priority(snapshot.spec.priority);
  *to.mutable_maps() = ToWire(snapshot.maps);
  *to.mutable_reduces() = ToWire(snapshot.reduces);
  *to.mutable_stats() = ToWire(snapshot.stats);
  to.set_input_files(entry.definition.input_files());
  to.set_input_bytes(entry.definition.input_bytes());
  to.set_input_bytes_read(entry.map_input_bytes);
  to.set_reduce_input_bytes(entry.reduce_input_bytes);
  Counters counters = entry.counters;
  CountJob(snapshot, counters);
  ToWire(counters, to.mutable_counters());
  to.set_output_directory(entry.definition.output_directory());
  to.set_submitted_unix_ms(entry.definition.submitted_unix_ms());
  if (snapshot.failure) {
    *to.mutable_failure() = ToWire(*snapshot.failure);
    if (const v1::WorkerPlace* place = FindPlace(snapshot.failure->worker)) {
      to.set_failed_worker(place->host());
    }
  }
  if (plan::HasEnded(snapshot.state)) {
    to.set_elapsed_ms(entry.announced ? entry.elapsed_ms
                                      : UnixMs() - entry.definition.submitted_unix_ms());
    // Over is what is whole: until `_SUCCESS` is there, the job is not.
    if (!entry.announced) to.set_state(v1::JOB_STATE_REDUCING);
    if (entry.announced && !entry.finish_error.ok()) {
      to.set_state(v1::JOB_STATE_FAILED);
      to.mutable_failure()->set_message(std::string(entry.finish_error.message()));
    }
  } else {
    to.set_elapsed_ms(UnixMs() - entry.definition.submitted_unix_ms());
    AddRunning(snapshot.id, &to);
  }
  return to;
}

void Master::AddRunning(JobId job, v1::JobStatus* to) const {
  std::uint64_t map_bytes = to->input_bytes_read();
  std::uint64_t reduce_bytes = to->reduce_input_bytes();
  for (const auto& [id, session] : sessions_) {
    for (const v1::AttemptProgress& said : session->running) {
      if (said.attempt().task().job() != static_cast<std::uint64_t>(job)) continue;
      v1::RunningAttempt* running = to->add_running();
      *running->mutable_attempt() = said.attempt();
      running->set_worker(static_cast<std::uint64_t>(id));
      running->set_progress(said.progress());
      running->set_bytes(said.bytes());
      (said.attempt().task().reduce() ? reduce_bytes : map_bytes) += said.bytes();
    }
  }
  to->set_input_bytes_read(std::min(map_bytes, to->input_bytes()));
  to->set_reduce_input_bytes(reduce_bytes);
}

v1::ListJobsReply Master::Jobs() const {
  v1::ListJobsReply reply;
  for (const JobId id : planner_.Jobs()) {
    if (auto status = Status(id); status.ok()) *reply.add_jobs() = *std::move(status);
  }
  return reply;
}

v1::ListWorkersReply Master::Workers() const {
  v1::ListWorkersReply reply;
  const plan::TimeMs now = hands_.now();
  for (const plan::WorkerSnapshot& worker : planner_.Workers()) {
    v1::WorkerStatus* to = reply.add_workers();
    *to->mutable_worker() = ToWire(worker.worker);
    to->set_host(worker.host.empty() ? roster_.HostOf(worker.worker.id) : worker.host);
    to->set_alive(worker.alive);
    to->set_slots(worker.slots);
    to->set_busy(worker.busy);
    to->set_speed(worker.speed);
    to->set_heard_ms_ago(now - worker.last_heard_ms);
    if (const v1::WorkerPlace* place = FindPlace(worker.worker)) {
      to->set_shuffle_address(place->shuffle_address());
    }
  }
  return reply;
}

void Master::AppendMetrics(io::MetricsPage& page) {
  const v1::ListJobsReply jobs = Jobs();
  for (const v1::JobStatus& job : jobs.jobs()) counts_.See(JobId{job.job()}, FromWire(job.stats()));
  AppendState(page, jobs, Workers());
  page.Gauge("trireme_mr_epoch", "Lives of this coordinator's state.", epoch());
  page.Gauge("trireme_mr_journal_bytes", "Size of the journal.",
             static_cast<double>(journal_bytes()));
  counts_.AppendTo(page);
}

absl::StatusOr<v1::Timeline> Master::Timeline(JobId job) const {
  TRIREME_ASSIGN_OR_RETURN(const v1::JobStatus status, Status(job));
  const auto snapshot = planner_.Snapshot(job);
  v1::Timeline to;
  *to.mutable_status() = status;
  to.set_maps_done_ms(
      snapshot->maps_done_ms == 0 ? 0 : snapshot->maps_done_ms - snapshot->submitted_ms);
  const JobEntry& entry = *book_.Find(job);
  std::map<plan::AttemptId, int> rows;  // of those whose standard error was kept
  for (const auto& [attempt, tail] : entry.stderr_tails) rows[attempt] = -1;
  for (const plan::AttemptTrace& trace : planner_.Timeline(job)) {
    v1::AttemptTrace* added = to.add_attempts();
    *added->mutable_attempt() = ToWire(trace.attempt);
    if (const auto row = rows.find(trace.attempt.id); row != rows.end())
      row->second = to.attempts_size() - 1;
    added->set_worker(static_cast<std::uint64_t>(trace.worker));
    added->set_start_ms(trace.start_ms - snapshot->submitted_ms);
    added->set_end_ms(trace.end_ms == 0 ? 0 : trace.end_ms - snapshot->submitted_ms);
    added->set_kind(plan::Name(trace.kind));
    added->set_end(plan::Name(trace.end));
    added->set_kind_number(static_cast<std::uint32_t>(trace.kind));
    added->set_end_number(static_cast<std::uint32_t>(trace.end));
    added->set_number(trace.number);
    if (const auto note = entry.notes.find(trace.attempt.id); note != entry.notes.end())
      added->set_note(note->second);
    if (const auto size = entry.sizes.find(trace.attempt.id); size != entry.sizes.end()) {
      added->mutable_result()->set_input_bytes(size->second.input_bytes);
      added->mutable_result()->set_output_bytes(size->second.output_bytes);
      added->mutable_result()->set_input_records(size->second.records);
    }
  }
  for (const auto& [attempt, tail] : entry.stderr_tails) {
    const auto found = rows.find(attempt);
    if (found->second >= 0) to.mutable_attempts(found->second)->set_stderr_tail(tail);
  }
  const v1::ListWorkersReply workers = Workers();
  *to.mutable_workers() = workers.workers();
  return to;
}

// ---- Watchers

void Master::Watch(JobId job, std::unique_ptr<JobWatcher> watcher) {
  if (const auto status = Status(job); !status.ok()) {
    Say([watcher = std::move(watcher), why = status.status()](const absl::Status&) {
      watcher->Finish(why);
    });
    return;
  }
  watchers_[job].push_back({std::move(watcher), 0, {}});
  Say([this](const absl::Status& closed) {
    if (closed.ok()) TellWatchers();
  });
}

void Master::TellWatchers() {
  for (auto at = watchers_.begin(); at != watchers_.end();) {
    const auto status = Status(at->first);
    const JobEntry* entry = book_.Find(at->first);
    const bool ended = entry == nullptr || entry->announced;
    std::erase_if(at->second, [&](Watched& watched) {
      if (status.ok()) return TellWatcher(*status, ended, watched);
      watched.watcher->Finish(status.status());
      return true;
    });
    at = at->second.empty() ? watchers_.erase(at) : std::next(at);
  }
}

/// True when there is nothing more to tell.
bool Master::TellWatcher(const v1::JobStatus& status, bool ended, Watched& watched) const {
  const plan::TimeMs now = hands_.now();
  if (!ended && !watched.last.empty() && now - watched.sent_ms < kWatchIntervalMs) return false;
  std::string bytes = status.SerializeAsString();
  if (bytes != watched.last && !watched.watcher->Send(status)) return true;
  watched.last = std::move(bytes);
  watched.sent_ms = now;
  if (ended) watched.watcher->Finish(absl::OkStatus());
  return ended;
}

}  // namespace trireme::mapreduce::cluster
