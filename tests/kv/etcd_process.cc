#include "kv/etcd_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <thread>

#include "base/check.h"
#include "etcd/rpc.trireme.h"
#include "fmt/format.h"
#include "rpc/channel.h"

namespace trireme::kv::test {
namespace {

/// A port that nobody listens on now. Ports of one cluster differ.
std::uint16_t FreePort() {
  static std::set<std::uint16_t> given;
  while (true) {
    const io::Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    TRIREME_CHECK(::bind(socket.get(), generic, size) == 0);
    TRIREME_CHECK(::getsockname(socket.get(), generic, &size) == 0);
    if (given.insert(ntohs(address.sin_port)).second) return ntohs(address.sin_port);
  }
}

absl::StatusOr<etcdserverpb::StatusResponse> StatusOf(const std::string& endpoint) {
  auto channel = rpc::Channel::Create(*rpc::ParseAddress(endpoint));
  return etcdserverpb::MaintenanceStub(*channel).Status({}, {.timeout = absl::Seconds(2)});
}

}  // namespace

EtcdCluster::EtcdCluster(int members, Program program) : program_(program) {
  // In memory: the tests are of the client, not of the disk.
  std::string pattern = "/dev/shm/trireme-etcd-XXXXXX";
  TRIREME_CHECK(::mkdtemp(pattern.data()) != nullptr);
  folder_ = pattern;
  for (int i = 0; i < members; ++i) {
    Member member;
    member.name = fmt::format("m{}", i);
    member.data_dir = fmt::format("{}/{}", folder_, member.name);
    member.client_port = FreePort();
    member.client_url = fmt::format("http://127.0.0.1:{}", member.client_port);
    member.peer_url = fmt::format("http://127.0.0.1:{}", FreePort());
    initial_cluster_ += fmt::format("{}{}={}", i == 0 ? "" : ",", member.name, member.peer_url);
    members_.push_back(std::move(member));
  }
  for (Member& member : members_) Spawn(member);
  for (const Member& member : members_) AwaitServing(member);
}

EtcdCluster::~EtcdCluster() {
  for (Member& member : members_) member.process.KillAndWait();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void EtcdCluster::Spawn(Member& member) {
  const io::Fd log(::open((member.data_dir + ".log").c_str(), O_CREAT | O_APPEND | O_WRONLY, 0600));
  io::SpawnOptions options;
  options.program = program_ == Program::kEtcd ? TRIREME_ETCD : TRIREME_PROGRAM;
  options.argv = {"etcd"};
  if (program_ == Program::kTrireme) options.argv = {"trireme", "kv", "serve"};
  for (const std::string& argument : std::vector<std::string>{
           "--name", member.name, "--data-dir", member.data_dir, "--listen-client-urls",
           member.client_url, "--advertise-client-urls", member.client_url, "--listen-peer-urls",
           member.peer_url, "--initial-advertise-peer-urls", member.peer_url, "--initial-cluster",
           initial_cluster_, "--heartbeat-interval", "100", "--election-timeout", "1000"})
    options.argv.push_back(argument);
  options.environment = io::CurrentEnvironment();
  options.stdout_fd = log.get();
  options.stderr_fd = log.get();
  auto process = io::Process::Spawn(options);
  TRIREME_CHECK(process.ok());
  member.process = *std::move(process);
}

void EtcdCluster::AwaitServing(const Member& member) {
  const std::string endpoint = fmt::format("127.0.0.1:{}", member.client_port);
  for (int i = 0; i < 600; ++i) {
    const auto status = StatusOf(endpoint);
    if (status.ok() && status->leader() != 0) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  TRIREME_CHECK(!"etcd does not serve");
}

std::vector<std::string> EtcdCluster::endpoints() const {
  std::vector<std::string> result;
  for (const Member& member : members_) result.push_back(member.client_url);
  return result;
}

int EtcdCluster::Leader() {
  for (int i = 0;; i = (i + 1) % size()) {
    const auto status = StatusOf(fmt::format("127.0.0.1:{}", members_[i].client_port));
    if (status.ok() && status->leader() == status->header().member_id()) return i;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

void EtcdCluster::Kill(int member) {
  members_[member].process.KillAndWait();
}

int EtcdCluster::Terminate(int member) {
  members_[member].process.Kill(SIGTERM);
  return members_[member].process.Wait().code;
}

void EtcdCluster::Signal(int member, int signal) {
  members_[member].process.Kill(signal);
}

void EtcdCluster::Restart(int member) {
  Spawn(members_[member]);
  AwaitServing(members_[member]);
}

}  // namespace trireme::kv::test
