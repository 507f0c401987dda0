#include "rpc/connector.h"

#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "fmt/format.h"

namespace trireme::rpc {

Connector::Connector(std::shared_ptr<Loop> loop, Address address, Done done)
    : loop_(std::move(loop)), address_(std::move(address)), done_(std::move(done)) {}

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
  descriptor_.reset();
}

void Connector::OnResolved(absl::StatusOr<std::vector<SocketAddress>> candidates) {
  if (!candidates.ok()) return Finish(candidates.status());
  candidates_ = *std::move(candidates);
  TryNext();
}

void Connector::TryNext() {
  while (done_ && next_ < candidates_.size()) {
    auto descriptor = BeginConnect(candidates_[next_++]);
    if (!descriptor.ok()) {
      last_error_ = descriptor.status();
      continue;
    }
    descriptor_ = std::make_unique<boost::asio::posix::stream_descriptor>(loop_->context(),
                                                                          descriptor->release());
    descriptor_->async_wait(boost::asio::posix::stream_descriptor::wait_write,
                            [self = shared_from_this()](const boost::system::error_code& error) {
                              if (!error) self->loop_->Turn([&] { self->OnWritable(); });
                            });
    return;
  }
  Finish(last_error_);
}

void Connector::OnWritable() {
  if (!done_) return;
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(descriptor_->native_handle(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error == 0) return Finish(OwnedDescriptor(descriptor_->release()));
  last_error_ = absl::UnavailableError(
      fmt::format("cannot connect to {}: {}", address_.ToString(), std::strerror(error)));
  descriptor_.reset();
  TryNext();
}

void Connector::Finish(absl::StatusOr<OwnedDescriptor> result) {
  if (done_) std::exchange(done_, nullptr)(std::move(result));
}

}  // namespace trireme::rpc
