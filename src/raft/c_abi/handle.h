#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "raft/core/core.h"
#include "trireme/c/raft.h"

namespace trireme::raft::c_abi {

/// Peers count from 0, NodeIds from 1.
constexpr NodeId NodeOf(std::uint32_t peer) {
  return NodeId{std::uint64_t{peer} + 1};
}
constexpr std::uint32_t PeerOf(NodeId node) {
  return static_cast<std::uint32_t>(node.value - 1);
}

/// The snapshots of a node, in memory: the one it took or installed, and one that is coming in.
class SnapshotStore {
 public:
  void Put(Index index, SharedBytes bytes);
  /// A chunk that the core wants stored.
  void Receive(const SnapshotChunk& chunk);
  void Install(Index index) { Put(index, SharedBytes::Own(std::move(incoming_))); }
  Index index() const { return index_; }
  const SharedBytes& bytes() const { return bytes_; }
  SharedBytes Part(std::uint64_t offset, std::uint64_t bytes_max) const;

 private:
  Index index_;
  SharedBytes bytes_;
  std::string incoming_;
};

/// The arrays that a tr_raft_ready points into.
class ReadyBatch {
 public:
  /// `durable`: all before it is; messages that wait for more go after the batch is stored.
  void Build(const Output& output, const SnapshotStore& snapshots, Token durable,
             tr_raft_ready* ready);

 private:
  void AddMessages(const Output& output, Token durable);
  void AddCommitted(const Committed& committed);
  void AddLost(const Output& output);

  std::vector<tr_raft_entry> entries_;
  std::vector<tr_raft_entry> committed_;
  std::vector<std::string> encoded_;
  std::vector<tr_raft_message> messages_;
  std::vector<tr_raft_lost> lost_;
};

}  // namespace trireme::raft::c_abi

/// What hides behind the opaque handle: a core, and a shell that keeps snapshots in memory.
struct tr_raft_core {
  /// What has been loaded; each step allows those after it.
  enum class Stage { kNothing, kHardState, kSnapshot, kMembership, kEntries, kStarted };

  /// Sets last_error and returns the code.
  int Say(trireme::raft::Answer answer);
  int Say(int code, const char* why);
  bool started() const { return stage == Stage::kStarted; }

  int LoadHardState(std::uint64_t term, std::int64_t vote);
  int LoadSnapshot(std::uint64_t index, std::uint64_t term, std::string_view data);
  int LoadMembership(std::string_view data);
  int LoadEntry(std::uint64_t index, std::uint64_t term, std::uint32_t kind, std::string_view data);
  int LoadIncarnation(std::uint64_t incarnation);
  int Start();
  int Step(std::uint32_t from, std::string_view data);
  int Compact(std::uint64_t index, std::string_view data);
  /// As tr_raft_take_ready.
  int TakeReady(tr_raft_ready* ready);
  void Advance();
  trireme::raft::CoreStatus Status() const;

  trireme::raft::Config config;
  std::uint32_t n_peers = 0;
  Stage stage = Stage::kNothing;
  trireme::raft::Restored restored;  // until started
  std::optional<trireme::raft::Core> core;
  trireme::raft::c_abi::SnapshotStore snapshots;

  bool has_incarnation = false;
  bool taken = false;  // a ready batch is out
  trireme::raft::Output output;
  trireme::raft::c_abi::ReadyBatch batch;
  trireme::raft::Token durable;
  std::deque<tr_raft_read_state> reads;
  std::string last_error;

 private:
  bool IsPeer(std::int64_t peer) const { return peer >= 0 && peer < n_peers; }
  bool TakeOutput();
  void AnswerSnapshotReads();
  void EndChunks();
  void CollectReads();
  bool HasWork() const;
};
