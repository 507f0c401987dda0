#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include <trireme/kv.h>
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mapreduce/cluster/kv_options.h"
#include "mapreduce/ledger/loader.h"

namespace trireme::mapreduce::cluster {

/// A KV that does not answer when a coordinator starts is given up after so long; later it is
/// waited for.
inline constexpr std::int64_t kKvReachPatienceMs = 5'000;
/// Between two tries to stand for election.
inline constexpr std::int64_t kCandidateRetryMs = 200;

/// Stands for election, again and again, on a thread of its own; reads the journal whenever it
/// has won.
class Candidate {
 public:
  struct Term {
    std::shared_ptr<kv::Leadership> leadership;
    ledger::Loaded loaded;
  };
  /// On the candidate's thread.
  struct Events {
    std::function<void(Term)> on_elected;
    std::function<void(absl::Status why)> on_lost;
    /// It stands no more: the journal is damaged, or the KV refuses what it does.
    std::function<void(absl::Status why)> on_failed;
  };

  /// Asks the KV once. Errors are one line for the user. `client` outlives the candidate.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Candidate>> Create(const KvOptions& options,
                                                                         kv::Client* client);
  ~Candidate();

  /// `value` is what others see of the leader.
  void Start(std::string value, Events events);
  /// Ends the term under way, as its leader cannot go on; then it stands again.
  void Resign();
  /// Ends the term and stands no more. Joins the thread.
  void Stop();

 private:
  Candidate(const KvOptions& options, kv::Client* client) : options_(options), client_(*client) {}
  void Run();
  absl::Status RunTerm();
  absl::StatusOr<kv::Leadership> Campaign();
  void AwaitEnd(const std::shared_ptr<kv::Leadership>& leadership);
  void Pause();

  /// What wakes the thread; the KV client's thread may hold it longer than this lives.
  struct Bell {
    std::mutex mutex;
    std::condition_variable rung;
    bool resigns = false;  // Guarded by mutex.
    void Ring();
  };

  const KvOptions options_;
  kv::Client& client_;
  std::string value_;
  Events events_;
  std::atomic<bool> stop_{false};
  const std::shared_ptr<Bell> bell_ = std::make_shared<Bell>();
  std::thread thread_;
};

}  // namespace trireme::mapreduce::cluster
