#include "cli/demo/stage.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <random>

#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/process.h"

namespace trireme::demo {
namespace {

std::string Local(std::uint16_t port) {
  return fmt::format("127.0.0.1:{}", port);
}

/// Null: somebody has it.
io::Fd TakePort(std::uint16_t port) {
  io::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (!fd || ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return io::Fd();
  }
  return fd;
}

/// A member's arguments, as an etcd's.
std::vector<std::string> MemberArguments(const Stage& stage, const std::string& name,
                                         const std::string& peers, const std::string& peer,
                                         const std::string& client) {
  return {"kv",
          "serve",
          "--name",
          name,
          "--data-dir",
          fmt::format("{}/{}", stage.directory, name),
          "--listen-peer-urls",
          "http://" + peer,
          "--initial-advertise-peer-urls",
          "http://" + peer,
          "--listen-client-urls",
          "http://" + client,
          "--advertise-client-urls",
          "http://" + client,
          "--initial-cluster",
          peers,
          "--initial-cluster-state",
          "new"};
}

}  // namespace

std::string Stage::Kv() const {
  return absl::StrJoin(endpoints, ",");
}

std::vector<Actor*> Stage::All() {
  std::vector<Actor*> all;
  for (auto* group : {&members, &coordinators, &workers}) {
    for (Actor& actor : *group) all.push_back(&actor);
  }
  return all;
}

/// Below those that the system gives to whoever connects: a member that is started early must not
/// reach another by the port of one that is started late.
absl::StatusOr<std::vector<std::uint16_t>> FreePorts(std::size_t count) {
  constexpr std::uint16_t kFirst = 10'000, kLast = 29'999;
  constexpr int kTriesMax = 1'000;
  std::random_device random;
  std::uniform_int_distribution<std::uint16_t> draw(kFirst, kLast);
  std::vector<io::Fd> held;  // until all are known, so that none comes twice
  std::vector<std::uint16_t> ports;
  for (int tries = 0; ports.size() < count; ++tries) {
    if (tries == kTriesMax) {
      return absl::UnavailableError(
          fmt::format("no {} free ports of 127.0.0.1 from {} to {}", count, kFirst, kLast));
    }
    const std::uint16_t port = draw(random);
    io::Fd fd = TakePort(port);
    if (!fd) continue;
    held.push_back(std::move(fd));
    ports.push_back(port);
  }
  return ports;
}

absl::StatusOr<std::unique_ptr<Stage>> SetStage(const std::string& directory) {
  TRIREME_ASSIGN_OR_RETURN(const auto ports, FreePorts(2 * kMembers + 2 * kCoordinators));
  auto next = ports.begin();
  auto stage = std::make_unique<Stage>();
  stage->directory = directory;
  const auto log = [&](const std::string& name) {
    return fmt::format("{}/{}.log", directory, name);
  };
  std::vector<std::string> peers, list;
  for (std::size_t i = 0; i < kMembers; ++i) {
    peers.push_back(Local(*next++));
    stage->endpoints.push_back(Local(*next++));
    list.push_back(fmt::format("kv{}=http://{}", i + 1, peers[i]));
  }
  for (std::size_t i = 0; i < kMembers; ++i) {
    const std::string name = fmt::format("kv{}", i + 1);
    stage->members.emplace_back(
        name,
        MemberArguments(*stage, name, absl::StrJoin(list, ","), peers[i], stage->endpoints[i]),
        log(name));
  }
  for (std::size_t i = 0; i < kCoordinators; ++i) {
    stage->coordinating.push_back(Local(*next++));
    stage->pages.push_back(Local(*next++));
    const std::string name = fmt::format("coordinator{}", i + 1);
    stage->coordinators.emplace_back(
        name,
        std::vector<std::string>{"mr", "coordinator", "--kv", stage->Kv(), "--listen",
                                 stage->coordinating[i], "--http", stage->pages[i]},
        log(name));
  }
  for (std::size_t i = 0; i < kWorkers; ++i) {
    const std::string name = fmt::format("worker{}", i + 1);
    stage->workers.emplace_back(
        name,
        std::vector<std::string>{"mr", "worker", "--kv", stage->Kv(), "--slots", "1", "--dir",
                                 fmt::format("{}/{}", directory, name)},
        log(name));
  }
  return stage;
}

}  // namespace trireme::demo
