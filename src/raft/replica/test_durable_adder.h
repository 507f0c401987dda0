#pragma once

#include <mutex>
#include <string>

#include "raft/replica/replica_testing.h"

namespace trireme::raft {

/// What a DurableAdder has on its disk.
struct AdderDisk {
  std::mutex mutex;
  // Guarded by mutex.
  std::int64_t sum = 0;
  LogPosition applied;
  bool restoring = false;

  std::atomic<int> opened{0};
  std::atomic<int> flushes{0};
  std::atomic<int> captures{0};
  std::atomic<int> restores{0};
  std::atomic<int> replayed{0};  ///< Entries since it was opened.
  std::atomic<bool> dies_in_restore{false};
  std::atomic<bool> refuses_to_flush{false};
  std::atomic<bool> no_room_to_restore{false};
  std::atomic<int> restores_refused{0};
};

/// Adds decimal numbers. What was not flushed is forgotten when it is destroyed.
class DurableAdder final : public DurableStateMachine {
 public:
  explicit DurableAdder(AdderDisk* disk) : disk_(*disk) {
    ++disk_.opened;
    disk_.replayed = 0;
  }

  absl::StatusOr<LogPosition> DurablyApplied() override {
    const std::lock_guard lock(disk_.mutex);
    if (disk_.restoring) return LogPosition{};
    sum_ = disk_.sum;
    last_ = disk_.applied;
    return last_;
  }
  void Apply(std::span<const Entry> commands, std::span<std::string> results) override {
    for (std::size_t i = 0; i < commands.size(); ++i) {
      Follow(PositionOf(commands[i]));
      sum_ += std::stoll(std::string(commands[i].data.view()));
      results[i] = std::to_string(sum_);
    }
  }
  void Skip(LogPosition at) override { Follow(at); }
  FlushWork Flush() override {
    return [&disk = disk_, sum = sum_, last = last_]() -> absl::Status {
      if (disk.refuses_to_flush) return absl::ResourceExhaustedError("no room");
      const std::lock_guard lock(disk.mutex);
      if (disk.restoring || last.index < disk.applied.index) return absl::OkStatus();
      disk.sum = sum;
      disk.applied = last;
      ++disk.flushes;
      return absl::OkStatus();
    };
  }
  SnapshotWork Capture() override {
    ++disk_.captures;
    return [sum = sum_](SnapshotSink& to) {
      return to.Append(std::to_string(sum) + std::string(5000, ' '));
    };
  }
  absl::Status Restore(SnapshotSource& from) override {
    {
      const std::lock_guard lock(disk_.mutex);
      disk_.restoring = true;
    }
    std::string all;
    while (true) {
      auto part = from.Read(1000);
      if (!part.ok()) return part.status();
      if (part->empty()) break;
      all += part->view();
      if (disk_.no_room_to_restore) {
        ++disk_.restores_refused;
        return absl::ResourceExhaustedError("no room");
      }
      if (disk_.dies_in_restore.exchange(false)) return absl::CancelledError("dies in Restore");
    }
    sum_ = std::stoll(all);
    last_ = from.last();
    ++disk_.restores;
    const std::lock_guard lock(disk_.mutex);
    disk_.sum = sum_;
    disk_.applied = last_;
    disk_.restoring = false;
    return absl::OkStatus();
  }
  absl::StatusOr<std::string> Query(std::string_view) override { return std::to_string(sum_); }

 private:
  void Follow(LogPosition at) {
    TRIREME_CHECK(at.index == last_.index + 1 && at.term >= last_.term);
    last_ = at;
    ++disk_.replayed;
  }

  AdderDisk& disk_;
  std::int64_t sum_ = 0;
  LogPosition last_;
};

}  // namespace trireme::raft
