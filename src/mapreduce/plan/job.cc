#include "mapreduce/plan/job.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace trireme::mapreduce::plan {

void PhaseTasks::Reset(std::uint32_t total) {
  total_ = total;
  tasks_.assign(total, Task{});
  counts_ = {};
  counts_[static_cast<std::size_t>(TaskState::kWaiting)] = total;
}

void PhaseTasks::FinishAll() {
  counts_ = {};
  counts_[static_cast<std::size_t>(TaskState::kSucceeded)] = total_;
}

void PhaseTasks::Release() {
  tasks_ = {};
  retry_ = {};
}

void PhaseTasks::SetState(std::uint32_t index, TaskState state) {
  Task& task = tasks_[index];
  --counts_[static_cast<std::size_t>(task.state)];
  ++counts_[static_cast<std::size_t>(state)];
  task.state = state;
}

void PhaseTasks::WaitAgain(std::uint32_t index) {
  SetState(index, TaskState::kWaiting);
  if (tasks_[index].queued) return;
  tasks_[index].queued = true;
  retry_.push_back(index);
}

void PhaseTasks::DropStale() {
  while (!retry_.empty() && tasks_[retry_.front()].state != TaskState::kWaiting) {
    tasks_[retry_.front()].queued = false;
    retry_.pop_front();
  }
}

std::uint32_t PhaseTasks::Peek() {
  DropStale();
  if (!retry_.empty()) return retry_.front();
  return HasFresh() ? fresh_ : kNone;
}

bool PhaseTasks::HasFresh() {
  while (fresh_ < tasks_.size() &&
         (tasks_[fresh_].state != TaskState::kWaiting || tasks_[fresh_].queued)) {
    ++fresh_;
  }
  return fresh_ < tasks_.size();
}

std::uint32_t PhaseTasks::TakeFresh() {
  return HasFresh() ? fresh_++ : kNone;
}

std::size_t PhaseTasks::MemoryBytes() const {
  return tasks_.capacity() * sizeof(Task) + retry_.size() * sizeof(std::uint32_t);
}

HistoryEntry MakeBar(AttemptRef ref, std::uint32_t worker, const AttemptSpan& span,
                     AttemptEnd end) {
  const auto fit = [](TimeMs ms) {
    return static_cast<std::uint32_t>(std::clamp<TimeMs>(ms, 0, UINT32_MAX));
  };
  return {ref.id,
          ref.task.index,
          worker,
          fit(span.start_ms),
          fit(span.length_ms),
          ref.task.phase,
          span.kind,
          end,
          static_cast<std::uint16_t>(std::min(span.number, kAttemptNumberMax))};
}

AttemptSpan SpanOfBar(const HistoryEntry& bar) {
  return {bar.start_ms, bar.length_ms, bar.number, bar.kind};
}

Job::Job(JobId id_in, std::uint64_t order_in, JobSpec spec_in, TimeMs now)
    : id(id_in), order(order_in), spec(std::move(spec_in)), submitted_ms(now) {
  maps().Reset(spec.maps);
  reduces().Reset(spec.reduces);
}

bool Job::Has(TaskRef task) const {
  return task.job == id && (task.phase == Phase::kMap || task.phase == Phase::kReduce) &&
         task.index < tasks(task.phase).total();
}

bool Job::NeedsMapOutputs() const {
  return running() && reduces().count(TaskState::kSucceeded) + fetched < reduces().total();
}

std::optional<Phase> Job::Assignable() const {
  if (!running()) return std::nullopt;
  if (maps().count(TaskState::kWaiting) > 0) return Phase::kMap;
  if (maps().AllSucceeded() && reduces().count(TaskState::kWaiting) > 0) return Phase::kReduce;
  return std::nullopt;
}

const Trouble* Job::FindTrouble(TaskRef ref) const {
  const auto found = trouble.find({ref.phase, ref.index});
  return found == trouble.end() ? nullptr : &found->second;
}

bool Job::FailedBefore(AttemptRef ref) const {
  const Trouble* known = FindTrouble(ref.task);
  return known != nullptr &&
         std::any_of(known->failures.begin(), known->failures.end(),
                     [&](const Trouble::Failure& f) { return f.attempt == ref.id; });
}

void Job::CountAttempt(AttemptKind kind) {
  ++stats.attempts;
  if (kind == AttemptKind::kBackup) ++stats.backups;
}

std::size_t Job::MemoryBytes() const {
  return sizeof(Job) + maps().MemoryBytes() + reduces().MemoryBytes() +
         history.size() * sizeof(HistoryEntry) + trouble.size() * (sizeof(Trouble) + 64) +
         lost.capacity() * sizeof(std::uint32_t);
}

}  // namespace trireme::mapreduce::plan
