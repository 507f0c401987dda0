#include "mapreduce/cluster/master.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/log.h"
#include "mapreduce/plan/describe.h"

namespace trireme::mapreduce::cluster {

using plan::JobId;
using plan::Outcome;

Master::Master(plan::Limits limits, Hands hands, std::unique_ptr<Journal> journal)
    : hands_(std::move(hands)), journal_(std::move(journal)), planner_(limits) {}

absl::StatusOr<std::unique_ptr<Master>> Master::Create(plan::Limits limits, Hands hands,
                                                       Journal::Opened opened) {
  std::unique_ptr<Master> master(new Master(limits, std::move(hands), std::move(opened.journal)));
  if (!opened.batches.empty()) {
    TRIREME_RETURN_IF_ERROR(master->Replay(opened.batches, master->journal_->path()));
  }
  return master;
}

absl::Status Master::Replay(const std::vector<std::string>& batches, const std::string& path) {
  std::vector<plan::JournalRecord> records;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    v1::JournalBatch batch;
    if (!batch.ParseFromString(batches[i])) {
      return absl::DataLossError(fmt::format(
          "{}: batch {} is not a JournalBatch; was it written by another version?", path, i));
    }
    for (const v1::JournalRecord& record : batch.records()) {
      book_.Replay(record);
      if (auto known = FromWire(record)) records.push_back(*std::move(known));
    }
  }
  planner_ = plan::Planner::Restore(records, hands_.now(), planner_.limits());
  return absl::OkStatus();
}

// ---- Workers

void Master::Receive(const std::shared_ptr<Session>& session, v1::WorkerMessage message) {
  const bool registers = message.body_case() == v1::WorkerMessage::kRegister;
  const Outcome outcome =
      session->registered || registers ? Handle(session, message) : Outcome::kUnknownWorker;
  Answer(session, message.sequence(), outcome, registers ? planner_.limits().worker_lease_ms : 0);
  if (registers && outcome == Outcome::kOk) ReleaseForgotten(session, message.register_());
}

Outcome Master::Handle(const std::shared_ptr<Session>& session, v1::WorkerMessage& message) {
  const plan::WorkerRef worker = session->worker;
  switch (message.body_case()) {
    case v1::WorkerMessage::kRegister:
      return Register(session, message.register_());
    case v1::WorkerMessage::kHeartbeat:
      return Beat(*session, *message.mutable_heartbeat());
    case v1::WorkerMessage::kSucceeded:
      return Succeed(*session, message.succeeded());
    case v1::WorkerMessage::kFailed: {
      const plan::AttemptFailed failed = FromWire(message.failed(), worker);
      io::Log(io::LogLevel::kInfo, "attempt failed",
              {{"attempt", plan::Describe(failed.attempt)},
               {"worker", plan::Describe(worker)},
               {"message", failed.message}});
      book_.Note(failed.attempt, failed.message, failed.stderr_tail);
      return Step(failed);
    }
    case v1::WorkerMessage::kCommit:
      return Step(plan::CommitRequested{FromWire(message.commit().attempt()), worker});
    case v1::WorkerMessage::kFetchFailed: {
      const plan::FetchSource source = FromWire(message.fetch_failed().source());
      return Step(plan::FetchFailed{FromWire(message.fetch_failed().attempt()), worker, source.map,
                                    source.map_attempt, source.corrupt});
    }
    case v1::WorkerMessage::kGoodbye:
      return Step(plan::WorkerGone{worker});
    default:
      return Outcome::kInvalid;
  }
}

Outcome Master::Register(const std::shared_ptr<Session>& session, const v1::Register& message) {
  plan::WorkerRegistered event;
  event.worker = FromWire(message.place().worker());
  event.slots = message.slots();
  event.host = message.place().host();
  for (const auto& attempt : message.running()) event.running.push_back(FromWire(attempt));
  const Outcome outcome = Step(event);
  if (outcome != Outcome::kOk) return outcome;
  io::Log(io::LogLevel::kInfo, "worker attached",
          {{"worker", plan::Describe(event.worker)}, {"slots", std::to_string(event.slots)}});
  const std::shared_ptr<Session> before = std::exchange(sessions_[event.worker.id], session);
  session->worker = event.worker;
  session->registered = true;
  session->running.assign(message.running().begin(), message.running().end());
  if (before != nullptr && before != session) {
    before->registered = false;
    before->link->Close(absl::AbortedError("the worker has attached anew"));
  }
  TellPlace(message.place());
  return outcome;
}

/// Reduces that wait for this worker's outputs must learn where it is now.
void Master::TellPlace(const v1::WorkerPlace& place) {
  places_[plan::WorkerId{place.worker().id()}] = place;
  for (const auto& [id, session] : sessions_) {
    if (session->placed.empty()) continue;
    v1::WorkerOrder order;
    *order.mutable_outputs()->add_places() = place;
    answers_.push_back([session = session, order] { session->link->Send(order); });
  }
}

void Master::ReleaseForgotten(const std::shared_ptr<Session>& session,
                              const v1::Register& message) {
  for (const std::uint64_t job : message.jobs()) {
    const auto snapshot = planner_.Snapshot(JobId{job});
    if (snapshot && !plan::HasEnded(snapshot->state)) {
      session->opened.insert(JobId{job});  // told in an earlier session
      continue;
    }
    v1::WorkerOrder order;
    order.mutable_release()->set_job(job);
    answers_.push_back([session, order] { session->link->Send(order); });
  }
}

Outcome Master::Beat(Session& session, v1::Heartbeat& message) {
  plan::WorkerHeartbeat event{session.worker, message.slots(), {}};
  event.running.reserve(static_cast<std::size_t>(message.running_size()));
  for (const auto& attempt : message.running()) event.running.push_back(FromWire(attempt));
  session.running.assign(std::make_move_iterator(message.mutable_running()->begin()),
                         std::make_move_iterator(message.mutable_running()->end()));
  return Step(event);
}

Outcome Master::Succeed(const Session& session, const v1::AttemptSucceeded& message) {
  const plan::AttemptRef attempt = FromWire(message.attempt());
  const Outcome outcome =
      Step(plan::AttemptSucceeded{attempt, session.worker, message.output_bytes()});
  if (outcome != Outcome::kOk) return outcome;
  TaskResult result = FromWire(message.result());
  records_.push_back(MakeTaskReported(attempt, result));
  book_.Report(attempt, std::move(result));
  return outcome;
}

void Master::Detach(const std::shared_ptr<Session>& session) {
  session->running.clear();
  if (!session->registered) return;
  io::Log(io::LogLevel::kInfo, "worker detached", {{"worker", plan::Describe(session->worker)}});
  const auto found = sessions_.find(session->worker.id);
  if (found != sessions_.end() && found->second == session) sessions_.erase(found);
}

void Master::Answer(const std::shared_ptr<Session>& session, std::uint64_t sequence,
                    Outcome outcome, plan::TimeMs lease_ms) {
  v1::WorkerOrder order;
  order.mutable_answer()->set_sequence(sequence);
  order.mutable_answer()->set_outcome(ToWire(outcome));
  order.mutable_answer()->set_lease_ms(lease_ms);
  answers_.push_back([session, order] { session->link->Send(order); });
}

Master::Session* Master::FindSession(plan::WorkerRef worker) const {
  const auto found = sessions_.find(worker.id);
  if (found == sessions_.end() || found->second->worker != worker) return nullptr;
  return found->second.get();
}

const v1::WorkerPlace* Master::FindPlace(plan::WorkerRef worker) const {
  const auto found = places_.find(worker.id);
  if (found == places_.end() || FromWire(found->second.worker()) != worker) return nullptr;
  return &found->second;
}

// ---- The turn's end

void Master::Tick() {
  planner_.Tick(hands_.now());
  TellWatchers();
}

absl::Status Master::EndTurn() {
  plan::Output output = planner_.TakeOutput();
  TRIREME_RETURN_IF_ERROR(Write(output.records));
  for (Done& answer : std::exchange(answers_, {})) answer();
  for (const plan::Action& action : output.actions) CarryOut(action);
  return journal_ != nullptr && journal_->WantsCompaction() ? Compact() : absl::OkStatus();
}

absl::Status Master::Write(const std::vector<plan::JournalRecord>& records) {
  for (const plan::JournalRecord& record : records) {
    if (const auto* forgotten = std::get_if<plan::JobForgotten>(&record)) {
      book_.Forget(forgotten->job);
    }
  }
  v1::JournalBatch batch;
  for (v1::JournalRecord& record : std::exchange(records_, {})) {
    *batch.add_records() = std::move(record);
  }
  if (journal_ == nullptr) return absl::OkStatus();
  for (const plan::JournalRecord& record : records) *batch.add_records() = ToWire(record);
  if (batch.records().empty()) return absl::OkStatus();
  return journal_->Append(batch.SerializeAsString());
}

absl::Status Master::Compact() {
  std::vector<v1::JournalRecord> records;
  book_.Checkpoint(&records);
  for (const plan::JournalRecord& record : planner_.Checkpoint()) records.push_back(ToWire(record));
  book_.CheckpointFinished(&records);
  std::vector<std::string> payloads;
  v1::JournalBatch batch;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < records.size(); ++i) {
    bytes += records[i].ByteSizeLong();
    *batch.add_records() = std::move(records[i]);
    if (bytes < kCheckpointFrameBytes && i + 1 < records.size()) continue;
    payloads.push_back(batch.SerializeAsString());
    batch.Clear();
    bytes = 0;
  }
  return journal_->Compact(payloads);
}

void Master::CarryOut(const plan::Action& action) {
  const bool is_state = std::holds_alternative<plan::JobStateChanged>(action);
  const io::LogLevel level = is_state ? io::LogLevel::kInfo : io::LogLevel::kDebug;
  if (io::Logs(level)) io::Log(level, "plan", {{"action", plan::Describe(action)}});
  std::visit([this](const auto& one) { Do(one); }, action);
}

/// Without a session the order is lost; the plan gives the attempt up by itself.
void Master::Do(const plan::AssignAttempt& action) {
  Session* session = FindSession(action.worker);
  const plan::TaskRef& task = action.attempt.task;
  const JobEntry* entry = book_.Find(task.job);
  if (session == nullptr || entry == nullptr) return;
  if (!entry->output_ready) return held_[task.job].push_back(action);
  Open(*session, task.job);
  if (task.phase == plan::Phase::kReduce) TellOutputs(*session, task.job);
  v1::WorkerOrder order;
  v1::Assign* assign = order.mutable_assign();
  *assign->mutable_attempt() = ToWire(action.attempt);
  assign->set_number(action.number);
  assign->set_backup(action.kind == plan::AttemptKind::kBackup);
  for (const auto& record : action.skip) *assign->add_skip() = ToWire(record);
  if (task.phase == plan::Phase::kMap) {
    *assign->mutable_split() = entry->definition.splits(static_cast<int>(task.index));
  }
  session->link->Send(order);
}

void Master::Open(Session& session, JobId job) {
  if (!session.opened.insert(job).second) return;
  const auto snapshot = planner_.Snapshot(job);
  const JobEntry* entry = book_.Find(job);
  v1::WorkerOrder order;
  v1::JobOpened* opened = order.mutable_job();
  opened->set_job(static_cast<std::uint64_t>(job));
  opened->set_setup(entry->definition.setup());
  opened->set_maps(snapshot->spec.maps);
  opened->set_reduces(snapshot->spec.reduces);
  opened->set_output_directory(entry->definition.output_directory());
  session.link->Send(order);
}

void Master::TellOutputs(Session& session, JobId job) {
  if (!session.placed.insert(job).second) return;
  const auto snapshot = planner_.Snapshot(job);
  v1::WorkerOrder order;
  v1::MapOutputs* outputs = order.mutable_outputs();
  outputs->set_job(static_cast<std::uint64_t>(job));
  std::set<plan::WorkerId> named;
  for (std::uint32_t map = 0; map < snapshot->spec.maps; ++map) {
    const auto output = planner_.FindMapOutput(job, map);
    if (!output) continue;
    *outputs->add_outputs() = ToWire(map, *output);
    if (!named.insert(output->worker.id).second) continue;
    if (const v1::WorkerPlace* place = FindPlace(output->worker)) *outputs->add_places() = *place;
  }
  session.link->Send(order);
}

void Master::Do(const plan::CancelAttempt& action) {
  Session* session = FindSession(action.worker);
  if (session == nullptr) return;
  v1::WorkerOrder order;
  *order.mutable_cancel()->mutable_attempt() = ToWire(action.attempt);
  order.mutable_cancel()->set_reason(plan::Name(action.reason));
  session->link->Send(order);
}

void Master::Do(const plan::MapOutputMoved& action) {
  v1::WorkerOrder order;
  v1::MapOutputs* outputs = order.mutable_outputs();
  outputs->set_job(static_cast<std::uint64_t>(action.job));
  *outputs->add_outputs() = ToWire(action.map, action.output);
  if (const v1::WorkerPlace* place = FindPlace(action.output.worker)) {
    *outputs->add_places() = *place;
  }
  for (const auto& [id, session] : sessions_) {
    if (session->placed.contains(action.job)) session->link->Send(order);
  }
}

void Master::Do(const plan::JobStateChanged& action) {
  JobEntry* entry = book_.Find(action.job);
  if (entry == nullptr) return;
  if (!plan::HasEnded(action.state)) {
    if (action.state == plan::JobState::kMapping && !entry->output_ready) MakeOutput(action.job);
    return;
  }
  held_.erase(action.job);
  book_.Close(action.job);
  if (!entry->finished) Finish(action.job, action.state == plan::JobState::kSucceeded);
}

// Only once the job is on record: otherwise a coordinator that dies leaves a directory that nobody
// owns.
void Master::MakeOutput(JobId job) {
  hands_.make_output(book_.Find(job)->definition.output_directory(),
                     [this, job](const absl::Status& status) { OnOutputMade(job, status); });
}

void Master::OnOutputMade(JobId job, const absl::Status& status) {
  JobEntry* entry = book_.Find(job);
  if (entry == nullptr || entry->closed) return;
  if (!status.ok()) {
    entry->finish_error = status;
    (void)Step(plan::JobCancelled{job});
    return;
  }
  entry->output_ready = true;
  records_.push_back(MakeOutputReady(job));
  answers_.push_back([this, job] {
    const auto held = held_.extract(job);
    if (held.empty()) return;
    for (const plan::AssignAttempt& action : held.mapped()) Do(action);
  });
}

void Master::Finish(JobId job, bool keep) {
  const v1::JobDefinition& definition = book_.Find(job)->definition;
  hands_.finish_output(definition.output_directory(), definition.intermediate_directory(), keep,
                       [this, job](const absl::Status& status) {
                         JobEntry* entry = book_.Find(job);
                         if (entry == nullptr) return;
                         entry->finished = true;
                         if (!status.ok()) entry->finish_error = status;
                         entry->elapsed_ms = UnixMs() - entry->definition.submitted_unix_ms();
                         records_.push_back(MakeJobFinished(job, *entry));
                         answers_.push_back([this] { TellWatchers(); });
                       });
}

void Master::Do(const plan::ReleaseJob& action) {
  v1::WorkerOrder order;
  order.mutable_release()->set_job(static_cast<std::uint64_t>(action.job));
  for (const auto& [id, session] : sessions_) {
    if (session->opened.erase(action.job) > 0) session->link->Send(order);
    session->placed.erase(action.job);
  }
}

}  // namespace trireme::mapreduce::cluster
