#pragma once

#include <trireme/mapreduce.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"

namespace trireme::mapreduce {

/// Sums by (group, name), in that order.
using Counters = std::map<std::pair<std::string, std::string>, std::int64_t>;
void AddCounters(const Counters& from, Counters& to);

using Parameters = std::map<std::string, std::string, std::less<>>;

/// What an attempt shows to whoever watches it. Written by the attempt's thread, read by any; lives
/// in shared memory when the attempt runs in a process of its own, so it has no pointers.
struct TaskProgress {
  std::atomic<std::uint64_t> bytes{0};  ///< of input (map) or of merged map output (reduce)
  /// Reduce: what `bytes` will be at the end, once all map output is there; 0 before. Where it
  /// must be merged more than once, every time counts.
  std::atomic<std::uint64_t> bytes_total{0};
  std::atomic<std::uint64_t> records{0};
  std::atomic<std::uint32_t> range{0};      ///< index of the Split's range being read
  std::atomic<std::uint64_t> offset{0};     ///< of the record in hand in that range's file
  std::atomic<std::uint32_t> in_record{0};  ///< 1 while user code has a record in hand
};

/// How one attempt is steered from outside. Outlives the attempt.
struct TaskControl {
  std::atomic<bool> cancelled{false};
  TaskProgress* progress = nullptr;  ///< never null while an attempt runs
  std::function<void(std::string_view)> on_status = nullptr;
};

namespace internal {

/// The engine's side of Context: what user code said during one attempt.
class TaskContext {
 public:
  TaskContext(TaskInfo info, const Parameters* parameters, TaskControl* control)
      : info_(info), parameters_(parameters), control_(control) {}

  void Count(std::string_view group, std::string_view counter, std::int64_t by);
  void SetStatus(std::string_view status) {
    if (control_->on_status) control_->on_status(status);
  }
  /// The first failure is kept.
  void Fail(absl::Status status) {
    if (status_.ok()) status_ = std::move(status);
  }
  std::string_view Param(std::string_view name, std::string_view otherwise) const;

  const TaskInfo& info() const { return info_; }
  const absl::Status& status() const { return status_; }
  bool cancelled() const { return control_->cancelled.load(std::memory_order_relaxed); }
  TaskControl& control() { return *control_; }
  Counters& counters() { return counters_; }

 private:
  TaskInfo info_;
  const Parameters* parameters_;
  TaskControl* control_;
  absl::Status status_;
  Counters counters_;
};

/// Where an Emitter's records go.
class MapSink {
 public:
  virtual ~MapSink() = default;
  virtual void Add(std::string_view key, std::string_view value) = 0;
  virtual void AddTo(std::uint32_t partition, std::string_view key, std::string_view value) = 0;
  virtual void AddNumber(std::string_view key, std::int64_t value) = 0;
  virtual void AddBatch(Batch& batch) = 0;
};

/// Where an Output's records go.
class ReduceSink {
 public:
  virtual ~ReduceSink() = default;
  virtual void Add(std::string_view key, std::string_view value) = 0;
  /// Records as the output format writes them.
  virtual void AddFormatted(std::string_view bytes, std::uint64_t records) = 0;
};

}  // namespace internal
}  // namespace trireme::mapreduce
