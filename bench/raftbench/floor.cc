#include "raftbench/floor.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <vector>

#include "raft/transport/tcp_transport.h"
#include "raftbench/common.h"

namespace trireme::raft::bench {
namespace {

constexpr int kWriters = 3;
constexpr std::size_t kRoundsMax = 20000;
constexpr std::uint64_t kFileBytes = 64u << 20;

/// What the writers share.
struct Shared {
  pthread_barrier_t barrier;
  std::atomic<bool> stop;
  std::atomic<std::uint32_t> rounds;
  std::array<std::array<float, kRoundsMax>, kWriters> together_ms;
  std::array<double, kWriters> batches_per_second;
};

class Writer {
 public:
  Writer(const std::string& path, std::size_t batch_bytes)
      : batch_(batch_bytes, 'x'),
        descriptor_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
    Must(descriptor_ >= 0, "cannot open the floor's file");
    if (::lseek(descriptor_, 0, SEEK_END) == static_cast<off_t>(kFileBytes)) return;
    const std::string zeros(1u << 20, '\0');
    for (std::uint64_t at = 0; at < kFileBytes; at += zeros.size()) Write(zeros, at);
    Must(::fsync(descriptor_) == 0, "cannot sync the floor's file");
  }
  ~Writer() { ::close(descriptor_); }

  void Append() {
    if (offset_ + batch_.size() > kFileBytes) offset_ = 0;
    Write(batch_, offset_);
    offset_ += batch_.size();
    Must(::fdatasync(descriptor_) == 0, "cannot sync the floor's file");
  }

 private:
  void Write(const std::string& bytes, std::uint64_t at) {
    Must(::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(at)) ==
             static_cast<ssize_t>(bytes.size()),
         "cannot write the floor's file");
  }

  const std::string batch_;
  const int descriptor_;
  std::uint64_t offset_ = 0;
};

void RunWriter(Shared& shared, int self, const std::string& path, std::size_t batch_bytes,
               double seconds) {
  Writer writer(path, batch_bytes);
  const auto index = static_cast<std::size_t>(self);
  ::pthread_barrier_wait(&shared.barrier);
  const auto from = Clock::now();
  for (std::size_t round = 0; round < kRoundsMax; ++round) {
    if (self == 0) shared.stop = round >= 20 && SecondsSince(from) > seconds / 2;
    ::pthread_barrier_wait(&shared.barrier);
    if (shared.stop) break;
    const auto begin = Clock::now();
    writer.Append();
    shared.together_ms[index][round] = static_cast<float>(SecondsSince(begin) * 1000);
    if (self == 0) shared.rounds = static_cast<std::uint32_t>(round + 1);
    ::pthread_barrier_wait(&shared.barrier);
  }
  const auto alone = Clock::now();
  int batches = 0;
  do {
    writer.Append();
    ++batches;
  } while (SecondsSince(alone) < seconds / 2);
  shared.batches_per_second[index] = batches / SecondsSince(alone);
}

double SecondOfThree(const Shared& shared) {
  std::vector<double> seconds;
  for (std::size_t round = 0; round < shared.rounds; ++round) {
    std::array<float, kWriters> one{};
    for (std::size_t i = 0; i < kWriters; ++i) one[i] = shared.together_ms[i][round];
    std::sort(one.begin(), one.end());
    seconds.push_back(one[1]);
  }
  return Quantile(seconds, 0.5);
}

/// Two transports that answer each other.
class Echo final : public Transport::Receiver {
 public:
  explicit Echo(std::uint64_t self) : transport_({.node = NodeId{self}, .listen = "127.0.0.1:0"}) {}
  ~Echo() override { transport_.Stop(); }

  void Answer(NodeId to) { answer_to_ = to; }
  TcpTransport& transport() { return transport_; }

  void OnFrame(NodeId, SharedBytes) override {
    if (answer_to_ != kNobody) {
      const SharedBytes answer = SharedBytes::Copy("!");
      transport_.Send(answer_to_, {&answer, 1});
      return;
    }
    const std::lock_guard lock(mutex_);
    ++answers_;
    changed_.notify_one();
  }
  void OnUnreachable(NodeId) override {}

  void Ask(NodeId to, const SharedBytes& bytes) {
    std::unique_lock lock(mutex_);
    const std::uint64_t had = answers_;
    lock.unlock();
    transport_.Send(to, {&bytes, 1});
    lock.lock();
    changed_.wait(lock, [&] { return answers_ > had; });
  }

 private:
  TcpTransport transport_;
  NodeId answer_to_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t answers_ = 0;
};

/// Answers until its standard input ends.
void RunAnswerer(const std::string& address, int until) {
  Echo echo(2);
  echo.Answer(NodeId{1});
  Must(echo.transport().Start(&echo).ok(), "the echo does not start");
  Must(echo.transport().SetPeer(NodeId{1}, address).ok(), "the echo has no peer");
  char byte = 0;
  static_cast<void>(::read(until, &byte, 1) == 0);
}

}  // namespace

DiskFloor MeasureDiskFloor(const std::string& directory, std::size_t batch_entries,
                           std::size_t entry_bytes, double seconds) {
  void* const memory =
      ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  Must(memory != MAP_FAILED, "no shared memory");
  auto& shared = *new (memory) Shared;
  pthread_barrierattr_t attributes;
  ::pthread_barrierattr_init(&attributes);
  ::pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  ::pthread_barrier_init(&shared.barrier, &attributes, kWriters);
  std::vector<::pid_t> children;
  for (int i = 0; i < kWriters; ++i) {
    children.push_back(Fork([&] {
      RunWriter(shared, i, directory + "/floor-" + std::to_string(i), batch_entries * entry_bytes,
                seconds);
    }));
  }
  for (const ::pid_t child : children) ::waitpid(child, nullptr, 0);
  DiskFloor result;
  result.second_of_three_ms = SecondOfThree(shared);
  std::sort(shared.batches_per_second.begin(), shared.batches_per_second.end());
  result.syncs_per_second = shared.batches_per_second[1];
  result.entries_per_second = result.syncs_per_second * static_cast<double>(batch_entries);
  ::munmap(memory, sizeof(Shared));
  return result;
}

double MeasureRoundTrip(std::size_t bytes, double seconds) {
  // Forked before there are threads: the child learns the address by a pipe.
  int pipe_ends[2];
  Must(::pipe2(pipe_ends, O_CLOEXEC) == 0, "no pipe");
  const ::pid_t child = Fork([&] {
    ::close(pipe_ends[1]);
    char address[128];
    const ssize_t size = ::read(pipe_ends[0], address, sizeof address);
    Must(size > 0, "no address");
    RunAnswerer(std::string(address, static_cast<std::size_t>(size)), pipe_ends[0]);
  });
  ::close(pipe_ends[0]);
  std::vector<double> times;
  {
    Echo echo(1);
    Must(echo.transport().Start(&echo).ok(), "the echo does not start");
    const std::string address = echo.transport().address();
    Must(::write(pipe_ends[1], address.data(), address.size()) > 0, "the echo is gone");
    while (echo.transport().stats().connections_made == 0) ::usleep(1000);
    const SharedBytes frame = SharedBytes::Copy(std::string(bytes, 'x'));
    const auto from = Clock::now();
    for (int i = 0; i < 20 || SecondsSince(from) < seconds; ++i) {
      const auto begin = Clock::now();
      echo.Ask(NodeId{2}, frame);
      times.push_back(SecondsSince(begin) * 1000);
    }
  }
  ::close(pipe_ends[1]);
  ::waitpid(child, nullptr, 0);
  return Quantile(times, 0.5);
}

}  // namespace trireme::raft::bench
