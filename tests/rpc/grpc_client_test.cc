#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>
#include <vector>

#include "rpc/echo_service.h"
#include "rpc/server.h"
#include "rpc/tls_material.h"
#include "trireme/test/v1/echo.grpc.pb.h"

// grpc++'s client against our server.
namespace trireme::test {
namespace {

using Stub = v1::Echo::Stub;

class GrpcClientTest : public testing::Test {
 protected:
  void SetUp() override { StartServer({}, "127.0.0.1:0"); }

  void StartServer(rpc::ServerOptions options, const std::string& address) {
    server = std::make_unique<rpc::Server>(std::move(options));
    server->Register(service);
    const auto bound = server->Listen(*rpc::ParseAddress(address));
    ASSERT_TRUE(bound.ok()) << bound.status();
    ASSERT_TRUE(server->Start().ok());
    target = bound->ToString();
    Connect(grpc::InsecureChannelCredentials());
  }

  void Connect(const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetMaxReceiveMessageSize(128 << 20);
    stub = v1::Echo::NewStub(grpc::CreateCustomChannel(target, credentials, arguments));
  }

  EchoService service;
  std::unique_ptr<rpc::Server> server;
  std::string target;
  std::unique_ptr<Stub> stub;
  EchoRequest request;
  EchoReply reply;
  grpc::ClientContext context;
};

TEST_F(GrpcClientTest, Unary) {
  request.set_payload(std::string(300, 'x'));
  const grpc::Status status = stub->Say(&context, request, &reply);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(reply.payload(), request.payload());
}

TEST_F(GrpcClientTest, ServerStreaming) {
  request.set_payload("part");
  request.set_count(1000);
  auto reader = stub->Expand(&context, request);
  std::uint32_t expected = 0;
  while (reader->Read(&reply)) EXPECT_EQ(reply.index(), expected++);
  EXPECT_EQ(expected, 1000u);
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(GrpcClientTest, ClientStreaming) {
  auto writer = stub->Collect(&context, &reply);
  request.set_payload("ab");
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(writer->Write(request));
  writer->WritesDone();
  ASSERT_TRUE(writer->Finish().ok());
  EXPECT_EQ(reply.index(), 100u);
}

TEST_F(GrpcClientTest, Bidi) {
  auto stream = stub->Chat(&context);
  for (int i = 0; i < 100; ++i) {
    request.set_payload(std::to_string(i));
    ASSERT_TRUE(stream->Write(request));
    ASSERT_TRUE(stream->Read(&reply));
    EXPECT_EQ(reply.payload(), request.payload());
  }
  stream->WritesDone();
  EXPECT_FALSE(stream->Read(&reply));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(GrpcClientTest, ServerEndsBidiEarly) {
  auto stream = stub->Chat(&context);
  request.set_error_code(8);
  request.set_error_message("enough");
  ASSERT_TRUE(stream->Write(request));
  EXPECT_FALSE(stream->Read(&reply));
  const grpc::Status status = stream->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(status.error_message(), "enough");
}

TEST_F(GrpcClientTest, ErrorStatusesWithOddMessages) {
  for (int code = 1; code <= 16; ++code) {
    for (const std::string& message :
         {std::string(), std::string("100% of it"), std::string("grüße\n\t\x7f"),
          std::string("%41%zz%"), std::string(5000, 'm')}) {
      grpc::ClientContext fresh;
      request.set_error_code(static_cast<std::uint32_t>(code));
      request.set_error_message(message);
      const grpc::Status status = stub->Say(&fresh, request, &reply);
      EXPECT_EQ(status.error_code(), code);
      EXPECT_EQ(status.error_message(), message);
    }
  }
}

TEST_F(GrpcClientTest, Metadata) {
  const std::string binary("\0\xff,=binary", 10);
  context.AddMetadata("echo-text", "a b");
  context.AddMetadata("echo-text", "second");
  context.AddMetadata("echo-raw-bin", binary);
  context.AddMetadata("trail-raw-bin", binary);
  context.AddMetadata("trail-text", "end");
  ASSERT_TRUE(stub->Say(&context, request, &reply).ok());
  const auto& initial = context.GetServerInitialMetadata();
  EXPECT_EQ(initial.count("echo-text"), 2u);
  ASSERT_EQ(initial.count("echo-raw-bin"), 1u);
  EXPECT_EQ(std::string(initial.find("echo-raw-bin")->second.data(),
                        initial.find("echo-raw-bin")->second.size()),
            binary);
  const auto& trailing = context.GetServerTrailingMetadata();
  ASSERT_EQ(trailing.count("trail-raw-bin"), 1u);
  EXPECT_EQ(std::string(trailing.find("trail-raw-bin")->second.data(), binary.size()), binary);
  EXPECT_EQ(trailing.count("trail-text"), 1u);
}

TEST_F(GrpcClientTest, MetadataOfAFailedCall) {
  context.AddMetadata("trail-text", "end");
  request.set_error_code(5);
  EXPECT_EQ(stub->Say(&context, request, &reply).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(context.GetServerTrailingMetadata().count("trail-text"), 1u);
}

TEST_F(GrpcClientTest, DeadlinePasses) {
  request.set_hang(true);
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(50));
  EXPECT_EQ(stub->Say(&context, request, &reply).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(service.saw_deadline);
  EXPECT_TRUE(WaitUntil([&] { return service.cancelled == 1; }));
  EXPECT_TRUE(WaitUntil([&] { return server->stats().live_streams == 0; }));
}

TEST_F(GrpcClientTest, ClientCancels) {
  auto reader = stub->Expand(&context, request);  // Endless.
  ASSERT_TRUE(reader->Read(&reply));
  context.TryCancel();
  while (reader->Read(&reply)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(WaitUntil([&] { return service.cancelled == 1; }));
  EXPECT_TRUE(WaitUntil([&] { return server->stats().live_streams == 0; }));
}

TEST_F(GrpcClientTest, MessageOverTheLimit) {
  request.set_payload(std::string(5 << 20, 'x'));
  const grpc::Status status = stub->Say(&context, request, &reply);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
  grpc::ClientContext fresh;
  request.set_payload("small");
  EXPECT_TRUE(stub->Say(&fresh, request, &reply).ok());
}

TEST_F(GrpcClientTest, LargeMessagesBothWays) {
  rpc::ServerOptions options;
  options.receive_message_bytes_max = 80 << 20;
  StartServer(std::move(options), "127.0.0.1:0");
  request.set_payload(std::string(64 << 20, 'x'));
  const grpc::Status status = stub->Say(&context, request, &reply);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(reply.payload(), request.payload());
}

TEST_F(GrpcClientTest, CompressedRequestIsRefusedPolitely) {
  context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
  request.set_payload(std::string(10000, 'x'));
  EXPECT_EQ(stub->Say(&context, request, &reply).error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(GrpcClientTest, UnknownMethod) {
  rpc::Server bare;
  const auto bound = bare.Listen(*rpc::ParseAddress("127.0.0.1:0"));
  ASSERT_TRUE(bare.Start().ok());
  target = bound->ToString();
  Connect(grpc::InsecureChannelCredentials());
  const grpc::Status status = stub->Say(&context, request, &reply);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_NE(status.error_message().find("/trireme.test.v1.Echo/Say"), std::string::npos);
}

TEST_F(GrpcClientTest, ThousandConcurrentStreams) {
  constexpr int kStreams = 1000;
  struct One {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReaderWriter<EchoRequest, EchoReply>> stream;
  };
  std::vector<One> all(kStreams);
  for (One& one : all) {
    one.stream = stub->Chat(&one.context);
    ASSERT_TRUE(one.stream->Write(request));
  }
  for (One& one : all) ASSERT_TRUE(one.stream->Read(&reply));
  EXPECT_EQ(server->stats().live_streams, static_cast<std::uint64_t>(kStreams));
  for (One& one : all) {
    one.stream->WritesDone();
    EXPECT_TRUE(one.stream->Finish().ok());
  }
  EXPECT_TRUE(WaitUntil([&] { return server->stats().live_streams == 0; }));
}

TEST_F(GrpcClientTest, UnixSocket) {
  const std::string path = testing::TempDir() + "trireme_grpc_client.sock";
  StartServer({}, "unix:" + path);
  EXPECT_TRUE(stub->Say(&context, request, &reply).ok());
}

TEST_F(GrpcClientTest, Tls) {
  const TlsMaterial material = MakeTlsMaterial();
  rpc::ServerOptions options;
  options.tls = {material.certificate_pem, material.key_pem, ""};
  StartServer(std::move(options), "127.0.0.1:0");
  grpc::SslCredentialsOptions credentials;
  credentials.pem_root_certs = material.certificate_pem;
  Connect(grpc::SslCredentials(credentials));
  request.set_payload(std::string(100000, 'x'));
  const grpc::Status status = stub->Say(&context, request, &reply);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(reply.payload(), request.payload());
}

TEST_F(GrpcClientTest, DrainLetsRunningCallsEnd) {
  auto stream = stub->Chat(&context);
  ASSERT_TRUE(stream->Write(request));
  ASSERT_TRUE(stream->Read(&reply));
  std::thread drain([&] { server->Drain(absl::Seconds(30)); });
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(stream->Write(request));
    ASSERT_TRUE(stream->Read(&reply));
  }
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
  drain.join();
  EXPECT_EQ(server->stats().live_connections, 0u);
}

}  // namespace
}  // namespace trireme::test
