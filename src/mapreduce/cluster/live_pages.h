#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "absl/functional/any_invocable.h"
#include "mapreduce/cluster/master.h"
#include "mapreduce/cluster/pages_json.h"
#include "rpc/server.h"
#include "web/event_feed.h"
#include "web/page_rules.h"

namespace trireme::mapreduce::cluster {

/// How often at most those who look hear of a change.
inline constexpr std::chrono::milliseconds kPageJobIntervalMs{250}, kPageOverviewIntervalMs{500};
/// Of the owner thread's time that pages may take: who asks for something costly asks less often.
inline constexpr int kPageShareOfOwner = 20;  ///< one in so many
/// Requests that wait for the pages' thread; one more is told 503.
inline constexpr std::size_t kPageRequestsMax = 64;
/// Lines of the coordinator's log that are kept for its page.
inline constexpr std::size_t kPageLogLinesKept = 500;

/// The coordinator's live pages: takes copies of the master's state on the owner thread, encodes
/// and sends them on a thread of its own, while somebody looks. docs/pages.md.
class LivePages {
 public:
  /// Called with null by a coordinator that stands by, and with who leads.
  using Work = absl::AnyInvocable<void(Master*, ShownLeader standby_of)>;
  /// Runs it on the owner thread; false: it cannot.
  using OnOwner = std::function<bool(Work)>;

  LivePages(rpc::Server& http, const web::PageRules& rules, OnOwner on_owner);
  ~LivePages() { Stop(); }

  void Start();
  /// Ends streams and the thread. Before the owner thread ends. Idempotent.
  void Stop();

 private:
  using Clock = std::chrono::steady_clock;
  using Responder = std::shared_ptr<rpc::HttpResponder>;
  struct JobFeed {
    std::unique_ptr<web::EventFeed> feed;
    Clock::time_point due{};
  };
  /// Where each job was when the last sample was taken.
  struct Seen {
    std::uint64_t map_bytes = 0, reduce_bytes = 0, tasks = 0;
  };

  void Register(rpc::Server& http);
  void Get(rpc::Server& http, const std::string& path,
           std::function<void(const rpc::HttpRequest&, const Responder&)> answer);
  void ServeOverview(const rpc::HttpRequest& request, const Responder& to);
  void ServeJob(const rpc::HttpRequest& request, const Responder& to);
  void Cancel(std::uint64_t job, const Responder& to);

  void Run();
  void Tick(Clock::time_point now);
  void TellOverview(Clock::time_point now);
  void TellJobs(Clock::time_point now);
  void TakeSample(const Overview& overview);

  /// What `read` says on the owner thread. Empty: it ends.
  template <class Result>
  std::optional<Result> FromOwner(
      std::function<Result(Master*, const ShownLeader& standby_of)> read);
  std::optional<Overview> TakeOverview();
  absl::StatusOr<v1::Timeline> TakeTimeline(std::uint64_t job);

  const web::PageRules rules_;
  const OnOwner on_owner_;
  const std::shared_ptr<std::atomic<std::size_t>> readers_ =
      std::make_shared<std::atomic<std::size_t>>(0);
  web::EventFeed overview_{readers_};
  const std::int64_t started_unix_ms_ = UnixMs();

  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;  // Guarded by mutex_, as the next two.
  std::deque<std::function<void()>> requests_;
  std::map<std::uint64_t, JobFeed> jobs_;
  std::thread thread_;

  // Of the thread.
  ClusterHistory history_;
  std::map<std::uint64_t, Seen> seen_;
  bool sampled_ = false;
  Clock::time_point sample_due_{}, overview_due_{};
  Clock::duration cost_{};  ///< of the newest look at the owner's state
};

}  // namespace trireme::mapreduce::cluster
