// The Raft log's batches beside the floor, the same bytes by pwrite and fdatasync to a file that
// was written before, batch by batch in turn, so that both see the same disk.
//
//   bench_raft_log [DIRECTORY [SECONDS_PER_ROW]]
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "base/check.h"
#include "fmt/format.h"
#include "io/memory_disk.h"
#include "io/posix_disk.h"
#include "raft/log/log.h"
#include "raft/log/segment.h"

namespace trireme::raft {
namespace {

using Clock = std::chrono::steady_clock;

double Milliseconds(Clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

void Must(const absl::Status& status) {
  if (status.ok()) return;
  fmt::print(stderr, "bench_raft_log: {}\n", status.ToString());
  std::exit(1);
}

/// Durations of one way of writing, and what they add up to.
class Samples {
 public:
  template <class Work>
  void Time(const Work& work) {
    const auto from = Clock::now();
    work();
    milliseconds_.push_back(Milliseconds(Clock::now() - from));
  }
  std::string Show(std::uint64_t bytes) {
    std::sort(milliseconds_.begin(), milliseconds_.end());
    double sum = 0;
    for (const double ms : milliseconds_) sum += ms;
    const double count = static_cast<double>(milliseconds_.size());
    return fmt::format("{:>8.3f} {:>8.3f} {:>9.1f} {:>9.0f}", At(0.5), At(0.99),
                       static_cast<double>(bytes) * count / sum / 1000, count / sum * 1000);
  }
  double At(double part) const {
    return milliseconds_[static_cast<std::size_t>(part *
                                                  static_cast<double>(milliseconds_.size() - 1))];
  }

 private:
  std::vector<double> milliseconds_;
};

/// A log with one group that is compacted from time to time, so that its segments are used again.
class OurLog {
 public:
  OurLog(io::Disk& disk, const std::string& directory, std::size_t count, std::size_t bytes)
      : count_(count), data_(SharedBytes::Own(std::string(bytes, 'x'))) {
    LogOptions options{.directory = directory, .cluster_id = 1, .node = NodeId{1}};
    options.spare_segments = 3;
    auto opened = Log::Open(options, &disk);
    Must(opened.status());
    log_ = std::move(opened->log);
    Must(log_->Housekeep());
  }

  void Prepare() {
    entries_.clear();
    for (std::size_t i = 0; i < count_; ++i)
      entries_.push_back({Index{++last_}, Term{1}, EntryKind::kCommand, data_});
  }

  void Append() {
    const GroupWrite write{.group = GroupId{1}, .entries = entries_};
    Must(log_->Write(std::span(&write, 1)).status());
    Must(log_->Sync().status());
  }

  /// Not timed: another thread's work.
  void Keep() {
    if (log_->Stats().segments < 3) return;
    auto writer = log_->CreateSnapshot(GroupId{1}, {Index{last_}, Term{1}});
    Must(writer.status());
    Must((*writer)->Finish());
    const LogSnapshot snapshot{{Index{last_}, Term{1}}, 0, {}};
    const GroupWrite write{.group = GroupId{1}, .snapshot = snapshot, .drop_to = Index{last_}};
    Must(log_->Write(std::span(&write, 1)).status());
    Must(log_->Housekeep());
  }

 private:
  const std::size_t count_;
  const SharedBytes data_;
  std::unique_ptr<Log> log_;
  std::vector<Entry> entries_;
  std::uint64_t last_ = 0;
};

/// Overwrites a file that has been written before.
class Floor {
 public:
  static constexpr std::uint64_t kFileBytes = 64u << 20;

  Floor(io::Disk& disk, const std::string& directory, std::size_t bytes) : bytes_(bytes, 'x') {
    Must(disk.MakeDirectories(directory));
    Must(CreateZeroFilled(disk, directory + "/floor", kFileBytes));
    auto file = disk.Open(directory + "/floor", io::OpenMode::kReadWrite);
    Must(file.status());
    file_ = *std::move(file);
  }
  void Append() {
    if (offset_ + bytes_.size() > kFileBytes) offset_ = 0;
    const std::string_view whole(bytes_);
    Must(file_->WriteAt(offset_, std::span(&whole, 1)));
    Must(file_->Sync());
    offset_ += bytes_.size();
  }

 private:
  const std::string bytes_;
  std::unique_ptr<io::DiskFile> file_;
  std::uint64_t offset_ = 0;
};

void Row(io::Disk& disk, const std::string& directory, std::size_t count, std::size_t bytes,
         double seconds) {
  OurLog ours(disk, directory + "/log", count, bytes);
  Floor floor(disk, directory + "/floor", count * bytes);
  Samples our_samples;
  Samples floor_samples;
  const auto from = Clock::now();
  for (int i = 0; i < 20 || Milliseconds(Clock::now() - from) < seconds * 1000; ++i) {
    ours.Prepare();
    our_samples.Time([&] { ours.Append(); });
    floor_samples.Time([&] { floor.Append(); });
    ours.Keep();
  }
  const std::string shown = our_samples.Show(count * bytes);
  const std::string floor_shown = floor_samples.Show(count * bytes);
  fmt::print("{:>6} {:>6}  {}  {}  {:>6.2f}\n", count, bytes, shown, floor_shown,
             our_samples.At(0.5) / floor_samples.At(0.5));
  std::fflush(stdout);
}

void Table(io::Disk& disk, const std::string& directory, double seconds) {
  fmt::print("{:>13}  {:>37}  {:>37}  {:>6}\n", "", "the log", "pwrite + fdatasync", "p50");
  fmt::print("{:>6} {:>6}  {:>8} {:>8} {:>9} {:>9}  {:>8} {:>8} {:>9} {:>9}  {:>6}\n", "batch",
             "bytes", "p50 ms", "p99 ms", "MB/s", "syncs/s", "p50 ms", "p99 ms", "MB/s", "syncs/s",
             "ratio");
  int run = 0;
  for (const std::size_t bytes : {std::size_t{256}, std::size_t{4096}}) {
    for (const std::size_t count : {1, 10, 100, 1000})
      Row(disk, fmt::format("{}/run-{}", directory, run++), count, bytes, seconds);
  }
}

int Main(int argc, char** argv) {
  const std::string directory =
      fmt::format("{}/trireme-bench-raft-log-{}", argc > 1 ? argv[1] : "/var/tmp", ::getpid());
  const double seconds = argc > 2 ? std::atof(argv[2]) : 2;
  fmt::print("on the disk of {}\n", directory);
  io::PosixDisk posix;
  Table(posix, directory, seconds);
  std::filesystem::remove_all(directory);
  fmt::print("\nin memory, where only the processor's time is left\n");
  io::MemoryDisk memory;
  Table(memory, "memory", seconds / 10);
  return 0;
}

}  // namespace
}  // namespace trireme::raft

int main(int argc, char** argv) {
  return trireme::raft::Main(argc, argv);
}
