#include "rpc/connector.h"

#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "fmt/format.h"

namespace trireme::rpc {

Connector::Connector(std::shared_ptr<Loop> loop, Address address, Done done)
    : loop_(std::move(loop)), address_(std::move(address)), done_(std::move(done)) {}

Connector::~Connector() {
  StopWatching();
}

void Connector::Start() {
  if (ResolvesAtOnce(address_)) return OnResolved(Resolve(address_));
  // The resolver blocks, for seconds when a name server is away; it ends by itself.
  std::thread([self = shared_from_this()] {
    auto candidates = Resolve(self->address_);
    self->loop_->Post([self, candidates = std::move(candidates)]() mutable {
      self->OnResolved(std::move(candidates));
    });
  }).detach();
}

void Connector::Cancel() {
  done_ = nullptr;
  StopWatching();
}

void Connector::OnResolved(absl::StatusOr<std::vector<SocketAddress>> candidates) {
  if (!candidates.ok()) return Finish(candidates.status());
  candidates_ = *std::move(candidates);
  TryNext();
}

void Connector::TryNext() {
  while (done_ && next_ < candidates_.size()) {
    auto descriptor = BeginConnect(candidates_[next_++]);
    last_error_ = descriptor.status();
    if (!descriptor.ok()) continue;
    last_error_ = loop_->Watch(*this, descriptor->get(), EPOLLOUT);
    if (!last_error_.ok()) continue;
    descriptor_ = *std::move(descriptor);
    return;
  }
  // Cancelled before the first address was tried, there is no error to tell, nor anybody to hear
  // it.
  if (done_) Finish(last_error_);
}

OwnedDescriptor Connector::StopWatching() {
  loop_->Unwatch(*this);
  return std::exchange(descriptor_, OwnedDescriptor());
}

void Connector::OnReady(std::uint32_t) {
  const std::shared_ptr<Connector> self = shared_from_this();
  OwnedDescriptor descriptor = StopWatching();
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(descriptor.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error == 0) return Finish(std::move(descriptor));
  last_error_ = absl::UnavailableError(
      fmt::format("cannot connect to {}: {}", address_.ToString(), std::strerror(error)));
  TryNext();
}

void Connector::Finish(absl::StatusOr<OwnedDescriptor> result) {
  if (done_) std::exchange(done_, nullptr)(std::move(result));
}

}  // namespace trireme::rpc
