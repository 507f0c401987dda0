#pragma once

#include <optional>
#include <vector>

#include "mapreduce/engine/input.h"
#include "mapreduce/engine/task.h"
#include "mapreduce/plan/actions.h"
#include "mapreduce/plan/events.h"
#include "mapreduce/plan/journal.h"
#include "mapreduce/plan/snapshot.h"
#include "trireme/mapreduce/v1/control.pb.h"
#include "trireme/mapreduce/v1/journal.pb.h"

/// Between the plan's structs and the messages that travel or lie in the journal. `From` checks
/// what has a range; everything else is the plan's to judge.
namespace trireme::mapreduce::cluster {

v1::TaskRef ToWire(const plan::TaskRef& from);
v1::AttemptRef ToWire(const plan::AttemptRef& from);
v1::WorkerRef ToWire(const plan::WorkerRef& from);
v1::RecordPosition ToWire(const plan::RecordPosition& from);
v1::JobSpec ToWire(const plan::JobSpec& from);
v1::JobFailure ToWire(const plan::JobFailure& from);
v1::TaskResult ToWire(const TaskResult& from);
v1::JobStats ToWire(const plan::JobStats& from);
void ToWire(const Counters& from, google::protobuf::RepeatedPtrField<v1::Counter>* to);
v1::Split ToWire(const Split& from);
v1::AttemptProgress ToWire(const plan::AttemptProgress& from);
v1::MapOutput ToWire(std::uint32_t map, const plan::MapOutput& from);
v1::PhaseStatus ToWire(const plan::PhaseCounts& from);

plan::TaskRef FromWire(const v1::TaskRef& from);
plan::AttemptRef FromWire(const v1::AttemptRef& from);
plan::WorkerRef FromWire(const v1::WorkerRef& from);
plan::RecordPosition FromWire(const v1::RecordPosition& from);
plan::JobSpec FromWire(const v1::JobSpec& from);
plan::JobFailure FromWire(const v1::JobFailure& from);
TaskResult FromWire(const v1::TaskResult& from);
plan::JobStats FromWire(const v1::JobStats& from);
Counters FromWire(const google::protobuf::RepeatedPtrField<v1::Counter>& from);
Split FromWire(const v1::Split& from);
plan::AttemptProgress FromWire(const v1::AttemptProgress& from);
plan::FetchSource FromWire(const v1::FetchSource& from);
plan::FailureKind FromWire(v1::FailureKind from);
plan::AttemptFailed FromWire(const v1::AttemptFailed& from, plan::WorkerRef worker);

v1::JournalRecord ToWire(const plan::JournalRecord& from);
/// Nothing for a record that is not the plan's (task_reported and so on) or says nothing.
std::optional<plan::JournalRecord> FromWire(const v1::JournalRecord& from);

inline v1::Outcome ToWire(plan::Outcome from) {
  return static_cast<v1::Outcome>(from);
}
inline plan::Outcome FromWire(v1::Outcome from) {
  return static_cast<plan::Outcome>(from);
}
inline v1::JobState ToWire(plan::JobState from) {
  return static_cast<v1::JobState>(from);
}
plan::JobState FromWire(v1::JobState from);
inline v1::AttemptKind ToWire(plan::AttemptKind from) {
  return static_cast<v1::AttemptKind>(from);
}
plan::AttemptKind FromWire(v1::AttemptKind from);
plan::AttemptEnd FromWire(v1::AttemptEnd from);

}  // namespace trireme::mapreduce::cluster
