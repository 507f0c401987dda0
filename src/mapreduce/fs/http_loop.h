#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/status.h"

/// HTTP/1.1 over libcurl: one thread that drives all transfers of its owner and keeps their
/// connections for the next ones.
namespace trireme::mapreduce {

/// Room for the body of an answer.
struct HttpBuffer {
  explicit HttpBuffer(std::size_t size) : bytes(new char[size]), size_bytes(size) {}
  const std::unique_ptr<char[]> bytes;
  const std::size_t size_bytes;
};

struct HttpRequest {
  std::string method;
  std::string url;
  std::vector<std::string> headers;         ///< "name: value"
  std::shared_ptr<const std::string> body;  ///< null: none
  /// Where the body of an answer 2xx goes; a longer one is an error. Null: into the answer.
  std::shared_ptr<HttpBuffer> to;
  /// Set: nobody wants the answer any more.
  std::shared_ptr<std::atomic<bool>> cancelled;
};

struct HttpAnswer {
  /// UNAVAILABLE: no whole answer came, and another try may fare better; FAILED_PRECONDITION: none
  /// would (a certificate that is not trusted); CANCELLED.
  absl::Status transport;
  int status = 0;
  std::map<std::string, std::string> headers;  ///< by lower-case name
  std::string body;
  std::size_t body_bytes = 0;  ///< also of what went to HttpRequest::to

  std::string Header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string() : found->second;
  }
};

struct HttpLimits {
  std::uint32_t connections = 32;  ///< requests beyond that wait their turn
  std::uint32_t connect_timeout_ms = 5'000;
  std::uint32_t stall_timeout_s = 20;
  std::size_t answer_bytes_max = 16u << 20;  ///< of an answer without HttpRequest::to
  std::string ca_bundle;                     ///< empty: the system's
};

/// Bytes of one answer's headers that are kept.
inline constexpr std::size_t kHeaderBytesMax = 64u << 10;

/// Thread-safe.
class HttpLoop {
 public:
  using Done = std::function<void(HttpAnswer)>;

  explicit HttpLoop(HttpLimits limits);
  /// Requests under way are answered with CANCELLED.
  ~HttpLoop();
  HttpLoop(const HttpLoop&) = delete;
  HttpLoop& operator=(const HttpLoop&) = delete;

  /// `done` runs on the loop's thread and must not block.
  void Start(HttpRequest request, Done done);
  /// Runs `task` on the loop's thread, some time from now. At the end of the loop's life all that
  /// wait are run at once.
  void After(std::int64_t delay_ms, std::function<void()> task);

 private:
  struct Transfer;
  class Curl;

  void Run();
  void Post(std::function<void()> task);
  void StartWaiting();
  void Finish(std::unique_ptr<Transfer> transfer, HttpAnswer answer);

  const HttpLimits limits_;
  const std::unique_ptr<Curl> curl_;
  std::mutex mutex_;
  std::deque<std::function<void()>> posted_;                    // Guarded by mutex_.
  std::deque<std::unique_ptr<Transfer>> waiting_;               // the loop's
  std::multimap<std::int64_t, std::function<void()>> delayed_;  // the loop's, by time
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace trireme::mapreduce
