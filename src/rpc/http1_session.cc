#include "rpc/http1_session.h"

#include <atomic>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>
#include <limits>
#include <utility>

#include "fmt/format.h"

namespace trireme::rpc {
namespace {

namespace http = boost::beast::http;
using Parser = http::request_parser<http::empty_body>;

constexpr std::string_view kPlainText = "text/plain; charset=utf-8";

HttpRequest RequestOf(std::string_view target) {
  const std::size_t question = std::min(target.find('?'), target.size());
  HttpRequest request;
  request.path = target.substr(0, question);
  if (question < target.size()) request.query = target.substr(question + 1);
  return request;
}

std::string_view ReasonOf(int status) {
  const auto reason = http::obsolete_reason(http::int_to_status(static_cast<unsigned>(status)));
  return {reason.data(), reason.size()};
}

}  // namespace

/// Any thread may hold it; what it does is posted to the session's loop.
class Http1Session::Responder final : public HttpResponder,
                                      public std::enable_shared_from_this<Responder> {
 public:
  explicit Responder(Http1Session* session)
      : loop_(session->transport_->loop()), session_(session) {}

  /// What a page's handler gets: when its last copy goes, an open response is ended.
  std::shared_ptr<HttpResponder> Handle() {
    return {this, [core = shared_from_this()](HttpResponder*) { core->Abandon(); }};
  }

  void Send(int status, std::string content_type, std::string body) override {
    if (answered_.exchange(true)) return;
    ended_ = true;
    InLoop([this, status, type = std::move(content_type), body = std::move(body)] {
      if (session_ == nullptr) return;
      session_->SendWhole(status, type, body);
      session_->EndResponse();
    });
  }

  void Begin(int status, std::string content_type) override {
    if (answered_.exchange(true)) return;
    InLoop([this, status, type = std::move(content_type)] {
      if (session_ != nullptr) {
        session_->SendHead(status, type, "Transfer-Encoding: chunked\r\nCache-Control: no-store");
      }
    });
  }

  bool Write(std::string bytes) override {
    if (gone_.load()) return false;
    InLoop([this, bytes = std::move(bytes)] {
      if (session_ == nullptr) return;
      session_->SendChunk(bytes);
    });
    return !gone_.load();
  }

  void End() override {
    if (ended_.exchange(true)) return;
    InLoop([this] {
      if (session_ == nullptr) return;
      if (!session_->head_only_) session_->out_.append("0\r\n\r\n");
      session_->EndResponse();
    });
  }

  bool gone() const override { return gone_.load(); }

  /// The session is closed or has gone on to another request.
  void Detach() {
    session_ = nullptr;
    gone_ = true;
  }

 private:
  void Abandon() {
    Send(500, std::string(kPlainText), "the page's handler gave no answer\n");
    End();
  }

  template <class Work>
  void InLoop(Work work) {
    if (loop_->InThread()) {
      work();
    } else {
      loop_->Post([self = shared_from_this(), work = std::move(work)] { work(); });
    }
  }

  const std::shared_ptr<Loop> loop_;
  Http1Session* session_;  // Loop thread; null once detached.
  std::atomic<bool> answered_{false};
  std::atomic<bool> gone_{false};
  std::atomic<bool> ended_{false};
};

Http1Session::Http1Session(std::shared_ptr<Transport> transport,
                           std::shared_ptr<ServerContext> context, ConnectionClosed closed)
    : transport_(std::move(transport)), context_(std::move(context)), closed_(std::move(closed)) {
  ArmTimeout(context_->options.handshake_timeout);
}

absl::Status Http1Session::OnInput(std::string_view bytes) {
  // A client that pipelines beyond one header's worth waits in vain; none in use does.
  if (in_.size() + bytes.size() > 2 * kHttpHeaderBytesMax) {
    return absl::ResourceExhaustedError("HTTP/1.1 input over kHttpHeaderBytesMax");
  }
  in_.append(bytes);
  ParseNext();
  return absl::OkStatus();
}

void Http1Session::ParseNext() {
  while (!responder_ && transport_ != nullptr && keep_alive_ && !in_.empty()) {
    Parser parser;
    parser.header_limit(kHttpHeaderBytesMax);
    parser.body_limit(0);
    boost::beast::error_code error;
    const std::size_t used = parser.put(boost::asio::buffer(in_), error);
    if (error == http::error::need_more && in_.size() < kHttpHeaderBytesMax) return;
    if (error == http::error::body_limit)
      return Refuse(413, "requests with a body are not taken\n");
    if (error == http::error::header_limit || error == http::error::need_more) {
      return Refuse(431, "the request's header is too large\n");
    }
    if (error) return Refuse(400, "this is neither HTTP/1.1 nor gRPC over HTTP/2\n");
    if (!parser.is_done()) return;
    in_.erase(0, used);
    head_only_ = parser.get().method() == http::verb::head;
    keep_alive_ = parser.get().keep_alive() && !draining_;
    if (!head_only_ && parser.get().method() != http::verb::get) {
      return Refuse(405, "only GET and HEAD are served here\n");
    }
    const auto target = parser.get().target();
    Answer(RequestOf({target.data(), target.size()}));
  }
}

void Http1Session::Answer(const HttpRequest& request) {
  transport_->loop()->Disarm(timeout_);
  const HttpHandler* page = FindPage(request.path);
  responder_ = std::make_shared<Responder>(this);
  if (page == nullptr) {
    responder_->Send(404, std::string(kPlainText), "no such page: " + request.path + "\n");
    return;
  }
  (*page)(request, responder_->Handle());
}

const HttpHandler* Http1Session::FindPage(const std::string& path) const {
  const auto& pages = context_->pages;
  if (const auto found = pages.find(path); found != pages.end()) return &found->second;
  for (std::size_t slash = path.rfind('/'); slash != path.npos;) {
    const auto found = pages.find(path.substr(0, slash + 1) + "*");
    if (found != pages.end()) return &found->second;
    if (slash == 0) break;
    slash = path.rfind('/', slash - 1);
  }
  return nullptr;
}

void Http1Session::Refuse(int status, std::string_view text) {
  keep_alive_ = false;
  head_only_ = false;
  SendWhole(status, kPlainText, text);
  EndResponse();
}

void Http1Session::SendHead(int status, std::string_view content_type,
                            std::string_view length_header) {
  out_ += fmt::format("HTTP/1.1 {} {}\r\nContent-Type: {}\r\n{}\r\nConnection: {}\r\n\r\n", status,
                      ReasonOf(status), content_type, length_header,
                      keep_alive_ ? "keep-alive" : "close");
  transport_->MarkOutput();
}

void Http1Session::SendWhole(int status, std::string_view content_type, std::string_view body) {
  SendHead(status, content_type, fmt::format("Content-Length: {}", body.size()));
  if (!head_only_) out_ += body;
}

void Http1Session::SendChunk(std::string_view bytes) {
  if (bytes.empty() || head_only_) return;
  out_ += fmt::format("{:x}\r\n", bytes.size());
  out_ += bytes;
  out_ += "\r\n";
  if (out_.size() + transport_->unsent_bytes() > kHttpQueueBytesMax) {
    transport_->Close(absl::ResourceExhaustedError("the page's reader is too slow"));
    return;
  }
  transport_->MarkOutput();
}

void Http1Session::EndResponse() {
  if (responder_) std::exchange(responder_, nullptr)->Detach();
  if (!keep_alive_) {
    transport_->CloseWhenFlushed(absl::OkStatus());
    return;
  }
  transport_->MarkOutput();
  ArmTimeout(context_->options.idle_timeout);
  // Not from within the handler: a client that pipelines must not deepen the stack.
  transport_->loop()->Post([self = shared_from_this()] { self->ParseNext(); });
}

void Http1Session::ArmTimeout(absl::Duration after) {
  transport_->loop()->Arm(timeout_, Loop::Clock::now() + ToLoopDuration(after));
}

void Http1Session::OnTimeout() {
  transport_->Close(absl::DeadlineExceededError("no whole HTTP/1.1 request within the limit"));
}

void Http1Session::ProduceOutput(OutQueue& out) {
  out.Append(out_);
  out_.clear();
}

void Http1Session::OnClosed(const absl::Status&) {
  transport_->loop()->Disarm(timeout_);
  if (responder_) std::exchange(responder_, nullptr)->Detach();
  closed_(transport_.get());
  transport_ = nullptr;
}

void Http1Session::Drain() {
  draining_ = true;
  keep_alive_ = false;
  if (!responder_) transport_->CloseWhenFlushed(absl::OkStatus());
}

}  // namespace trireme::rpc
