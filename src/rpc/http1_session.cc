#include "rpc/http1_session.h"

#include <atomic>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/string_body.hpp>
#include <limits>
#include <utility>

#include "fmt/format.h"

namespace trireme::rpc {
namespace {

namespace http = boost::beast::http;
using Parser = http::request_parser<http::string_body>;

constexpr std::string_view kPlainText = "text/plain; charset=utf-8";

std::string HeaderIn(const Parser& parser, http::field name) {
  const auto value = parser.get()[name];
  return {value.data(), value.size()};
}

HttpRequest RequestOf(const Parser& parser, std::string peer) {
  const auto whole = parser.get().target();
  const std::string_view target(whole.data(), whole.size());
  const std::size_t question = std::min(target.find('?'), target.size());
  HttpRequest request;
  request.path = target.substr(0, question);
  if (question < target.size()) request.query = target.substr(question + 1);
  request.body = parser.get().body();
  request.head = parser.get().method() == http::verb::head;
  request.peer = std::move(peer);
  request.host = HeaderIn(parser, http::field::host);
  request.origin = HeaderIn(parser, http::field::origin);
  request.content_type = HeaderIn(parser, http::field::content_type);
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

  void Reply(HttpReply reply) override {
    if (answered_.exchange(true)) return;
    ended_ = true;
    InLoop([this, reply = std::move(reply)] {
      if (session_ == nullptr) return;
      session_->SendWhole(reply);
      session_->EndResponse();
    });
  }

  void BeginReply(HttpReply head) override {
    if (answered_.exchange(true)) return;
    ++written_;
    InLoop([this, head = std::move(head)] {
      ++taken_;
      if (session_ != nullptr) session_->BeginStream(head);
    });
  }

  bool Write(std::string bytes) override {
    if (gone_.load()) return false;
    ++written_;
    InLoop([this, bytes = std::move(bytes)] {
      ++taken_;
      if (session_ != nullptr) session_->SendChunk(bytes);
    });
    return !gone_.load();
  }

  bool drained() const override { return flushed_.load() == written_.load(); }

  /// The socket has taken all that reached the session. Loop thread.
  void NoteFlushed() { flushed_ = taken_; }

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
  // Pieces of a begun response: asked for, with the session, and with the socket.
  std::atomic<std::uint64_t> written_{0};
  std::uint64_t taken_ = 0;  // Loop thread.
  std::atomic<std::uint64_t> flushed_{0};
};

Http1Session::Http1Session(std::shared_ptr<Transport> transport,
                           std::shared_ptr<ServerContext> context, ConnectionClosed closed)
    : transport_(std::move(transport)), context_(std::move(context)), closed_(std::move(closed)) {
  ArmTimeout(context_->options.handshake_timeout);
}

absl::Status Http1Session::OnInput(std::span<char> bytes) {
  // A client that pipelines beyond one header's worth waits in vain; none in use does.
  if (in_.size() + bytes.size() > 2 * kHttpHeaderBytesMax) {
    return absl::ResourceExhaustedError("HTTP/1.1 input over kHttpHeaderBytesMax");
  }
  in_.append(bytes.data(), bytes.size());
  ParseNext();
  return absl::OkStatus();
}

void Http1Session::ParseNext() {
  while (!responder_ && transport_ != nullptr && keep_alive_ && !in_.empty()) {
    Parser parser;
    parser.eager(true);
    parser.header_limit(kHttpHeaderBytesMax);
    parser.body_limit(kHttpBodyBytesMax);
    boost::beast::error_code error;
    const std::size_t used = parser.put(boost::asio::buffer(in_), error);
    if (error == http::error::need_more && in_.size() < kHttpHeaderBytesMax) return;
    if (error == http::error::body_limit)
      return Refuse(413, "the request's body is over kHttpBodyBytesMax\n");
    if (error == http::error::header_limit || error == http::error::need_more) {
      return Refuse(431, "the request's header is too large\n");
    }
    if (error) return Refuse(400, "this is neither HTTP/1.1 nor gRPC over HTTP/2\n");
    if (!parser.is_done()) return;
    in_.erase(0, used);
    const http::verb method = parser.get().method();
    head_only_ = method == http::verb::head;
    keep_alive_ = parser.get().keep_alive() && !draining_;
    if (!head_only_ && method != http::verb::get && method != http::verb::post) {
      return Refuse(405, "only GET, HEAD and, for what it names, POST are served here\n");
    }
    Answer(RequestOf(parser, transport_->peer()), method == http::verb::post);
  }
}

void Http1Session::Answer(const HttpRequest& request, bool post) {
  if (!post && !request.body.empty()) return Refuse(413, "only a POST may have a body\n");
  transport_->loop()->Disarm(timeout_);
  const HttpHandler* page = FindPage(post ? context_->posts : context_->pages, request.path);
  responder_ = std::make_shared<Responder>(this);
  if (page != nullptr) return (*page)(request, responder_->Handle());
  const bool other = FindPage(post ? context_->pages : context_->posts, request.path) != nullptr;
  responder_->Send(other ? 405 : 404, std::string(kPlainText),
                   other ? fmt::format("{} is not for this method\n", request.path)
                         : fmt::format("no such page: {}\n", request.path));
}

const HttpHandler* Http1Session::FindPage(const std::map<std::string, HttpHandler>& pages,
                                          const std::string& path) {
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
  SendWhole({status, std::string(kPlainText), std::string(text)});
  EndResponse();
}

void Http1Session::SendHead(const HttpReply& reply, std::string_view length_header) {
  out_ += fmt::format("HTTP/1.1 {} {}\r\nContent-Type: {}\r\n{}\r\n{}Connection: {}\r\n\r\n",
                      reply.status, ReasonOf(reply.status), reply.content_type, length_header,
                      reply.headers, keep_alive_ ? "keep-alive" : "close");
  transport_->MarkOutput();
}

void Http1Session::SendWhole(const HttpReply& reply) {
  SendHead(reply, fmt::format("Content-Length: {}", reply.body.size()));
  if (!head_only_) out_ += reply.body;
}

/// The last of its connection, so that one that is ended waits for a slow reader no longer than
/// Transport::kLingerTimeout.
void Http1Session::BeginStream(const HttpReply& head) {
  keep_alive_ = false;
  SendHead(head, "Transfer-Encoding: chunked\r\nCache-Control: no-store");
  SendChunk(head.body);
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
  // Called again after each piece of output that the socket has taken.
  if (responder_ && out.empty() && out_.empty()) responder_->NoteFlushed();
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
