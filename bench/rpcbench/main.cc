// Unary echo of 300 bytes: our server beside grpc++'s callback server, driven by the same client,
// in turns within one run. Prints server CPU per call, calls per second and latency, and their
// ratios. One call in flight is measured twice: with client and server on one core, where a call
// costs what the stacks do, and on any core, where it costs mostly the waking of one that sleeps.
#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <sched.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "fmt/format.h"
#include "rpc/channel.h"
#include "rpc/server.h"
#include "trireme/test/v1/echo.grpc.pb.h"
#include "trireme/test/v1/echo.trireme.h"

extern char** environ;

namespace trireme::bench {
namespace {

using Clock = std::chrono::steady_clock;
using test::v1::EchoReply;
using test::v1::EchoRequest;

constexpr char kMethod[] = "/trireme.test.v1.Echo/Say";
constexpr std::size_t kPayloadBytes = 300;

// ---- The servers: a process of its own each, which answers "cpu" on its input with its CPU time.

double CpuMicroseconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& t) {
    return 1e6 * static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec);
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

class OurEcho final : public test::v1::EchoService {
 public:
  void Say(rpc::UnaryCall<EchoRequest, EchoReply> call) override {
    EchoReply reply;
    reply.set_payload(std::move(*call.request().mutable_payload()));
    call.Finish(reply);
  }
  std::unique_ptr<rpc::RequestHandler<EchoRequest>> Collect(rpc::ReplyWriter<EchoReply>) override {
    return nullptr;
  }
  void Expand(EchoRequest, rpc::ReplyWriter<EchoReply>) override {}
  std::unique_ptr<rpc::RequestHandler<EchoRequest>> Chat(rpc::ReplyWriter<EchoReply>) override {
    return nullptr;
  }
};

class GrpcEcho final : public test::v1::Echo::CallbackService {
 public:
  grpc::ServerUnaryReactor* Say(grpc::CallbackServerContext* context, const EchoRequest* request,
                                EchoReply* reply) override {
    reply->set_payload(request->payload());
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

void AnswerControl(int port) {
  std::cout << port << std::endl;
  std::string line;
  while (std::getline(std::cin, line))
    std::cout << fmt::format("{:.0f}", CpuMicroseconds()) << std::endl;
}

int ServeOurs() {
  OurEcho service;
  rpc::Server server;
  server.Register(service);
  const auto bound = server.Listen({.host = "127.0.0.1", .port = 0});
  if (!bound.ok() || !server.Start().ok()) return 1;
  AnswerControl(bound->port);
  return 0;
}

int ServeGrpc() {
  GrpcEcho service;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  if (server == nullptr) return 1;
  AnswerControl(port);
  return 0;
}

/// A server process and the pipes to it.
class ServerProcess {
 public:
  explicit ServerProcess(const std::string& stack) {
    int in[2];
    int out[2];
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) std::abort();
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    std::string name = "bench_rpc", flag = "--serve", kind = stack;
    char* arguments[] = {name.data(), flag.data(), kind.data(), nullptr};
    if (posix_spawn(&pid_, "/proc/self/exe", &actions, nullptr, arguments, environ) != 0) {
      std::abort();
    }
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    to_ = fdopen(in[1], "w");
    from_ = fdopen(out[0], "r");
    port = static_cast<std::uint16_t>(ReadNumber());
  }
  ~ServerProcess() {
    fclose(to_);
    fclose(from_);
    waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }
  double Cpu() {
    std::fputs("cpu\n", to_);
    std::fflush(to_);
    return ReadNumber();
  }
  std::uint16_t port = 0;

 private:
  double ReadNumber() {
    char line[64] = "";
    if (std::fgets(line, sizeof line, from_) == nullptr) std::abort();
    return std::atof(line);
  }
  pid_t pid_ = 0;
  FILE* to_ = nullptr;
  FILE* from_ = nullptr;
};

// ---- The client: keeps a number of calls in flight, all on the channel's io thread.

class Load {
 public:
  Load(std::shared_ptr<rpc::Channel> channel, std::string request)
      : channel_(std::move(channel)), request_(std::move(request)) {}

  /// Runs for `duration` with `in_flight` calls; returns the latencies in microseconds.
  std::vector<float> Run(int in_flight, Clock::duration duration) {
    latencies_.clear();
    end_ = Clock::now() + duration;
    running_ = in_flight;
    channel_->loop()->Post([this, in_flight] {
      for (int i = 0; i < in_flight; ++i) Next();
    });
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [this] { return running_ == 0; });
    return std::move(latencies_);
  }

 private:
  void Next() {
    const Clock::time_point start = Clock::now();
    channel_->StartUnary(kMethod, request_, {},
                         [this, start](absl::StatusOr<std::string> reply, rpc::ReplyMetadata) {
                           if (!reply.ok()) {
                             std::cerr << reply.status() << std::endl;
                             std::abort();
                           }
                           Finished(start);
                         });
  }
  void Finished(Clock::time_point start) {
    const Clock::time_point now = Clock::now();
    latencies_.push_back(std::chrono::duration<float, std::micro>(now - start).count());
    if (now < end_) return Next();
    const std::lock_guard lock(mutex_);
    if (--running_ == 0) idle_.notify_all();
  }

  const std::shared_ptr<rpc::Channel> channel_;
  const std::string request_;
  std::vector<float> latencies_;
  Clock::time_point end_;
  std::mutex mutex_;
  std::condition_variable idle_;
  int running_ = 0;
};

struct Measure {
  double cpu_us = 0;
  double calls_per_second = 0;
  double p50_us = 0;
  double p99_us = 0;
};

double Quantile(std::vector<float>& values, double q) {
  const auto at = static_cast<std::ptrdiff_t>(q * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[static_cast<std::size_t>(at)];
}

struct Row {
  int in_flight;
  bool one_core;
};

/// Lets all threads of a process run on core 0 only, or on any.
void SetCores(pid_t pid, bool one) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  for (int core = 0; core < (one ? 1 : CPU_SETSIZE); ++core) CPU_SET(core, &cores);
  for (const auto& thread : std::filesystem::directory_iterator(fmt::format("/proc/{}/task", pid)))
    sched_setaffinity(std::atoi(thread.path().filename().c_str()), sizeof cores, &cores);
}

/// One server process under one kind of load, with the channel to it.
struct Contender {
  explicit Contender(const std::string& stack) : process(stack) {
    EchoRequest request;
    request.set_payload(std::string(kPayloadBytes, 'x'));
    channel = *rpc::Channel::Create({.host = "127.0.0.1", .port = process.port});
    load = std::make_unique<Load>(channel, request.SerializeAsString());
  }

  Measure Run(const Row& row, Clock::duration duration) {
    for (const pid_t pid : {getpid(), process.pid()}) SetCores(pid, row.one_core);
    const int in_flight = row.in_flight;
    load->Run(in_flight, duration / 10);
    const double cpu_before = process.Cpu();
    const Clock::time_point start = Clock::now();
    std::vector<float> latencies = load->Run(in_flight, duration);
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    const auto calls = static_cast<double>(latencies.size());
    return {(process.Cpu() - cpu_before) / calls, calls / seconds, Quantile(latencies, 0.5),
            Quantile(latencies, 0.99)};
  }

  ServerProcess process;
  std::shared_ptr<rpc::Channel> channel;
  std::unique_ptr<Load> load;
};

double Median(std::vector<Measure>& runs, double Measure::*field) {
  std::sort(runs.begin(), runs.end(),
            [&](const Measure& a, const Measure& b) { return a.*field < b.*field; });
  return runs[runs.size() / 2].*field;
}

Measure Medians(std::vector<Measure> runs) {
  Measure result;
  for (auto field :
       {&Measure::cpu_us, &Measure::calls_per_second, &Measure::p50_us, &Measure::p99_us}) {
    result.*field = Median(runs, field);
  }
  return result;
}

void PrintRow(const Row& row, std::string_view name, const Measure& m) {
  fmt::print("{:>9}  {:<5}  {:<8} {:>14.2f} {:>12.0f} {:>10.0f} {:>10.0f}\n", row.in_flight,
             row.one_core ? "one" : "any", name, m.cpu_us, m.calls_per_second, m.p50_us, m.p99_us);
}

int RunAll(int rounds, Clock::duration duration) {
  fmt::print("unary echo of {} bytes, one connection, {} rounds in turns, medians\n\n",
             kPayloadBytes, rounds);
  fmt::print("{:>9}  {:<5}  {:<8} {:>14} {:>12} {:>10} {:>10}\n", "in flight", "cores", "server",
             "CPU us/call", "calls/s", "p50 us", "p99 us");
  Contender ours("trireme");
  Contender grpc("grpc++");
  for (const Row& row : {Row{1, true}, Row{1, false}, Row{64, false}, Row{512, false}}) {
    std::vector<Measure> our_runs;
    std::vector<Measure> grpc_runs;
    for (int round = 0; round < rounds; ++round) {
      our_runs.push_back(ours.Run(row, duration));
      grpc_runs.push_back(grpc.Run(row, duration));
    }
    const Measure a = Medians(our_runs);
    const Measure b = Medians(grpc_runs);
    PrintRow(row, "trireme", a);
    PrintRow(row, "grpc++", b);
    fmt::print("{:>9}  {:<5}  {:<8} {:>14.2f} {:>12.2f} {:>10.2f} {:>10.2f}\n", "", "", "ratio",
               a.cpu_us / b.cpu_us, a.calls_per_second / b.calls_per_second, a.p50_us / b.p50_us,
               a.p99_us / b.p99_us);
    std::fflush(stdout);
  }
  return 0;
}

int Main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "--serve") == 0) {
    return std::strcmp(argv[2], "trireme") == 0 ? ServeOurs() : ServeGrpc();
  }
  int rounds = 5;
  int milliseconds = 1500;
  const bool fine = (argc < 2 || absl::SimpleAtoi(argv[1], &rounds)) &&
                    (argc < 3 || absl::SimpleAtoi(argv[2], &milliseconds)) && argc <= 3 &&
                    rounds > 0 && milliseconds > 0;
  if (!fine) {
    std::fprintf(stderr, "usage: bench_rpc [ROUNDS [MILLISECONDS_PER_RUN]]\n");
    return 2;
  }
  return RunAll(rounds, std::chrono::milliseconds(milliseconds));
}

}  // namespace
}  // namespace trireme::bench

int main(int argc, char** argv) {
  return trireme::bench::Main(argc, argv);
}
