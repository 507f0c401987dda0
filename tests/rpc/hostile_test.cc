#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "rpc/echo_service.h"
#include "rpc/server.h"
#include "rpc/sockets.h"

// Raw bytes on the server's port: garbage, slow-loris, clients that vanish, HTTP/1.1.
namespace trireme::test {
namespace {

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr std::string_view kEmptySettings("\0\0\0\x04\0\0\0\0\0", 9);

/// A blocking TCP connection.
class RawClient {
 public:
  explicit RawClient(const rpc::Address& address) {
    auto descriptor = rpc::BeginConnect(rpc::Resolve(address)->front());
    EXPECT_TRUE(descriptor.ok());
    descriptor_ = *std::move(descriptor);
    Await(POLLOUT);
  }
  void Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(descriptor_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno != EAGAIN) return;
      if (sent < 0) Await(POLLOUT);
      bytes.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
    }
  }
  /// Everything until the server closes.
  std::string ReadToEnd() { return ReadUntil("no server sends this text"); }
  /// Everything up to the first chunk that completes `text`, or the end.
  std::string ReadUntil(std::string_view text) {
    std::string all, some;
    while (all.find(text) == std::string::npos && !(some = ReadSome()).empty()) all += some;
    return all;
  }
  /// What comes next; nothing at the end.
  std::string ReadSome() {
    char buffer[4096];
    const ssize_t got = Await(POLLIN) ? ::recv(descriptor_.get(), buffer, sizeof buffer, 0) : 0;
    return {buffer, static_cast<std::size_t>(std::max<ssize_t>(got, 0))};
  }
  void Vanish() {
    const linger abortive{1, 0};
    ::setsockopt(descriptor_.get(), SOL_SOCKET, SO_LINGER, &abortive, sizeof abortive);
    descriptor_ = rpc::OwnedDescriptor();
  }

 private:
  bool Await(short events) {
    pollfd one{descriptor_.get(), events, 0};
    return ::poll(&one, 1, 30'000) == 1;
  }
  rpc::OwnedDescriptor descriptor_;
};

class HostileTest : public testing::Test {
 protected:
  void SetUp() override {
    rpc::ServerOptions options;
    options.handshake_timeout = absl::Milliseconds(300);
    options.header_timeout = absl::Milliseconds(300);
    options.keepalive_interval = absl::Milliseconds(300);
    options.keepalive_timeout = absl::Milliseconds(300);
    StartServer(std::move(options));
  }

  void StartServer(rpc::ServerOptions options) {
    server = std::make_unique<rpc::Server>(std::move(options));
    server->Register(service);
    server->HandleGet("/hello", [](const rpc::HttpRequest& request, auto responder) {
      responder->Send(200, "text/plain", "hello " + request.query);
    });
    server->HandleGet("/files/*", [](const rpc::HttpRequest& request, auto responder) {
      responder->Send(200, "text/plain", request.path);
    });
    server->HandleGet("/dropped", [](const rpc::HttpRequest&, auto) {});
    server->HandleGet("/events", [this](const rpc::HttpRequest&, auto responder) {
      responder->Begin(200, "text/event-stream");
      responder->Write("data: 1\n\n");
      events = responder;
      has_events = true;
    });
    const auto bound = server->Listen(*rpc::ParseAddress("127.0.0.1:0"));
    ASSERT_TRUE(bound.ok()) << bound.status();
    ASSERT_TRUE(server->Start().ok());
    address = *bound;
    channel = *rpc::Channel::Create(address);
    stub = std::make_unique<v1::EchoStub>(channel);
  }

  /// The server goes on serving, and in the end only our own channel is connected.
  void ExpectServing() {
    const auto reply = stub->Say(EchoRequest());
    EXPECT_TRUE(reply.ok()) << reply.status();
    EXPECT_TRUE(WaitUntil([&] { return server->stats().live_connections <= 1; }));
    EXPECT_TRUE(WaitUntil([&] { return server->stats().live_streams == 0; }));
  }

  EchoService service;
  std::shared_ptr<rpc::HttpResponder> events;
  std::atomic<bool> has_events{false};
  std::unique_ptr<rpc::Server> server;
  rpc::Address address;
  std::shared_ptr<rpc::Channel> channel;
  std::unique_ptr<v1::EchoStub> stub;
};

TEST_F(HostileTest, GarbageIsAnsweredAndClosed) {
  RawClient client(address);
  client.Send("\x16\x03\x01 what is this\r\n\r\n");
  EXPECT_NE(client.ReadToEnd().find("400 Bad Request"), std::string::npos);
  ExpectServing();
}

TEST_F(HostileTest, RandomBytesAfterThePreface) {
  Random random(7);
  for (int round = 0; round < 200; ++round) {
    RawClient client(address);
    std::string bytes(kPreface);
    if (random.OneIn(2)) bytes += kEmptySettings;
    for (std::uint64_t i = random.Below(400); i > 0; --i) {
      bytes.push_back(static_cast<char>(random.Below(random.OneIn(3) ? 256 : 12)));
    }
    client.Send(bytes);
    if (random.OneIn(2)) client.Vanish();
  }
  ExpectServing();
}

TEST_F(HostileTest, SilenceIsClosedInTime) {
  RawClient client(address);
  EXPECT_EQ(client.ReadToEnd(), "");
  ExpectServing();
}

TEST_F(HostileTest, HalfAPrefaceIsClosedInTime) {
  RawClient client(address);
  client.Send(kPreface.substr(0, 10));
  EXPECT_EQ(client.ReadToEnd(), "");
  ExpectServing();
}

TEST_F(HostileTest, NoSettingsIsClosedInTime) {
  RawClient client(address);
  client.Send(kPreface);
  client.ReadToEnd();
  ExpectServing();
}

TEST_F(HostileTest, SlowHeadersAreClosedInTime) {
  RawClient client(address);
  client.Send(kPreface);
  client.Send(kEmptySettings);
  // HEADERS of stream 1 that announce 16 bytes and send 2.
  client.Send(std::string_view("\0\0\x10\x01\x05\0\0\0\x01\x83\x86", 11));
  client.ReadToEnd();
  ExpectServing();
}

TEST_F(HostileTest, ConnectionThatAnswersNoPingIsClosed) {
  RawClient client(address);
  client.Send(kPreface);
  client.Send(kEmptySettings);
  client.ReadToEnd();
  ExpectServing();
}

TEST_F(HostileTest, SlowHttpHeaderIsClosedInTime) {
  RawClient client(address);
  client.Send("GET /hello HTTP/1.1\r\nHost:");
  EXPECT_EQ(client.ReadToEnd(), "");
  ExpectServing();
}

TEST_F(HostileTest, EndlessHttpHeaderIsRefused) {
  RawClient client(address);
  client.Send("GET /hello HTTP/1.1\r\nA: " + std::string(17 << 10, 'x'));
  EXPECT_NE(client.ReadToEnd().find("431"), std::string::npos);
  ExpectServing();
}

TEST_F(HostileTest, ClientsThatVanishLeaveNothing) {
  for (int i = 0; i < 20; ++i) {
    rpc::ChannelOptions options;
    options.loop = rpc::Loop::Create();
    auto doomed = *rpc::Channel::Create(address, std::move(options));
    auto stream = v1::EchoStub(doomed).Expand(EchoRequest());  // Endless.
    EchoReply reply;
    ASSERT_TRUE(stream.Read(&reply));
    doomed->Close();
  }
  EXPECT_TRUE(WaitUntil([&] { return service.cancelled == 20; }));
  ExpectServing();
}

TEST_F(HostileTest, TooManyConnectionsAreRefused) {
  server.reset();
  rpc::ServerOptions options;
  options.connections_max = 2;
  StartServer(std::move(options));
  ASSERT_TRUE(stub->Say(EchoRequest()).ok());
  RawClient second(address);
  ASSERT_TRUE(WaitUntil([&] { return server->stats().live_connections == 2; }));
  RawClient third(address);
  EXPECT_EQ(third.ReadToEnd(), "");
  EXPECT_EQ(server->stats().connections_refused, 1u);
  EXPECT_TRUE(stub->Say(EchoRequest()).ok());
}

TEST_F(HostileTest, OverlongMetadataEndsTheCallOnly) {
  ASSERT_TRUE(stub->Say(EchoRequest()).ok());
  rpc::CallOptions options;
  options.metadata = {{"big", std::string(20 << 10, 'x')}};
  EXPECT_EQ(stub->Say(EchoRequest(), options).status().code(),
            absl::StatusCode::kResourceExhausted);
  ExpectServing();
}

TEST_F(HostileTest, IdleConnectionIsClosed) {
  server.reset();
  rpc::ServerOptions options;
  options.idle_timeout = absl::Milliseconds(50);
  StartServer(std::move(options));
  ASSERT_TRUE(stub->Say(EchoRequest()).ok());
  EXPECT_TRUE(WaitUntil([&] { return server->stats().live_connections == 0; }));
  EXPECT_TRUE(stub->Say(EchoRequest()).ok());  // Connects again.
}

TEST_F(HostileTest, PagesOnTheSamePort) {
  RawClient client(address);
  client.Send("GET /hello?world=1 HTTP/1.1\r\nHost: x\r\n\r\n");
  std::string answer = client.ReadUntil("world=1");
  EXPECT_EQ(answer.substr(0, 15), "HTTP/1.1 200 OK");
  EXPECT_NE(answer.find("hello world=1"), std::string::npos);
  // The connection stays; HEAD has no body.
  client.Send("HEAD /files/a/b HTTP/1.1\r\nHost: x\r\n\r\n");
  answer = client.ReadUntil("\r\n\r\n");
  EXPECT_NE(answer.find("Content-Length: 10\r\n"), std::string::npos);
  client.Send("GET /none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_NE(client.ReadToEnd().find("404 Not Found"), std::string::npos);
  ExpectServing();
}

TEST_F(HostileTest, PipelinedPages) {
  RawClient client(address);
  client.Send("GET /files/1 HTTP/1.1\r\n\r\nGET /files/2 HTTP/1.1\r\n\r\n");
  const std::string answer = client.ReadUntil("/files/2");
  EXPECT_LT(answer.find("/files/1"), answer.find("/files/2"));
}

TEST_F(HostileTest, OtherVerbsAndBodiesAreRefused) {
  RawClient post(address);
  post.Send("POST /hello HTTP/1.1\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_EQ(post.ReadToEnd().substr(0, 12), "HTTP/1.1 405");
  RawClient large(address);
  large.Send("POST /hello HTTP/1.1\r\nContent-Length: 5000\r\n\r\nhello");
  EXPECT_EQ(large.ReadToEnd().substr(0, 12), "HTTP/1.1 413");
  RawClient get(address);
  get.Send("GET /hello HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_EQ(get.ReadToEnd().substr(0, 12), "HTTP/1.1 413");
  RawClient remove(address);
  remove.Send("DELETE /hello HTTP/1.1\r\n\r\n");
  EXPECT_EQ(remove.ReadToEnd().substr(0, 12), "HTTP/1.1 405");
}

TEST_F(HostileTest, DroppedResponderIsAServerError) {
  RawClient client(address);
  client.Send("GET /dropped HTTP/1.0\r\n\r\n");
  EXPECT_EQ(client.ReadToEnd().substr(0, 12), "HTTP/1.1 500");
}

TEST_F(HostileTest, StreamedPage) {
  RawClient client(address);
  client.Send("GET /events HTTP/1.1\r\n\r\n");
  EXPECT_NE(client.ReadUntil("data: 1").find("text/event-stream"), std::string::npos);
  ASSERT_TRUE(WaitUntil([&] { return has_events.load(); }));
  EXPECT_TRUE(events->Write("data: 2\n\n"));
  EXPECT_NE(client.ReadUntil("data: 2").find("data: 2"), std::string::npos);
  client.Vanish();
  EXPECT_TRUE(WaitUntil([&] { return events->gone(); }));
  EXPECT_FALSE(events->Write("data: 3\n\n"));
}

/// One request by nghttp2, a strict reader of what the server sends.
class StrictClient {
 public:
  explicit StrictClient(const rpc::Address& address) : raw_(address) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, OnHeader);
    nghttp2_session_client_new(&session_, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session_, 0, nullptr, 0);
  }
  ~StrictClient() { nghttp2_session_del(session_); }

  /// Without an end when it has data; see End.
  void Request(std::vector<nghttp2_nv> headers, bool with_data = false) {
    nghttp2_data_provider data{};
    data.source.ptr = this;
    data.read_callback = ReadData;
    stream_ = nghttp2_submit_request(session_, nullptr, headers.data(), headers.size(),
                                     with_data ? &data : nullptr, nullptr);
    SendAll();
  }
  void ForgetHpackTable() {
    const nghttp2_settings_entry none{NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 0};
    nghttp2_submit_settings(session_, 0, &none, 1);
    SendAll();
  }
  void End() {
    ended_ = true;
    nghttp2_session_resume_data(session_, stream_);
    SendAll();
  }
  /// The value of a header, once it has come.
  std::string Await(const std::string& name) {
    while (!headers_.contains(name)) {
      const std::string bytes = raw_.ReadSome();
      if (bytes.empty()) return "(closed)";
      const auto* const at = reinterpret_cast<const std::uint8_t*>(bytes.data());
      if (nghttp2_session_mem_recv(session_, at, bytes.size()) < 0) return "(malformed)";
      SendAll();
    }
    return headers_[name];
  }

 private:
  static int OnHeader(nghttp2_session*, const nghttp2_frame*, const std::uint8_t* name,
                      std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                      std::uint8_t, void* user) {
    static_cast<StrictClient*>(user)
        ->headers_[std::string(reinterpret_cast<const char*>(name), name_size)]
        .assign(reinterpret_cast<const char*>(value), value_size);
    return 0;
  }
  /// One empty message, and the end when it has been told.
  static ssize_t ReadData(nghttp2_session*, std::int32_t, std::uint8_t* buffer, std::size_t,
                          std::uint32_t* flags, nghttp2_data_source* source, void*) {
    auto& client = *static_cast<StrictClient*>(source->ptr);
    if (client.ended_) *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (std::exchange(client.sent_, true)) return client.ended_ ? 0 : NGHTTP2_ERR_DEFERRED;
    std::fill_n(buffer, kEmptyMessage, std::uint8_t{0});
    return kEmptyMessage;
  }
  void SendAll() {
    const std::uint8_t* bytes = nullptr;
    for (ssize_t size = 0; (size = nghttp2_session_mem_send(session_, &bytes)) > 0;)
      raw_.Send({reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)});
  }

  static constexpr int kEmptyMessage = 5;
  RawClient raw_;
  nghttp2_session* session_ = nullptr;
  std::int32_t stream_ = 0;
  std::map<std::string, std::string> headers_;
  bool sent_ = false, ended_ = false;
};

nghttp2_nv Header(std::string_view name, std::string_view value) {
  return {reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(),
          value.size(), 0};
}

TEST_F(HostileTest, OtherContentTypesAndVerbsOverHttp2) {
  StrictClient json(address);
  json.Request({Header(":method", "POST"), Header(":scheme", "http"), Header(":path", "/x"),
                Header(":authority", "x"), Header("content-type", "application/json")});
  EXPECT_EQ(json.Await(":status"), "415");
  StrictClient get(address);
  get.Request({Header(":method", "GET"), Header(":scheme", "http"), Header(":path", "/x"),
               Header(":authority", "x")});
  EXPECT_EQ(get.Await(":status"), "405");
}

/// The next header block after the change has to say so, were it only an OK's.
TEST_F(HostileTest, HpackTableThatShrinksInTheMiddleOfACall) {
  StrictClient client(address);
  client.Request({Header(":method", "POST"), Header(":scheme", "http"),
                  Header(":path", "/trireme.test.v1.Echo/Chat"), Header(":authority", "x"),
                  Header("content-type", "application/grpc"), Header("te", "trailers")},
                 /*with_data=*/true);
  EXPECT_EQ(client.Await(":status"), "200");
  client.ForgetHpackTable();
  client.End();
  EXPECT_EQ(client.Await("grpc-status"), "0");
}

}  // namespace
}  // namespace trireme::test
