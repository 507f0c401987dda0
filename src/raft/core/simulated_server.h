#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "raft/core/core.h"

/// For tests: a server around a core, with a disk on which writes take as long as the test likes,
/// and a state machine that is a hash over all commands. What the shell must do, and nothing else.
namespace trireme::raft {

/// Stable storage, and what a Persist does to it.
struct SimulatedDisk {
  HardState hard_state;
  SnapshotMeta snapshot;
  std::string snapshot_bytes;
  std::string incoming;
  std::vector<Entry> log;

  Index last() const { return log.empty() ? snapshot.last.index : log.back().index; }
  const Entry* Find(Index index) const {
    if (log.empty() || index < log.front().index || index > log.back().index) return nullptr;
    return &log[index - log.front().index];
  }

  void Write(const Persist& batch) {
    if (batch.hard_state) hard_state = *batch.hard_state;
    for (const SnapshotChunk& chunk : batch.chunks) {
      if (chunk.offset == 0) incoming.clear();
      TRIREME_CHECK(incoming.size() == chunk.offset);
      incoming.append(chunk.data.view());
    }
    if (batch.snapshot) Install(*batch.snapshot);
    if (!batch.entries.empty()) Append(batch.entries);
  }

  void Install(const SnapshotMeta& meta) {
    TRIREME_CHECK(incoming.size() == meta.size_bytes);
    const Entry* same = Find(meta.last.index);
    const bool kept = same != nullptr && same->term == meta.last.term;
    snapshot = meta;
    snapshot_bytes = std::exchange(incoming, {});
    if (kept) {
      DropTo(meta.last.index);
    } else {
      log.clear();
    }
  }

  void Append(const std::vector<Entry>& entries) {
    while (!log.empty() && log.back().index >= entries[0].index) log.pop_back();
    TRIREME_CHECK(entries[0].index == last() + 1);
    log.insert(log.end(), entries.begin(), entries.end());
  }

  void DropTo(Index index) {
    std::size_t count = 0;
    while (count < log.size() && log[count].index <= index) ++count;
    log.erase(log.begin(), log.begin() + static_cast<std::ptrdiff_t>(count));
  }
};

struct SimulatedServer {
  /// What the test wants to hear of.
  struct Hooks {
    std::function<void(SimulatedServer&, NodeId to, const Message&)> send;
    std::function<void(SimulatedServer&, const Persist&)> persist;
    std::function<void(SimulatedServer&, const Entry&)> apply;
    std::function<void(SimulatedServer&, const SnapshotMeta&)> restore;
    std::function<void(SimulatedServer&, Committed::Mine)> mine;
    std::function<void(SimulatedServer&, const Lost&)> lost;
    std::function<void(SimulatedServer&, const ReadState&)> read;
  };

  SimulatedServer(Config server_config, Configuration first, Hooks& server_hooks)
      : config(server_config), hooks(&server_hooks) {
    disk.snapshot.configuration = std::move(first);
  }

  bool alive() const { return core != nullptr; }
  NodeId id() const { return config.self; }
  bool leads() const { return alive() && core->Status().role == RoleName::kLeader; }

  void Start() {
    ++life;
    config.seed = config.seed * 31 + life;
    image = disk;
    applied = disk.snapshot.last.index;
    hash = applied == Index{} || disk.snapshot_bytes.empty()
               ? 0
               : LoadLittle<std::uint64_t>(disk.snapshot_bytes.data());
    core = std::make_unique<Core>(config, Restored{disk.hard_state, disk.snapshot, disk.log});
  }

  /// What was being written is lost, or, for the first `written` batches, is not.
  void Crash(std::size_t written) {
    while (written-- > 0 && !writing.empty()) {
      disk.Write(writing.front());
      writing.pop_front();
    }
    writing.clear();
    waiting.clear();
    core.reset();
  }

  /// Takes outputs until there are none. Writes only begin.
  void Pump() {
    while (alive() && core->TakeOutput(&output)) {
      if (!output.persist.empty()) {
        image.Write(output.persist);
        hooks->persist(*this, output.persist);
        writing.push_back(output.persist);
      }
      for (Outgoing& out : output.messages) Route(out);
      for (const ReadState& read : output.reads) hooks->read(*this, read);
      for (const Lost& lost : output.lost) hooks->lost(*this, lost);
      Apply();
      Answer();
    }
  }

  void CompleteWrite() {
    disk.Write(writing.front());
    const Token token = writing.front().token;
    writing.pop_front();
    core->Persisted(token);
    std::deque<Outgoing> later;
    for (Outgoing& out : waiting) {
      if (out.after <= token) {
        hooks->send(*this, out.to, out.message);
      } else {
        later.push_back(std::move(out));
      }
    }
    waiting = std::move(later);
  }
  /// The same on a disk that has no room for chunks of a snapshot.
  void CompleteWriteWithoutRoom() {
    writing.front().chunks.clear();
    core->SnapshotNotStored();
    std::erase_if(waiting, [](const Outgoing& out) {
      return std::holds_alternative<SnapshotProgress>(out.message);
    });
    CompleteWrite();
  }
  void CompleteWrites() {
    for (Pump(); !writing.empty(); Pump()) CompleteWrite();
  }

  /// Takes a snapshot of the state machine, of so many bytes, and drops the log up to `keep`
  /// entries before it.
  trireme::raft::Answer Compact(std::uint64_t keep, std::size_t bytes) {
    const std::optional<SnapshotMeta> meta = core->MetaAt(applied);
    if (!meta) return Refuse(Outcome::kStale, "a newer snapshot is being installed");
    const Index drop_to = applied.value > keep ? applied - keep : Index{};
    trireme::raft::Answer answer = core->Compact(applied, bytes, drop_to);
    if (!answer.ok()) return answer;
    for (SimulatedDisk* on : {&disk, &image}) {
      on->snapshot = *meta;
      on->snapshot.size_bytes = bytes;
      on->snapshot_bytes.assign(bytes, 's');
      StoreLittle(on->snapshot_bytes.data(), hash);
      on->DropTo(drop_to);
    }
    return answer;
  }

  Config config;
  Hooks* hooks;
  std::unique_ptr<Core> core;
  SimulatedDisk disk;
  SimulatedDisk image;  ///< The disk once all that is being written is.
  std::deque<Persist> writing;
  std::deque<Outgoing> waiting;
  Output output;
  Index applied;
  std::uint64_t hash = 0;
  std::uint64_t life = 0;

 private:
  void Route(Outgoing& out) {
    if (out.after == kNothing) {
      hooks->send(*this, out.to, out.message);
    } else {
      waiting.push_back(std::move(out));
    }
  }

  void Apply() {
    if (output.restore) {
      applied = output.restore->last.index;
      hash = LoadLittle<std::uint64_t>(disk.snapshot_bytes.data());
      hooks->restore(*this, *output.restore);
    }
    const Committed& committed = output.committed;
    for (Index i = committed.first; i <= committed.last; ++i) {
      const Entry& entry =
          committed.entries.empty() ? *disk.Find(i) : committed.entries[i - committed.first];
      TRIREME_CHECK(i == applied + 1 && entry.index == i);
      applied = i;
      for (const char byte : entry.data.view()) {
        hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001B3ull;
      }
      hooks->apply(*this, entry);
    }
    for (const Committed::Mine& mine : committed.mine) hooks->mine(*this, mine);
    core->Applied(applied);
  }

  void Answer() {
    for (const LogReadRequest& request : output.log_reads) {
      std::vector<Entry> entries;
      for (Index i = request.first; i <= request.last && entries.size() < 3; ++i) {
        entries.push_back(*disk.Find(i));
      }
      core->LogRead(request.peer, std::move(entries));
    }
    for (const SnapshotReadRequest& request : output.snapshot_reads) {
      const std::string_view bytes = disk.snapshot_bytes;
      const std::string_view part =
          bytes.substr(std::min(request.offset, bytes.size()), request.bytes_max);
      core->SnapshotRead(request.peer, disk.snapshot.last.index, request.offset,
                         SharedBytes::Copy(part));
    }
  }
};

}  // namespace trireme::raft
