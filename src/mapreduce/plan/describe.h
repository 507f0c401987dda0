#pragma once

#include <string>

#include "mapreduce/plan/actions.h"
#include "mapreduce/plan/events.h"
#include "mapreduce/plan/journal.h"

/// One line of text for each thing the plan says or hears: for logs, transcripts and traces.
/// `j1/map/3#2.7` is the eighth attempt of epoch 2, at map task 3 of job 1; `w5.2` is worker 5 in
/// its incarnation 2.
namespace trireme::mapreduce::plan {

std::string Describe(AttemptId id);
std::string Describe(const TaskRef& task);
std::string Describe(const AttemptRef& attempt);
std::string Describe(const WorkerRef& worker);
std::string Describe(const Event& event);
std::string Describe(const Action& action);
std::string Describe(const JournalRecord& record);

}  // namespace trireme::mapreduce::plan
