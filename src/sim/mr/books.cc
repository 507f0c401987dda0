#include "sim/mr/books.h"

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "base/random.h"
#include "fmt/format.h"
#include "mapreduce/plan/describe.h"

namespace trireme::sim {

MrJobs MrJobs::Draw(std::uint64_t seed) {
  Random random(seed ^ 0x6d72'6a6f'6273);
  const auto between = [&](std::uint64_t least, std::uint64_t most) {
    return static_cast<std::uint32_t>(least + random.Below(most - least + 1));
  };
  MrJobs jobs;
  jobs.coordinators = between(2, 3);
  jobs.workers = between(2, 4);
  jobs.jobs = between(1, 2);
  jobs.maps = between(1, 12);
  jobs.reduces = between(0, 4);
  jobs.slots = between(1, 2);
  jobs.task_ms = between(50, 1'500);
  jobs.fault_ppm = random.OneIn(4) ? 0 : between(500, 15'000);
  jobs.failure_ppm = random.OneIn(2) ? 0 : between(10'000, 200'000);
  return jobs;
}

Books::Books(const MrJobs& jobs, MrBug bug, Record* record)
    : jobs_(jobs), bug_(bug), record_(*record) {}

std::uint64_t Books::Mix(std::uint64_t into, std::uint64_t value) {
  into ^= value + 0x9E3779B97F4A7C15ull + (into << 6) + (into >> 2);
  return into * 0xBF58476D1CE4E5B9ull;
}

std::uint64_t Books::MapBytes(plan::JobId job, std::uint32_t map) {
  return Mix(Mix(1, static_cast<std::uint64_t>(job)), map);
}

std::string Books::Keep(std::vector<plan::JournalRecord> records, std::size_t padding_bytes) {
  kept_.push_back(std::move(records));
  return fmt::format("{} {}", kept_.size() - 1, std::string(padding_bytes, '.'));
}

const std::vector<plan::JournalRecord>& Books::Find(std::string_view payload) const {
  std::size_t place = kept_.size();
  std::from_chars(payload.data(), payload.data() + payload.size(), place);
  TRIREME_CHECK(place < kept_.size());
  return kept_[place];
}

void Books::MadeMap(const plan::AttemptRef& attempt, const plan::WorkerRef& worker) {
  outputs_.insert({worker.id, attempt.task.job, attempt.task.index, attempt.id});
}

void Books::LostWorker(plan::WorkerId worker) {
  std::erase_if(outputs_, [&](const OutputName& name) { return std::get<0>(name) == worker; });
}

std::optional<std::uint64_t> Books::Fetch(const plan::MapOutput& output, plan::JobId job,
                                          std::uint32_t map) const {
  const auto up = reachable_.find(output.worker.id);
  if (up == reachable_.end() || !up->second) return std::nullopt;
  if (!outputs_.contains({output.worker.id, job, map, output.attempt})) return std::nullopt;
  return MapBytes(job, map);
}

std::uint64_t Books::ExpectedPart(const plan::TaskRef& part) const {
  std::uint64_t content = part.index;
  if (part.phase == plan::Phase::kMap) return Mix(content, MapBytes(part.job, part.index));
  for (std::uint32_t map = 0; map < jobs_.maps; ++map) {
    content = Mix(content, MapBytes(part.job, map));
  }
  return content;
}

void Books::Rename(const plan::AttemptRef& attempt, std::uint64_t content) {
  const auto committed = promised_commits_.find(attempt.task);
  // One that was permitted and paused may rename late: the same bytes, if the job still runs.
  if (committed != promised_commits_.end() && finished_.contains(attempt.task.job)) return;
  if (content != ExpectedPart(attempt.task)) {
    Violation(fmt::format("{} commits what the sequential run would not have written",
                          plan::Describe(attempt)));
  }
  parts_[attempt.task] = content;
}

void Books::CheckParts(plan::JobId job) {
  const plan::Phase phase = jobs_.reduces == 0 ? plan::Phase::kMap : plan::Phase::kReduce;
  const std::uint32_t count = jobs_.reduces == 0 ? jobs_.maps : jobs_.reduces;
  for (std::uint32_t i = 0; i < count; ++i) {
    const plan::TaskRef part{job, phase, i};
    const auto found = parts_.find(part);
    if (found == parts_.end() || found->second != ExpectedPart(part)) {
      Violation(fmt::format("the job's output is shown without {}", plan::Describe(part)));
    }
  }
}

void Books::Finish(plan::JobId job, plan::JobState state) {
  if (state != plan::JobState::kSucceeded) {
    return Violation(fmt::format("job {} ends {}", std::uint64_t(job), plan::Name(state)));
  }
  CheckParts(job);
  finished_.insert(job);
}

bool Books::AllFinished() const {
  return finished_.size() == jobs_.jobs && promised_jobs_.size() == jobs_.jobs;
}

bool Books::IsThere(const plan::TaskRef& map, plan::AttemptId attempt) const {
  return std::any_of(reachable_.begin(), reachable_.end(), [&](const auto& worker) {
    return outputs_.contains({worker.first, map.job, map.index, attempt});
  });
}

void Books::PromisedSuccess(const plan::AttemptRef& attempt) {
  ++promises_;
  if (attempt.task.phase == plan::Phase::kMap && jobs_.reduces != 0) {
    promised_maps_[attempt.task] = attempt.id;
    return;
  }
  const auto [found, first] = promised_commits_.emplace(attempt.task, attempt.id);
  if (!first && found->second != attempt.id) {
    Violation(fmt::format("{} is committed, and {} before it", plan::Describe(attempt),
                          plan::Describe(found->second)));
  }
}

void Books::Restores(const std::vector<plan::JournalRecord>& records) {
  ++takeovers_;
  std::set<plan::JobId> jobs, ended;
  std::set<plan::TaskRef> maps;
  std::map<plan::TaskRef, plan::AttemptId> commits;
  for (const plan::JournalRecord& record : records) {
    if (const auto* admitted = std::get_if<plan::JobAdmitted>(&record)) {
      jobs.insert(admitted->job);
    } else if (const auto* map = std::get_if<plan::MapSucceeded>(&record)) {
      maps.insert({map->job, plan::Phase::kMap, map->map});
    } else if (const auto* commit = std::get_if<plan::TaskCommitted>(&record)) {
      const auto [found, first] = commits.emplace(commit->attempt.task, commit->attempt.id);
      if (!first && found->second != commit->attempt.id) {
        Violation("the journal commits twice: " + plan::Describe(record));
      }
    } else if (const auto* end = std::get_if<plan::JobEnded>(&record)) {
      ended.insert(end->job);
    }
  }
  for (const plan::JobId job : promised_jobs_) {
    if (!jobs.contains(job) && !ended.contains(job)) {
      Violation(fmt::format("job {} was accepted, and the next leader does not know it",
                            std::uint64_t(job)));
    }
  }
  for (const auto& [task, attempt] : promised_maps_) {
    if (!maps.contains(task) && !ended.contains(task.job) && IsThere(task, attempt)) {
      Violation(
          fmt::format("{} was done, and the next leader does not know it", plan::Describe(task)));
    }
  }
  for (const auto& [task, attempt] : promised_commits_) {
    const auto found = commits.find(task);
    if (ended.contains(task.job) || (found != commits.end() && found->second == attempt)) continue;
    Violation(fmt::format("{} was committed by {}, and the next leader does not know it",
                          plan::Describe(task), plan::Describe(attempt)));
  }
}

void Books::Assigned(const plan::AttemptRef& attempt, std::uint64_t by) {
  const auto [found, first] = assigned_.try_emplace(attempt.id, attempt, by);
  if (!first && (found->second.first != attempt || found->second.second != by)) {
    Violation(fmt::format("{} has the id of {}", plan::Describe(attempt),
                          plan::Describe(found->second.first)));
  }
}

bool Books::MayFail(const plan::TaskRef& task) {
  return ++failures_[task] < plan::JobSpec{}.max_attempts;
}

}  // namespace trireme::sim
