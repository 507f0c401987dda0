#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "io/process.h"

/// Debian's etcd, or our server with the same flags, as processes on loopback with data in
/// temporary folders.
namespace trireme::kv::test {

enum class Program { kEtcd, kTrireme };

class EtcdCluster {
 public:
  /// Starts `members` processes and waits until each serves.
  explicit EtcdCluster(int members, Program program = Program::kEtcd);
  ~EtcdCluster();

  std::vector<std::string> endpoints() const;
  const std::string& data_dir(int member) const { return members_[member].data_dir; }
  std::uint16_t client_port(int member) const { return members_[member].client_port; }
  int size() const { return static_cast<int>(members_.size()); }
  /// Waits until some member leads; its index.
  int Leader();
  /// kill -9.
  void Kill(int member);
  void Signal(int member, int signal);
  /// SIGTERM, and waits for the end; the exit status.
  int Terminate(int member);
  /// With the data it has, on the ports it had.
  void Start(int member) { Spawn(members_[member]); }
  /// The same, and waits until it serves.
  void Restart(int member);

 private:
  struct Member {
    std::string name, data_dir, client_url, peer_url;
    std::uint16_t client_port = 0;
    io::Process process;
  };

  void Spawn(Member& member);
  void AwaitServing(const Member& member);

  const Program program_;
  std::string folder_;
  std::string initial_cluster_;
  std::vector<Member> members_;
};

}  // namespace trireme::kv::test
