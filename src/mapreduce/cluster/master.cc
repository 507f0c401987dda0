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

Master::Master(plan::Limits limits, Hands hands, std::shared_ptr<Journal> journal)
    : hands_(std::move(hands)), journal_(std::move(journal)), planner_(limits) {}

absl::StatusOr<std::shared_ptr<Master>> Master::Create(plan::Limits limits, Hands hands,
                                                       Past past) {
  std::shared_ptr<Master> master(new Master(limits, std::move(hands), std::move(past.journal)));
  if (!past.batches.empty()) {
    TRIREME_RETURN_IF_ERROR(master->Replay(past.batches, master->journal_->path()));
  }
  if (past.gather_ms > 0) master->BeginGathering(past.gather_ms);
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
      roster_.Replay(record);
      if (auto known = FromWire(record)) records.push_back(*std::move(known));
    }
  }
  planner_ = plan::Planner::Restore(records, hands_.now(), planner_.limits());
  return absl::OkStatus();
}

// ---- Workers

void Master::Receive(const std::shared_ptr<Session>& session, v1::WorkerMessage message) {
  const bool registers = message.body_case() == v1::WorkerMessage::kRegister;
  if (registers && gather_until_ms_ != 0) return Gather(session, std::move(message));
  if (registers && Enrol(session, message)) return;
  const Outcome outcome =
      session->registered || registers ? Handle(session, message) : Outcome::kUnknownWorker;
  if (outcome == Outcome::kOk) counts_.OnMessage(message);
  const bool promise = message.has_succeeded() || message.has_failed() || message.has_commit();
  Answer(session, message.sequence(), outcome, promise,
         registers ? planner_.limits().worker_lease_ms : 0);
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
      StrikeOff(worker.id);
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
  event.catches_up = std::exchange(session->catches_up, false);
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
    Say([session = session, order](const absl::Status&) { session->link->Send(order); });
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
    Promise([session, order](const absl::Status& closed) {
      if (closed.ok()) session->link->Send(order);
    });
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
  session->ended = true;
  AwaitAgain(session);
  if (!session->registered) return;
  io::Log(io::LogLevel::kInfo, "worker detached", {{"worker", plan::Describe(session->worker)}});
  const auto found = sessions_.find(session->worker.id);
  if (found != sessions_.end() && found->second == session) sessions_.erase(found);
}

void Master::Answer(const std::shared_ptr<Session>& session, std::uint64_t sequence,
                    Outcome outcome, bool promise, plan::TimeMs lease_ms) {
  v1::WorkerOrder order;
  order.mutable_answer()->set_sequence(sequence);
  order.mutable_answer()->set_outcome(ToWire(outcome));
  order.mutable_answer()->set_lease_ms(lease_ms);
  said_.push_back({promise, [session, order](const absl::Status& closed) {
                     if (closed.ok()) session->link->Send(order);
                   }});
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

// ---- What the plan says

void Master::CarryOut(const plan::Action& action) {
  const bool is_state = std::holds_alternative<plan::JobStateChanged>(action);
  const io::LogLevel level = is_state ? io::LogLevel::kInfo : io::LogLevel::kDebug;
  if (io::Logs(level)) io::Log(level, "plan", {{"action", plan::Describe(action)}});
  counts_.OnAction(action);
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
  assign->set_kind(ToWire(action.kind));
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
  if (const auto job = planner_.Snapshot(action.job)) counts_.See(action.job, job->stats);
  if (!plan::HasEnded(action.state)) {
    if (action.state == plan::JobState::kMapping && !entry->output_ready) MakeOutput(action.job);
    return;
  }
  held_.erase(action.job);
  book_.Close(action.job);
  if (!entry->finished) Finish(action.job, action.state == plan::JobState::kSucceeded);
}

JobOutput Master::OutputOf(JobId job) const {
  const v1::JobDefinition& definition = book_.Find(job)->definition;
  return {definition.output_directory(), definition.submission(),
          definition.intermediate_directory()};
}

// Only once the job is on record: otherwise a coordinator that dies leaves a directory that nobody
// owns.
void Master::MakeOutput(JobId job) {
  hands_.make_output(OutputOf(job), [self = shared_from_this(), job](const absl::Status& status) {
    if (self->closed_.ok()) self->OnOutputMade(job, status);
  });
}

void Master::OnOutputMade(JobId job, const absl::Status& status) {
  JobEntry* entry = book_.Find(job);
  if (entry == nullptr || entry->closed || absl::IsCancelled(status)) return;
  if (!status.ok()) {
    entry->finish_error = status;
    (void)Step(plan::JobCancelled{job});
    return;
  }
  records_.push_back(MakeOutputReady(job));
  entry->output_made = true;
  Promise([this, job](const absl::Status& closed) {
    if (closed.ok()) OnOutputReady(job);
  });
}

/// It is on record: whatever is in the directory from now on is the job's.
void Master::OnOutputReady(JobId job) {
  JobEntry* entry = book_.Find(job);
  if (entry == nullptr) return;
  entry->output_ready = true;
  const auto held = held_.extract(job);
  if (held.empty()) return;
  for (const plan::AssignAttempt& action : held.mapped()) Do(action);
}

void Master::Finish(JobId job, bool keep) {
  hands_.finish_output(OutputOf(job), keep,
                       [self = shared_from_this(), job](const absl::Status& status) {
                         if (self->closed_.ok()) self->OnFinished(job, status);
                       });
}

void Master::OnFinished(JobId job, const absl::Status& status) {
  JobEntry* entry = book_.Find(job);
  if (entry == nullptr || absl::IsCancelled(status)) return;  // another leads, and does it
  entry->finished = true;
  if (!status.ok()) entry->finish_error = status;
  entry->elapsed_ms = UnixMs() - entry->definition.submitted_unix_ms();
  records_.push_back(MakeJobFinished(job, *entry));
  Promise([this, job](const absl::Status& closed) {
    if (!closed.ok()) return;
    if (JobEntry* known = book_.Find(job); known != nullptr) known->announced = true;
    TellWatchers();
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
