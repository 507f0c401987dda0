#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "rpc/descriptor.h"
#include "rpc/loop.h"

namespace trireme::raft::tcp {

/// Accepts connections until it is closed. Loop's thread.
class Listener final : public rpc::Loop::Watcher, public rpc::Loop::Timer {
 public:
  /// A non-blocking descriptor and the address at its other end.
  using Accepted = absl::AnyInvocable<void(rpc::OwnedDescriptor, std::string)>;

  Listener(std::shared_ptr<rpc::Loop> loop, rpc::OwnedDescriptor descriptor, Accepted accepted)
      : loop_(std::move(loop)),
        descriptor_(std::move(descriptor)),
        accepted_(std::move(accepted)) {}

  void Start();
  void Close();

 private:
  void OnReady(std::uint32_t events) override;
  void OnTimer() override { Start(); }
  void Pause();

  const std::shared_ptr<rpc::Loop> loop_;
  rpc::OwnedDescriptor descriptor_;
  Accepted accepted_;
};

}  // namespace trireme::raft::tcp
