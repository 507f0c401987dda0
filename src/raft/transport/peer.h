#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include <trireme/raft/bytes.h>
#include <trireme/raft/types.h>
#include "raft/transport/connection.h"
#include "rpc/address.h"
#include "rpc/connector.h"
#include "rpc/loop.h"

namespace trireme::raft::tcp {

class Hub;

/// What has been said of attempts that failed one after the other.
struct FailureNews {
  std::optional<rpc::Loop::Clock::time_point> since;
  bool warned = false;
};

/// One other node: its address, the attempts to reach it, and the one connection that counts. Send
/// and Retire are thread-safe, the rest belongs to the loop's thread. Always held by shared_ptr.
class Peer final : public rpc::Loop::Timer, public std::enable_shared_from_this<Peer> {
 public:
  Peer(NodeId id, Hub& hub) : id_(id), hub_(hub) {}

  NodeId id() const { return id_; }

  /// Frames wait for the attempt that is under way or comes next; when it fails they are lost.
  bool Send(std::span<const SharedBytes> pieces, std::size_t body_bytes);
  /// Nothing is sent or delivered any more.
  void Retire();
  bool retired() const { return retired_.load(std::memory_order_acquire); }

  void SetAddress(const rpc::Address& address);
  const std::optional<rpc::Address>& address() const { return address_; }
  /// Begins an attempt unless there is a connection, an attempt or nowhere to go.
  void Dial();
  /// `connection`, whose hellos are fine, is the one that counts from now on.
  void Adopt(const std::shared_ptr<Connection>& connection, const Hello& hello);
  /// One of the peer's connections broke, or was refused.
  void OnClosed(const Connection* connection, const absl::Status& why);
  FailureNews& news() { return news_; }
  /// Ends all that the loop knows of it.
  void Close();

  /// Of two connections that both sides dialed at the same time the one that the smaller id dialed
  /// stays; this side has said hello on its own.
  bool DialOverrides(NodeId self) const;
  /// Keeps the other one, whose hello is not answered, for the case that the own attempt fails: the
  /// peer, whose attempt it is, must not take it for failed before.
  void HoldRival(const std::shared_ptr<Connection>& connection, const Hello& hello);
  /// `hello` is older than the one the connection was made with: it was under way when that one
  /// won.
  bool IsStale(const Hello& hello) const;

 private:
  /// What waits for a connection.
  struct Waiting {
    std::vector<std::vector<SharedBytes>> frames;
    std::size_t bytes = 0;
  };

  void OnTimer() override;
  void OnConnected(absl::StatusOr<rpc::OwnedDescriptor> descriptor);
  void DialFailed(const absl::Status& why);
  void CancelDial();
  void CloseRival();
  void Redial();
  std::chrono::milliseconds NextDelay();
  std::shared_ptr<Connection> Replace(std::shared_ptr<Connection> connection);
  void DropWaiting();

  const NodeId id_;
  Hub& hub_;
  std::atomic<bool> retired_{false};
  std::optional<rpc::Address> address_;
  std::shared_ptr<rpc::Connector> connector_;  // The attempt before there is a socket,
  std::shared_ptr<Connection> dialing_;        // and from then until the hellos are through.
  std::shared_ptr<Connection> rival_;          // See HoldRival.
  Hello rival_hello_;
  Hello hello_;       // The one that `connection_` was made with.
  int failures_ = 0;  // In a row.
  FailureNews news_;  // Of these.

  std::mutex mutex_;
  std::shared_ptr<Connection> connection_;  // Guarded by mutex_; written by the loop's thread.
  Waiting waiting_;                         // Guarded by mutex_; empty when there is a connection.
};

}  // namespace trireme::raft::tcp
