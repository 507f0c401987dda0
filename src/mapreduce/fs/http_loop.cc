#include "mapreduce/fs/http_loop.h"

#include <curl/curl.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "fmt/format.h"
#include "io/clock.h"
#include "mapreduce/fs/text.h"

namespace trireme::mapreduce {
namespace {

constexpr int kPollMsMax = 1'000;
constexpr long kTransferBufferBytes = 256 << 10;

/// Of what libcurl says: whether the same request may fare better later.
bool MayPass(CURLcode code) {
  switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_OUT_OF_MEMORY:
      return false;
    default:
      return true;
  }
}

}  // namespace

struct HttpLoop::Transfer {
  HttpRequest request;
  Done done;
  HttpAnswer answer;
  std::size_t answer_bytes_max = 0;
  std::size_t sent = 0;
  std::size_t header_bytes = 0;
  const char* refused = nullptr;
  CURL* easy = nullptr;
  curl_slist* headers = nullptr;
  char error[CURL_ERROR_SIZE] = {};

  ~Transfer() { curl_slist_free_all(headers); }

  bool ToBuffer() const { return request.to != nullptr && answer.status / 100 == 2; }

  static std::size_t OnBody(char* data, std::size_t, std::size_t size, void* self) {
    return static_cast<Transfer*>(self)->TakeBody({data, size}) ? size : 0;
  }
  bool TakeBody(std::string_view data) {
    if (ToBuffer()) {
      if (data.size() > request.to->size_bytes - answer.body_bytes)
        return Refuse("the answer is longer than what was asked for");
      std::memcpy(request.to->bytes.get() + answer.body_bytes, data.data(), data.size());
    } else {
      if (data.size() > answer_bytes_max - answer.body.size())
        return Refuse("the answer is longer than any should be");
      answer.body.append(data);
    }
    answer.body_bytes += data.size();
    return true;
  }
  bool Refuse(const char* why) {
    refused = why;
    return false;
  }

  static std::size_t OnHeader(char* data, std::size_t, std::size_t size, void* self) {
    return static_cast<Transfer*>(self)->TakeHeader({data, size}) ? size : 0;
  }
  bool TakeHeader(std::string_view line) {
    header_bytes += line.size();
    if (header_bytes > kHeaderBytesMax) return Refuse("the answer's headers are too long");
    if (line.starts_with("HTTP/")) {  // also after a 100 Continue
      answer.headers.clear();
      long status = 0;
      curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
      answer.status = static_cast<int>(status);
      return true;
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return true;
    answer.headers[Lowered(line.substr(0, colon))] = std::string(Trimmed(line.substr(colon + 1)));
    return true;
  }

  static std::size_t OnRead(char* to, std::size_t, std::size_t room, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    const std::string& body = *transfer.request.body;
    const std::size_t size = std::min(room, body.size() - transfer.sent);
    std::memcpy(to, body.data() + transfer.sent, size);
    transfer.sent += size;
    return size;
  }
  static int OnSeek(void* self, curl_off_t offset, int origin) {
    auto& transfer = *static_cast<Transfer*>(self);
    if (origin != SEEK_SET || offset < 0) return CURL_SEEKFUNC_CANTSEEK;
    transfer.sent = std::min(static_cast<std::size_t>(offset), transfer.request.body->size());
    return CURL_SEEKFUNC_OK;
  }
  static int OnProgress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    const auto& transfer = *static_cast<Transfer*>(self);
    return transfer.request.cancelled != nullptr && *transfer.request.cancelled ? 1 : 0;
  }
};

/// libcurl's handles. The loop's thread, but for Wake.
class HttpLoop::Curl {
 public:
  explicit Curl(const HttpLimits& limits) : limits_(limits) {
    static const CURLcode global = curl_global_init(CURL_GLOBAL_DEFAULT);
    TRIREME_CHECK(global == CURLE_OK);
    multi_ = curl_multi_init();
    TRIREME_CHECK(multi_ != nullptr);
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(limits.connections));
    curl_multi_setopt(multi_, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_NOTHING));
  }
  ~Curl() {
    for (CURL* easy : idle_) curl_easy_cleanup(easy);
    curl_multi_cleanup(multi_);
  }

  void Wake() { curl_multi_wakeup(multi_); }
  void Wait(int ms) { curl_multi_poll(multi_, nullptr, 0, ms, nullptr); }
  bool full() const { return active_.size() >= limits_.connections; }

  void Add(std::unique_ptr<Transfer> transfer) {
    CURL* easy = TakeEasy();
    transfer->easy = easy;
    transfer->answer_bytes_max = limits_.answer_bytes_max;
    SetUp(*transfer);
    active_[easy] = std::move(transfer);
    curl_multi_add_handle(multi_, easy);
  }

  /// Moves bytes; calls `ended` for each transfer that is over.
  template <typename Ended>
  void Perform(Ended ended) {
    int running = 0;
    curl_multi_perform(multi_, &running);
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode code = message->data.result;
      std::unique_ptr<Transfer> transfer = Take(message->easy_handle);
      transfer->answer.transport = Explain(*transfer, code);
      HttpAnswer answer = std::move(transfer->answer);
      ended(std::move(transfer), std::move(answer));
    }
  }

  std::vector<std::unique_ptr<Transfer>> TakeAll() {
    std::vector<std::unique_ptr<Transfer>> all;
    while (!active_.empty()) all.push_back(Take(active_.begin()->first));
    return all;
  }

 private:
  CURL* TakeEasy() {
    if (idle_.empty()) {
      CURL* easy = curl_easy_init();
      TRIREME_CHECK(easy != nullptr);
      return easy;
    }
    CURL* easy = idle_.back();
    idle_.pop_back();
    curl_easy_reset(easy);
    return easy;
  }

  std::unique_ptr<Transfer> Take(CURL* easy) {
    auto node = active_.extract(easy);
    curl_multi_remove_handle(multi_, easy);
    idle_.push_back(easy);
    return std::move(node.mapped());
  }

  void SetUp(Transfer& t) {
    CURL* easy = t.easy;
    curl_easy_setopt(easy, CURLOPT_URL, t.request.url.c_str());
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t.error);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, kTransferBufferBytes);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, kTransferBufferBytes);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     static_cast<long>(limits_.connect_timeout_ms));
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, static_cast<long>(limits_.stall_timeout_s));
    if (!limits_.ca_bundle.empty())
      curl_easy_setopt(easy, CURLOPT_CAINFO, limits_.ca_bundle.c_str());
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Transfer::OnBody);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &t);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &Transfer::OnHeader);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &t);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, &Transfer::OnProgress);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, &t);
    SetMethod(t);
    for (const std::string& header : t.request.headers)
      t.headers = curl_slist_append(t.headers, header.c_str());
    // Headers of libcurl's own that are not signed and that nobody needs.
    for (const char* header : {"Expect:", "Accept:"})
      t.headers = curl_slist_append(t.headers, header);
    if (t.request.method == "POST") t.headers = curl_slist_append(t.headers, "Content-Type:");
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, t.headers);
  }

  static void SetMethod(Transfer& t) {
    const std::string& method = t.request.method;
    if (method == "HEAD") curl_easy_setopt(t.easy, CURLOPT_NOBODY, 1L);
    if (method == "DELETE") curl_easy_setopt(t.easy, CURLOPT_CUSTOMREQUEST, "DELETE");
    if (method != "PUT" && method != "POST") return;
    if (t.request.body == nullptr) t.request.body = std::make_shared<const std::string>();
    const auto size = static_cast<curl_off_t>(t.request.body->size());
    if (method == "PUT") {
      curl_easy_setopt(t.easy, CURLOPT_UPLOAD, 1L);
      curl_easy_setopt(t.easy, CURLOPT_INFILESIZE_LARGE, size);
    } else {
      curl_easy_setopt(t.easy, CURLOPT_POST, 1L);
      curl_easy_setopt(t.easy, CURLOPT_POSTFIELDSIZE_LARGE, size);
    }
    curl_easy_setopt(t.easy, CURLOPT_READFUNCTION, &Transfer::OnRead);
    curl_easy_setopt(t.easy, CURLOPT_READDATA, &t);
    curl_easy_setopt(t.easy, CURLOPT_SEEKFUNCTION, &Transfer::OnSeek);
    curl_easy_setopt(t.easy, CURLOPT_SEEKDATA, &t);
  }

  absl::Status Explain(const Transfer& t, CURLcode code) const {
    if (code == CURLE_OK) return absl::OkStatus();
    if (code == CURLE_ABORTED_BY_CALLBACK) return absl::CancelledError("not wanted any more");
    const std::string why = t.refused != nullptr ? t.refused
                            : t.error[0] != '\0' ? t.error
                                                 : curl_easy_strerror(code);
    return MayPass(code) ? absl::UnavailableError(why) : absl::FailedPreconditionError(why);
  }

  const HttpLimits& limits_;
  CURLM* multi_ = nullptr;
  std::vector<CURL*> idle_;
  std::map<CURL*, std::unique_ptr<Transfer>> active_;
};

HttpLoop::HttpLoop(HttpLimits limits)
    : limits_(std::move(limits)),
      curl_(std::make_unique<Curl>(limits_)),
      thread_([this] { Run(); }) {}

HttpLoop::~HttpLoop() {
  stopping_ = true;
  curl_->Wake();
  thread_.join();
}

void HttpLoop::Post(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(task));
  }
  curl_->Wake();
}

void HttpLoop::Start(HttpRequest request, Done done) {
  auto transfer = std::make_shared<std::unique_ptr<Transfer>>(std::make_unique<Transfer>());
  (*transfer)->request = std::move(request);
  (*transfer)->done = std::move(done);
  Post([this, transfer] { waiting_.push_back(std::move(*transfer)); });
}

void HttpLoop::After(std::int64_t delay_ms, std::function<void()> task) {
  const std::int64_t at = io::SteadyMs() + delay_ms;
  Post([this, at, task = std::move(task)]() mutable { delayed_.emplace(at, std::move(task)); });
}

void HttpLoop::StartWaiting() {
  while (!waiting_.empty() && !curl_->full()) {
    std::unique_ptr<Transfer> next = std::move(waiting_.front());
    waiting_.pop_front();
    if (next->request.cancelled != nullptr && *next->request.cancelled) {
      HttpAnswer answer;
      answer.transport = absl::CancelledError("not wanted any more");
      Finish(std::move(next), std::move(answer));
    } else {
      curl_->Add(std::move(next));
    }
  }
}

void HttpLoop::Finish(std::unique_ptr<Transfer> transfer, HttpAnswer answer) {
  transfer->done(std::move(answer));
}

void HttpLoop::Run() {
  for (;;) {
    std::deque<std::function<void()>> posted;
    {
      const std::lock_guard lock(mutex_);
      posted.swap(posted_);
    }
    for (auto& task : posted) task();
    const std::int64_t now = io::SteadyMs();
    while (!delayed_.empty() && (stopping_ || delayed_.begin()->first <= now))
      delayed_.extract(delayed_.begin()).mapped()();
    if (stopping_) {
      for (auto& transfer : curl_->TakeAll()) waiting_.push_back(std::move(transfer));
      if (waiting_.empty() && posted.empty()) return;
      for (auto& transfer : std::exchange(waiting_, {})) {
        HttpAnswer answer;
        answer.transport = absl::CancelledError("the program ends");
        Finish(std::move(transfer), std::move(answer));
      }
      continue;
    }
    StartWaiting();
    curl_->Perform(
        [this](auto transfer, auto answer) { Finish(std::move(transfer), std::move(answer)); });
    const std::int64_t due =
        delayed_.empty() ? kPollMsMax : delayed_.begin()->first - io::SteadyMs();
    const bool more = !waiting_.empty() && !curl_->full();
    curl_->Wait(more ? 0 : static_cast<int>(std::clamp<std::int64_t>(due, 0, kPollMsMax)));
  }
}

}  // namespace trireme::mapreduce
