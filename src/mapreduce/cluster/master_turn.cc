#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "mapreduce/cluster/master.h"

/// The end of a master's turn: what is written, and who hears of it when.
namespace trireme::mapreduce::cluster {
namespace {

Urgency UrgencyOf(const v1::JournalRecord& record) {
  switch (record.record_case()) {
    case v1::JournalRecord::kEpochStarted:
    case v1::JournalRecord::kJobAdmitted:
    case v1::JournalRecord::kJobEnded:
    case v1::JournalRecord::kJobFinished:
    case v1::JournalRecord::kOutputReady:
      return Urgency::kAtOnce;
    case v1::JournalRecord::kCommitGranted:
    case v1::JournalRecord::kWorkerAttached:
      return Urgency::kNextWrite;
    default:
      return Urgency::kCanWait;
  }
}

Urgency UrgencyOf(const v1::JournalBatch& batch) {
  Urgency most = Urgency::kCanWait;
  for (const v1::JournalRecord& record : batch.records()) most = std::max(most, UrgencyOf(record));
  return most;
}

bool ChangesPhase(const std::vector<plan::Action>& actions) {
  return std::any_of(actions.begin(), actions.end(), [](const plan::Action& action) {
    return std::holds_alternative<plan::JobStateChanged>(action);
  });
}

/// The batch with the epoch: before that is durable another life could use the same one.
constexpr JournalToken kFirst = 1;

}  // namespace

void Master::Tick() {
  if (gather_until_ms_ != 0 && hands_.now() >= gather_until_ms_) EndGathering();
  planner_.Tick(hands_.now());
  TellWatchers();
}

plan::TimeMs Master::PatienceMs() const {
  constexpr plan::TimeMs kLong = 1'000;
  const auto patience = journal_ == nullptr ? std::nullopt : journal_->PatienceMs();
  return std::min<plan::TimeMs>(patience.value_or(kLong), kLong);
}

// What promises that are kept bring about, records and answers both, is the next turn's.
absl::Status Master::EndTurn() {
  const plan::Output output = planner_.TakeOutput();
  std::vector<Said> said = std::exchange(said_, {});
  const bool new_phase = ChangesPhase(output.actions);
  TRIREME_RETURN_IF_ERROR(Write(output.records, new_phase));
  TRIREME_RETURN_IF_ERROR(Keep());
  if (new_phase) phase_ = appended_;
  for (Said& one : said) Deliver(one.promise ? appended_ : kFirst, std::move(one.done));
  for (const plan::Action& action : output.actions) {
    Deliver(WaitsFor(action), [this, action](const absl::Status& closed) {
      if (closed.ok()) CarryOut(action);
    });
  }
  return journal_ != nullptr && journal_->WantsCompaction() ? Compact() : absl::OkStatus();
}

absl::Status Master::Write(const std::vector<plan::JournalRecord>& records, bool new_phase) {
  for (const plan::JournalRecord& record : records) {
    counts_.OnRecord(record);
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
  std::string payload = batch.SerializeAsString();
  counts_.OnJournalWrite(payload.size());
  const Urgency urgency = new_phase ? Urgency::kAtOnce : UrgencyOf(batch);
  TRIREME_ASSIGN_OR_RETURN(appended_, journal_->Append(std::move(payload), urgency));
  return absl::OkStatus();
}

/// Assignments, cancellations of what another attempt has made good, and places of outputs: who
/// takes over from a leader that died right after decides anew, and nothing is lost.
bool Master::PromisesNothing(const plan::Action& action) {
  if (const auto* cancel = std::get_if<plan::CancelAttempt>(&action)) {
    return cancel->reason != plan::CancelReason::kJobOver;
  }
  return std::holds_alternative<plan::AssignAttempt>(action) ||
         std::holds_alternative<plan::MapOutputMoved>(action);
}

/// A reduce that runs while the maps before it are not on record would mean nothing to the next
/// leader, who has it started again.
JournalToken Master::WaitsFor(const plan::Action& action) const {
  if (!PromisesNothing(action)) return appended_;
  const auto* assign = std::get_if<plan::AssignAttempt>(&action);
  const bool reduces = assign != nullptr && assign->attempt.task.phase == plan::Phase::kReduce;
  return reduces ? std::max(kFirst, phase_) : kFirst;
}

void Master::Deliver(JournalToken after, Done done) {
  if (journal_ == nullptr || after <= journal_->durable()) return done(absl::OkStatus());
  promises_.emplace(after, std::move(done));
}

absl::Status Master::Keep() {
  if (journal_ == nullptr) return absl::OkStatus();
  TRIREME_RETURN_IF_ERROR(journal_->Advance());
  while (!promises_.empty() && promises_.begin()->first <= journal_->durable()) {
    promises_.extract(promises_.begin()).mapped()(absl::OkStatus());
  }
  return absl::OkStatus();
}

absl::Status Master::Compact() {
  std::vector<v1::JournalRecord> records;
  roster_.Checkpoint(&records);
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
  counts_.OnCompaction();
  return journal_->Compact(std::move(payloads));
}

void Master::Close(const absl::Status& why) {
  closed_ = why;
  for (auto& [token, done] : std::exchange(promises_, {})) done(why);
  for (Said& said : std::exchange(said_, {})) said.done(why);
  for (auto& [job, all] : std::exchange(watchers_, {})) {
    for (Watched& watched : all) watched.watcher->Finish(why);
  }
  for (auto& [session, message] : std::exchange(gathered_, {})) session->link->Close(why);
  for (auto& [id, session] : std::exchange(sessions_, {})) {
    session->registered = false;
    session->link->Close(why);
  }
  journal_.reset();
}

}  // namespace trireme::mapreduce::cluster
