#pragma once

#include <memory>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "rpc/address.h"
#include "rpc/descriptor.h"
#include "rpc/loop.h"
#include "rpc/sockets.h"

namespace trireme::rpc {

/// One attempt to connect: resolves off the loop thread where that may block, then tries each
/// socket address in turn. On the loop thread; it has no timeout of its own: cancel it.
class Connector final : public Loop::Watcher, public std::enable_shared_from_this<Connector> {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<OwnedDescriptor>)>;

  Connector(std::shared_ptr<Loop> loop, Address address, Done done);
  ~Connector() override;
  void Start();
  /// `done` is not called any more.
  void Cancel();

 private:
  void OnResolved(absl::StatusOr<std::vector<SocketAddress>> candidates);
  void TryNext();
  void OnReady(std::uint32_t events) override;
  OwnedDescriptor StopWatching();
  void Finish(absl::StatusOr<OwnedDescriptor> result);

  const std::shared_ptr<Loop> loop_;
  const Address address_;
  Done done_;  // Null once called or cancelled.
  std::vector<SocketAddress> candidates_;
  std::size_t next_ = 0;
  absl::Status last_error_;
  OwnedDescriptor descriptor_;  // Watched; of the address being tried.
};

}  // namespace trireme::rpc
