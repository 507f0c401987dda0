#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "kv/server/member.h"
#include "kv/server/page_json.h"
#include "kv/server/peer_status.h"
#include "rpc/server.h"
#include "web/event_feed.h"
#include "web/page_rules.h"

namespace trireme::kv::inline engine {

/// How often at most those who look hear of a change.
inline constexpr std::chrono::milliseconds kPageInterval{500};
/// How often the other members are asked how they are, while somebody looks, and how long each may
/// take to say.
inline constexpr std::chrono::milliseconds kPeerInterval{500}, kPeerTimeout{250};
/// Requests that wait for the page's thread; one more is told 503.
inline constexpr std::size_t kPageRequestsMax = 64;
/// Lines of the server's log that are kept for its page.
inline constexpr std::size_t kPageLogLinesKept = 300;

/// A member's live page, /ui: docs/pages.md. It samples throughput and latency every second, and
/// asks the other members only while somebody looks.
class LivePage {
 public:
  /// `counted`: whose calls are shown. Both outlive it.
  LivePage(Member& member, const rpc::Server& counted, const web::PageRules& rules);
  ~LivePage() { Stop(); }

  /// Before the server starts. The server may not outlive this. `keys`: with what its clients may
  /// do too, to see keys and to change something.
  void AddTo(rpc::Server& on, bool keys);
  void Start();
  /// Ends streams and threads. Idempotent.
  void Stop();

 private:
  using Clock = std::chrono::steady_clock;
  using Responder = std::shared_ptr<rpc::HttpResponder>;
  using Answer = std::function<void(const rpc::HttpRequest&, const Responder&)>;

  void Get(rpc::Server& on, const std::string& path, Answer answer);
  void Enqueue(std::function<void()> task, const Responder& to);
  void SendKeys(const rpc::HttpRequest& request, const Responder& to);
  void Post(rpc::Server& on, const std::string& path,
            absl::Status (LivePage::*work)(const std::string& body));
  absl::Status MoveLeader(const std::string& body);
  absl::Status Disarm(const std::string& body);

  void Run();
  void Tick(Clock::time_point now);
  void TakeSample(Clock::time_point now);
  void CountStore(Clock::time_point now);
  PageState Look();
  void AskPeers();
  void Ask(const RosterEntry& peer);
  void NotePeer(std::uint64_t id, std::optional<PeerStatus> status);

  Member& member_;
  const rpc::Server& counted_;
  const web::PageRules rules_;
  web::EventFeed feed_{std::make_shared<std::atomic<std::size_t>>(0)};

  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;  // Guarded by mutex_, as the next two.
  std::deque<std::function<void()>> requests_;
  std::map<std::uint64_t, PeerSeen> peers_;
  std::thread thread_, asking_;

  // Of the thread.
  KvHistory history_;
  CallCounts calls_;
  Clock::time_point sample_due_{}, sampled_{}, tell_due_{}, count_due_{};
  std::uint64_t told_elections_ = 0;
  KeyCount keys_;
  std::int64_t counted_revision_ = -1;
  std::size_t leases_ = 0;
};

}  // namespace trireme::kv::inline engine
