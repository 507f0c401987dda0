#include "raft/transport/listener.h"

#include <cerrno>
#include <utility>

#include "rpc/sockets.h"

namespace trireme::raft::tcp {
namespace {

/// Connections accepted before others get their turn.
constexpr int kAcceptsPerTurn = 16;
/// After accept failed, most likely for want of descriptors.
constexpr std::chrono::milliseconds kAcceptPause{100};

}  // namespace

void Listener::Start() {
  if (!loop_->Watch(*this, descriptor_.get(), EPOLLIN).ok()) Pause();
}

void Listener::Pause() {
  loop_->Unwatch(*this);
  loop_->Arm(*this, rpc::Loop::Clock::now() + kAcceptPause);
}

void Listener::Close() {
  loop_->Unwatch(*this);
  loop_->Disarm(*this);
  descriptor_ = rpc::OwnedDescriptor();
}

void Listener::OnReady(std::uint32_t) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    rpc::SocketAddress from;
    from.size = sizeof from.storage;
    rpc::OwnedDescriptor descriptor(
        ::accept4(descriptor_.get(), from.get(), &from.size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (descriptor.get() < 0) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) Pause();
      return;
    }
    rpc::SetNoDelay(descriptor.get());
    accepted_(std::move(descriptor), from.ToString());
  }
}

}  // namespace trireme::raft::tcp
