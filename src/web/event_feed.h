#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "rpc/http.h"

namespace trireme::web {

/// Who listens to all feeds of a server at once; one more is told 503.
inline constexpr std::size_t kEventReadersMax = 64;
/// A reader that has taken nothing for so long is cut off.
inline constexpr std::chrono::seconds kEventStallMax{20};
/// Silence after which a comment is sent, so that both ends find out that the other is gone.
inline constexpr std::chrono::seconds kEventSilenceMax{10};

/// The newest state of one page, told as server-sent events to everyone who looks at it. A reader
/// that is slow gets fewer states and never older ones: the next is written when the socket has
/// taken the one before, so nobody's queue holds more than one. Thread-safe.
class EventFeed {
 public:
  using Clock = std::chrono::steady_clock;

  /// `readers` counts those of all feeds of a server.
  explicit EventFeed(std::shared_ptr<std::atomic<std::size_t>> readers)
      : readers_count_(std::move(readers)) {}
  ~EventFeed() { Close(); }
  EventFeed(const EventFeed&) = delete;
  EventFeed& operator=(const EventFeed&) = delete;

  /// Answers the request with the state as it is and goes on.
  void Add(const rpc::HttpRequest& request, std::shared_ptr<rpc::HttpResponder> to);
  /// The state is this from now on: JSON of one line.
  void Set(std::string json);
  /// Sends what is new to those who are ready, and lets go of those who are gone. Now and then.
  void Pump(Clock::time_point now);
  bool wanted() const;
  /// Ends every stream; later readers are told 503.
  void Close();

 private:
  struct Reader {
    std::shared_ptr<rpc::HttpResponder> to;
    std::uint64_t version = 0;  ///< Last written.
    Clock::time_point written{};
  };

  void Write(Reader& reader, Clock::time_point now, const std::string& bytes) const;
  bool Serve(Reader& reader, Clock::time_point now) const;

  const std::shared_ptr<std::atomic<std::size_t>> readers_count_;
  mutable std::mutex mutex_;
  std::vector<Reader> readers_;  // Guarded by mutex_, as all below.
  std::string json_, event_;
  std::uint64_t version_ = 0;  // 0: there is no state yet.
  bool closed_ = false;
};

}  // namespace trireme::web
