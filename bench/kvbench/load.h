#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "kvbench/recorder.h"
#include "kvbench/source.h"
#include "rpc/channel.h"

namespace trireme::kv::bench {

/// An answer that takes longer is a failure.
inline constexpr absl::Duration kRequestTimeout = absl::Seconds(30);

/// Connections to the servers in turn, spread over io threads. Thread-safe.
class Connections {
 public:
  Connections(const std::vector<rpc::Address>& servers, int count, int threads);
  ~Connections();

  std::size_t count() const { return channels_.size(); }
  const std::shared_ptr<rpc::Channel>& operator[](std::size_t i) const { return channels_[i]; }
  std::size_t threads() const { return loops_.size(); }
  /// Which of the io threads has the i-th connection.
  std::size_t ThreadOf(std::size_t i) const { return i % loops_.size(); }
  const std::vector<std::shared_ptr<rpc::Loop>>& loops() const { return loops_; }
  /// A request and its answer on each connection.
  absl::Status Warm();

 private:
  std::vector<std::shared_ptr<rpc::Loop>> loops_;
  std::vector<std::shared_ptr<rpc::Channel>> channels_;
};

/// Counts what is under way. Thread-safe.
class Running {
 public:
  void Add(std::uint64_t count);
  void Done();
  /// Whether all were done in time.
  bool WaitFor(absl::Duration timeout);

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t count_ = 0;
};

/// Clients of which each sends its next request when its last one is answered.
class Load {
 public:
  virtual ~Load() = default;
  /// What must be there before the load begins.
  virtual absl::Status Prepare() { return absl::OkStatus(); }
  /// Sends until the window's end, then no more.
  virtual void Begin(Window window) = 0;
  /// Ends the window early.
  void Stop() { stopped_ = true; }
  /// Until all answers are there. What is missing after the request timeout is a failure.
  virtual void Finish() = 0;
  /// After Finish.
  virtual Recorder Records() = 0;

 protected:
  std::atomic<bool> stopped_{false};
};

/// Unary calls; clients are spread over the connections.
std::unique_ptr<Load> MakeUnaryLoad(Connections& connections, std::uint64_t clients,
                                    const MakeSource& make_source);

}  // namespace trireme::kv::bench
