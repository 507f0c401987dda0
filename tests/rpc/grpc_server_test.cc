#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>
#include <vector>

#include "rpc/echo_service.h"
#include "rpc/status.h"
#include "rpc/tls_material.h"
#include "trireme/test/v1/echo.grpc.pb.h"

// Our client against grpc++'s server.
namespace trireme::test {
namespace {

grpc::Status StatusOf(const EchoRequest& request) {
  return {static_cast<grpc::StatusCode>(request.error_code()), request.error_message()};
}

void EchoMetadata(grpc::ServerContext* context) {
  for (const auto& [key, value] : context->client_metadata()) {
    const std::string name(key.data(), key.size());
    const std::string text(value.data(), value.size());
    if (name.rfind("echo-", 0) == 0) context->AddInitialMetadata(name, text);
    if (name.rfind("trail-", 0) == 0) context->AddTrailingMetadata(name, text);
  }
}

class GrpcEcho final : public v1::Echo::Service {
 public:
  grpc::Status Say(grpc::ServerContext* context, const EchoRequest* request,
                   EchoReply* reply) override {
    EchoMetadata(context);
    if (request->hang()) {
      saw_cancel = WaitUntil([&] { return context->IsCancelled(); });
    }
    *reply = ReplyTo(*request);
    return StatusOf(*request);
  }
  grpc::Status Collect(grpc::ServerContext*, grpc::ServerReader<EchoRequest>* reader,
                       EchoReply* reply) override {
    EchoRequest request;
    std::uint32_t count = 0;
    while (reader->Read(&request)) ++count;
    reply->set_index(count);
    return grpc::Status::OK;
  }
  grpc::Status Expand(grpc::ServerContext*, const EchoRequest* request,
                      grpc::ServerWriter<EchoReply>* writer) override {
    for (std::uint32_t i = 0; request->count() == 0 || i < request->count(); ++i) {
      if (!writer->Write(ReplyTo(*request, i))) {
        saw_cancel = true;
        break;
      }
    }
    return StatusOf(*request);
  }
  grpc::Status Chat(grpc::ServerContext*,
                    grpc::ServerReaderWriter<EchoReply, EchoRequest>* stream) override {
    EchoRequest request;
    while (stream->Read(&request)) {
      if (request.error_code() != 0) return StatusOf(request);
      stream->Write(ReplyTo(request));
    }
    return grpc::Status::OK;
  }

  std::atomic<bool> saw_cancel{false};
};

class GrpcServerTest : public testing::Test {
 protected:
  void SetUp() override { StartServer("127.0.0.1:0", grpc::InsecureServerCredentials(), {}); }

  void StartServer(const std::string& address,
                   const std::shared_ptr<grpc::ServerCredentials>& credentials,
                   rpc::ChannelOptions options) {
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, credentials, &port);
    builder.SetMaxReceiveMessageSize(128 << 20);
    builder.RegisterService(&service);
    server = builder.BuildAndStart();
    ASSERT_NE(server, nullptr);
    rpc::Address to = *rpc::ParseAddress(address);
    if (to.kind == rpc::Address::Kind::kTcp) to.port = static_cast<std::uint16_t>(port);
    channel = *rpc::Channel::Create(to, std::move(options));
    stub = std::make_unique<v1::EchoStub>(channel);
  }

  GrpcEcho service;
  std::unique_ptr<grpc::Server> server;
  std::shared_ptr<rpc::Channel> channel;
  std::unique_ptr<v1::EchoStub> stub;
  EchoRequest request;
};

TEST_F(GrpcServerTest, Unary) {
  request.set_payload(std::string(300, 'x'));
  const auto reply = stub->Say(request);
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->payload(), request.payload());
}

TEST_F(GrpcServerTest, ServerStreaming) {
  request.set_count(1000);
  auto stream = stub->Expand(request);
  EchoReply reply;
  std::uint32_t expected = 0;
  while (stream.Read(&reply)) EXPECT_EQ(reply.index(), expected++);
  EXPECT_EQ(expected, 1000u);
  EXPECT_TRUE(stream.Finish().ok());
}

TEST_F(GrpcServerTest, ClientStreaming) {
  auto stream = stub->Collect();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(stream.Write(request).ok());
  const auto reply = stream.FinishWithReply();
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->index(), 100u);
}

TEST_F(GrpcServerTest, Bidi) {
  auto stream = stub->Chat();
  EchoReply reply;
  for (int i = 0; i < 100; ++i) {
    request.set_payload(std::to_string(i));
    ASSERT_TRUE(stream.Write(request).ok());
    ASSERT_TRUE(stream.Read(&reply));
    EXPECT_EQ(reply.payload(), request.payload());
  }
  stream.WritesDone();
  EXPECT_FALSE(stream.Read(&reply));
  EXPECT_TRUE(stream.Finish().ok());
}

TEST_F(GrpcServerTest, ServerEndsBidiEarly) {
  auto stream = stub->Chat();
  request.set_error_code(8);
  request.set_error_message("enough");
  ASSERT_TRUE(stream.Write(request).ok());
  EchoReply reply;
  EXPECT_FALSE(stream.Read(&reply));
  EXPECT_EQ(stream.Finish(), absl::ResourceExhaustedError("enough"));
}

TEST_F(GrpcServerTest, ErrorStatusesWithOddMessages) {
  for (std::uint32_t code = 1; code <= 16; ++code) {
    for (const std::string& message : {std::string(), std::string("100% of it"),
                                       std::string("grüße\n\t\x7f"), std::string("%41%zz%")}) {
      request.set_error_code(code);
      request.set_error_message(message);
      const absl::Status status = stub->Say(request).status();
      EXPECT_EQ(status.raw_code(), static_cast<int>(code));
      EXPECT_EQ(status.message(), message);
      EXPECT_EQ(rpc::OutcomeOf(status), rpc::Outcome::kAnswered);
    }
  }
}

TEST_F(GrpcServerTest, Metadata) {
  const std::string binary("\0\xff,=binary", 10);
  rpc::CallOptions options;
  options.metadata = {{"echo-text", "a b"}, {"echo-raw-bin", binary}, {"trail-raw-bin", binary}};
  rpc::ReplyMetadata metadata;
  ASSERT_TRUE(stub->Say(request, options, &metadata).ok());
  const std::string* text = rpc::FindMetadata(metadata.initial, "echo-text");
  ASSERT_NE(text, nullptr);
  EXPECT_EQ(*text, "a b");
  const std::string* raw = rpc::FindMetadata(metadata.initial, "echo-raw-bin");
  ASSERT_NE(raw, nullptr);
  EXPECT_EQ(*raw, binary);
  const std::string* trailing = rpc::FindMetadata(metadata.trailing, "trail-raw-bin");
  ASSERT_NE(trailing, nullptr);
  EXPECT_EQ(*trailing, binary);
}

TEST_F(GrpcServerTest, DeadlinePasses) {
  request.set_hang(true);
  rpc::CallOptions options;
  options.timeout = absl::Milliseconds(50);
  const absl::Status status = stub->Say(request, options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(WaitUntil([&] { return service.saw_cancel.load(); }));
}

TEST_F(GrpcServerTest, ClientCancels) {
  auto stream = stub->Expand(request);  // Endless.
  EchoReply reply;
  ASSERT_TRUE(stream.Read(&reply));
  stream.Cancel();
  EXPECT_EQ(stream.Finish().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(WaitUntil([&] { return service.saw_cancel.load(); }));
}

TEST_F(GrpcServerTest, LargeMessagesBothWays) {
  request.set_payload(std::string(64 << 20, 'x'));
  rpc::CallOptions options;
  options.receive_message_bytes_max = 80 << 20;
  const auto reply = stub->Say(request, options);
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->payload(), request.payload());
}

TEST_F(GrpcServerTest, ReplyOverTheLimit) {
  request.set_reply_size_bytes(5 << 20);
  EXPECT_EQ(stub->Say(request).status().code(), absl::StatusCode::kResourceExhausted);
  request.set_reply_size_bytes(5);
  EXPECT_TRUE(stub->Say(request).ok());
}

TEST_F(GrpcServerTest, ThousandConcurrentCalls) {
  std::atomic<int> good{0};
  std::atomic<int> over{0};
  for (int i = 0; i < 1000; ++i) {
    stub->SayAsync(request, {}, [&](absl::StatusOr<EchoReply> reply) {
      if (reply.ok()) ++good;
      ++over;
    });
  }
  EXPECT_TRUE(WaitUntil([&] { return over == 1000; }));
  EXPECT_EQ(good, 1000);
}

TEST_F(GrpcServerTest, UnixSocket) {
  const std::string path = testing::TempDir() + "trireme_grpc_server.sock";
  StartServer("unix:" + path, grpc::InsecureServerCredentials(), {});
  EXPECT_TRUE(stub->Say(request).ok());
}

TEST_F(GrpcServerTest, Tls) {
  const TlsMaterial material = MakeTlsMaterial();
  grpc::SslServerCredentialsOptions credentials;
  credentials.pem_key_cert_pairs = {{material.key_pem, material.certificate_pem}};
  rpc::ChannelOptions options;
  options.tls = rpc::TlsClientOptions{material.certificate_pem, "", "", ""};
  StartServer("127.0.0.1:0", grpc::SslServerCredentials(credentials), std::move(options));
  request.set_payload(std::string(100000, 'x'));
  const auto reply = stub->Say(request);
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->payload(), request.payload());
}

TEST_F(GrpcServerTest, GoawayMovesCallsToANewServer) {
  ASSERT_TRUE(stub->Say(request).ok());
  const rpc::Address address = channel->address();
  server->Shutdown();
  server->Wait();
  server.reset();
  GrpcEcho next_service;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address.ToString(), grpc::InsecureServerCredentials());
  builder.RegisterService(&next_service);
  const auto next = builder.BuildAndStart();
  ASSERT_NE(next, nullptr);
  rpc::CallOptions options;
  options.wait_for_ready = true;
  const auto reply = stub->Say(request, options);
  EXPECT_TRUE(reply.ok()) << reply.status();
}

}  // namespace
}  // namespace trireme::test
