#include "mapreduce/engine/context.h"

#include <charconv>

#include "fmt/format.h"
#include "mapreduce/engine/hash.h"
#include "mapreduce/engine/number.h"

namespace trireme::mapreduce {

void AddCounters(const Counters& from, Counters& to) {
  for (const auto& [name, value] : from) {
    std::int64_t& sum = to[name];
    sum = WrappingSum(sum, value);
  }
}

namespace internal {

void TaskContext::Count(std::string_view group, std::string_view counter, std::int64_t by) {
  std::int64_t& sum = counters_[{std::string(group), std::string(counter)}];
  sum = WrappingSum(sum, by);
}

std::string_view TaskContext::Param(std::string_view name, std::string_view otherwise) const {
  const auto found = parameters_->find(name);
  return found == parameters_->end() ? otherwise : std::string_view(found->second);
}

}  // namespace internal

void Context::Count(std::string_view group, std::string_view counter, std::int64_t by) {
  task_->Count(group, counter, by);
}
void Context::SetStatus(std::string_view status) {
  task_->SetStatus(status);
}
void Context::Fail(std::string_view message) {
  task_->Fail(absl::AbortedError(std::string(message)));
}
std::string_view Context::Param(std::string_view name, std::string_view otherwise) const {
  return task_->Param(name, otherwise);
}
const TaskInfo& Context::task() const {
  return task_->info();
}

void Emitter::Emit(std::string_view key, std::string_view value) {
  sink_->Add(key, value);
}

void Emitter::EmitTo(std::uint32_t partition, std::string_view key, std::string_view value) {
  if (partition >= task().reduces)
    return Fail(
        fmt::format("EmitTo partition {} of {}: must be smaller", partition, task().reduces));
  sink_->AddTo(partition, key, value);
}

void Emitter::EmitSlow(std::string_view key, std::int64_t value) {
  sink_->AddNumber(key, value);
}
void Emitter::FlushBatch(internal::Batch& batch) {
  sink_->AddBatch(batch);
}

void Output::Emit(std::string_view key, std::string_view value) {
  sink_->Add(key, value);
}

void Output::Emit(std::string_view key, std::int64_t value) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  sink_->Add(key, std::string_view(digits, static_cast<std::size_t>(end - digits)));
}

void Output::EmitFormatted(std::string_view bytes, std::uint64_t records) {
  sink_->AddFormatted(bytes, records);
}

void CombinedValues::Emit(std::int64_t value) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  Emit(std::string_view(digits, static_cast<std::size_t>(end - digits)));
}

std::uint32_t HashPartition(std::string_view key, std::uint32_t partitions) {
  return PartitionOfHash(HashKey(key), partitions);
}

}  // namespace trireme::mapreduce
