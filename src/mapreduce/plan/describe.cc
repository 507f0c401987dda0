#include "mapreduce/plan/describe.h"

#include <variant>

#include "absl/strings/str_cat.h"

namespace trireme::mapreduce::plan {
namespace {

using absl::StrCat;

std::string Job(JobId id) {
  return StrCat("j", static_cast<std::uint64_t>(id));
}

std::string At(const std::optional<RecordPosition>& record) {
  return record ? StrCat(" at ", record->file, ":", record->offset) : "";
}

std::string Because(const std::optional<JobFailure>& failure) {
  return failure ? StrCat(": ", failure->message) : "";
}

std::string Text(const JobSpec& spec) {
  return StrCat("maps ", spec.maps, " reduces ", spec.reduces);
}

std::string Text(const MapOutput& output) {
  return StrCat(Describe(output.worker), " #", Describe(output.attempt), " ", output.size_bytes,
                " bytes");
}

std::string Text(const std::vector<AttemptProgress>& running) {
  std::string text;
  for (const auto& said : running) {
    absl::StrAppend(&text, " ", Describe(said.attempt), "=", said.progress,
                    said.inputs_fetched ? " fetched" : "");
  }
  return text;
}

struct TextOf {
  std::string operator()(const JobSubmitted& e) const {
    return StrCat("submit ", Job(e.job), " ", Text(e.spec));
  }
  std::string operator()(const JobCancelled& e) const { return StrCat("cancel ", Job(e.job)); }
  std::string operator()(const WorkerRegistered& e) const {
    return StrCat("register ", Describe(e.worker), " slots ", e.slots, Text(e.running),
                  e.catches_up ? " catches up" : "");
  }
  std::string operator()(const WorkerHeartbeat& e) const {
    return StrCat("beat ", Describe(e.worker), " slots ", e.slots, Text(e.running));
  }
  std::string operator()(const WorkerGone& e) const { return StrCat("gone ", Describe(e.worker)); }
  std::string operator()(const CommitRequested& e) const {
    return StrCat("may-commit? ", Describe(e.attempt), " ", Describe(e.worker));
  }
  std::string operator()(const AttemptSucceeded& e) const {
    return StrCat("succeeded ", Describe(e.attempt), " ", Describe(e.worker));
  }
  std::string operator()(const FetchFailed& e) const {
    return StrCat("fetch-failed ", Describe(e.attempt), " ", Describe(e.worker), " map ", e.map,
                  "#", Describe(e.map_attempt), e.corrupt ? " corrupt" : "");
  }
  std::string operator()(const AttemptFailed& e) const {
    return StrCat("failed ", Describe(e.attempt), " ", Describe(e.worker), " ", Name(e.kind),
                  At(e.record));
  }

  std::string operator()(const AssignAttempt& a) const {
    std::string text = StrCat("assign ", Describe(a.attempt), " to ", Describe(a.worker), " ",
                              Name(a.kind), " number ", a.number);
    for (const auto& record : a.skip) absl::StrAppend(&text, " skip", At(record));
    return text;
  }
  std::string operator()(const CancelAttempt& a) const {
    return StrCat("cancel ", Describe(a.attempt), " on ", Describe(a.worker), ": ", Name(a.reason));
  }
  std::string operator()(const MapOutputMoved& a) const {
    return StrCat("moved ", Job(a.job), "/map/", a.map, " to ", Text(a.output));
  }
  std::string operator()(const JobStateChanged& a) const {
    return StrCat("state ", Job(a.job), " ", Name(a.state), Because(a.failure));
  }
  std::string operator()(const ReleaseJob& a) const { return StrCat("release ", Job(a.job)); }

  std::string operator()(const EpochStarted& r) const { return StrCat("epoch ", r.epoch); }
  std::string operator()(const JobAdmitted& r) const {
    return StrCat("admitted ", Job(r.job), " ", Text(r.spec));
  }
  std::string operator()(const MapSucceeded& r) const {
    return StrCat("map-succeeded ", Job(r.job), "/map/", r.map, " ", Text(r.output));
  }
  std::string operator()(const CommitGranted& r) const {
    return StrCat("commit-granted ", Describe(r.attempt), " ", Describe(r.worker));
  }
  std::string operator()(const TaskCommitted& r) const {
    return StrCat("committed ", Describe(r.attempt), " ", Describe(r.worker), " ", r.output_bytes,
                  " bytes");
  }
  std::string operator()(const FailureCounted& r) const {
    return StrCat("failure ", Describe(r.attempt), " ", Describe(r.worker), At(r.record));
  }
  std::string operator()(const AttemptOver& r) const {
    return StrCat("over ", Describe(r.attempt), " ", Describe(r.worker), " ", Name(r.end));
  }
  std::string operator()(const RecordSkipped& r) const {
    return StrCat("skip ", Describe(r.task), At(r.record));
  }
  std::string operator()(const JobEnded& r) const {
    return StrCat("ended ", Job(r.job), " ", Name(r.state), Because(r.failure));
  }
  std::string operator()(const JobForgotten& r) const { return StrCat("forgotten ", Job(r.job)); }
};

}  // namespace

std::string Describe(AttemptId id) {
  const auto sequence = static_cast<std::uint64_t>(id) & ((1ull << kEpochShift) - 1);
  return StrCat(EpochOf(id), ".", sequence);
}

std::string Describe(const TaskRef& task) {
  return StrCat(Job(task.job), "/", Name(task.phase), "/", task.index);
}

std::string Describe(const AttemptRef& attempt) {
  return StrCat(Describe(attempt.task), "#", Describe(attempt.id));
}

std::string Describe(const WorkerRef& worker) {
  return StrCat("w", static_cast<std::uint64_t>(worker.id), ".",
                static_cast<std::uint64_t>(worker.incarnation));
}

std::string Describe(const Event& event) {
  return std::visit(TextOf{}, event);
}
std::string Describe(const Action& action) {
  return std::visit(TextOf{}, action);
}
std::string Describe(const JournalRecord& record) {
  return std::visit(TextOf{}, record);
}

}  // namespace trireme::mapreduce::plan
