#include "raft/c_abi/handle.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/random.h"
#include "raft/core/codec.h"
#include "raft/core/configuration.h"

namespace trireme::raft::c_abi {

void SnapshotStore::Put(Index index, SharedBytes bytes) {
  index_ = index;
  bytes_ = std::move(bytes);
}

void SnapshotStore::Receive(const SnapshotChunk& chunk) {
  if (chunk.offset == 0) incoming_.clear();
  incoming_.append(chunk.data.view());
}

SharedBytes SnapshotStore::Part(std::uint64_t offset, std::uint64_t bytes_max) const {
  if (offset >= bytes_.size()) return {};
  return bytes_.Slice(bytes_.view().substr(offset, bytes_max));
}

namespace {

/// What one Output followed by the other comes to; at most one of them has something to persist.
void Append(Output&& later, Output* output) {
  TRIREME_CHECK(later.persist.empty() || output->persist.empty());
  if (!later.persist.empty()) output->persist = std::move(later.persist);
  const auto move_all = [](auto& from, auto& to) {
    std::move(from.begin(), from.end(), std::back_inserter(to));
  };
  move_all(later.messages, output->messages);
  move_all(later.reads, output->reads);
  move_all(later.lost, output->lost);
  if (later.committed.last < later.committed.first) return;
  if (output->committed.entries.empty()) output->committed.first = later.committed.first;
  output->committed.last = later.committed.last;
  move_all(later.committed.entries, output->committed.entries);
  move_all(later.committed.mine, output->committed.mine);
}

bool HoldsOnlyChunks(const Persist& persist) {
  return !persist.chunks.empty() && !persist.hard_state && !persist.snapshot &&
         persist.entries.empty();
}

}  // namespace

}  // namespace trireme::raft::c_abi

using namespace trireme;        // NOLINT: this file is the members of a C type
using namespace trireme::raft;  // NOLINT

int tr_raft_core::Say(int code, const char* why) {
  last_error = why;
  return code;
}

int tr_raft_core::Say(Answer answer) {
  last_error = std::move(answer.why);
  return static_cast<int>(answer.outcome);
}

int tr_raft_core::LoadHardState(std::uint64_t term, std::int64_t vote) {
  if (stage != Stage::kNothing) {
    return Say(TR_RAFT_INVALID, "the hard state is loaded first, and once");
  }
  if (vote != -1 && !IsPeer(vote)) return Say(TR_RAFT_INVALID, "the vote is for no peer");
  if (term == 0 && vote != -1) return Say(TR_RAFT_INVALID, "a vote in term 0");
  restored.hard_state = {Term{term},
                         vote == -1 ? kNobody : c_abi::NodeOf(static_cast<std::uint32_t>(vote))};
  stage = Stage::kHardState;
  return Say({});
}

int tr_raft_core::LoadSnapshot(std::uint64_t index, std::uint64_t term, std::string_view data) {
  if (stage >= Stage::kSnapshot) {
    return Say(TR_RAFT_INVALID, "the snapshot is loaded before entries, and once");
  }
  if (index == 0 || term == 0 || Term{term} > restored.hard_state.term) {
    return Say(TR_RAFT_INVALID,
               "the snapshot has index 0, term 0, or a later term than the hard "
               "state");
  }
  restored.snapshot.last = {Index{index}, Term{term}};
  restored.snapshot.size_bytes = data.size();
  snapshots.Put(Index{index}, SharedBytes::Copy(data));
  stage = Stage::kSnapshot;
  return Say({});
}

int tr_raft_core::LoadMembership(std::string_view data) {
  if (stage >= Stage::kMembership) {
    return Say(TR_RAFT_INVALID, "the membership is loaded before entries, and once");
  }
  std::optional<Configuration> configuration = DecodeConfiguration(data);
  if (!configuration) return Say(TR_RAFT_INVALID, "these bytes are no membership");
  restored.snapshot.configuration = std::move(*configuration);
  stage = Stage::kMembership;
  return Say({});
}

int tr_raft_core::LoadEntry(std::uint64_t index, std::uint64_t term, std::uint32_t kind,
                            std::string_view data) {
  const LogPosition last =
      restored.entries.empty() ? restored.snapshot.last : PositionOf(restored.entries.back());
  if (started()) return Say(TR_RAFT_INVALID, "entries are loaded before tr_raft_start");
  if (Index{index} != last.index + 1) return Say(TR_RAFT_INVALID, "a gap between entries");
  if (term == 0 || Term{term} < last.term || Term{term} > restored.hard_state.term) {
    return Say(TR_RAFT_INVALID,
               "an entry's term is below the one before it, or above the hard "
               "state's");
  }
  if (kind != TR_RAFT_ENTRY_COMMAND && kind != TR_RAFT_ENTRY_INTERNAL) {
    return Say(TR_RAFT_INVALID, "no such kind of entry");
  }
  Entry entry{Index{index}, Term{term}, EntryKind::kCommand, SharedBytes::Copy(data)};
  if (kind == TR_RAFT_ENTRY_INTERNAL) {  // two kinds, told apart by whether they say anything
    entry.kind = data.empty() ? EntryKind::kNoop : EntryKind::kConfiguration;
    if (!data.empty() && !DecodeConfiguration(data)) {
      return Say(TR_RAFT_INVALID, "the data of this internal entry are not what the core made");
    }
  }
  restored.entries.push_back(std::move(entry));
  stage = Stage::kEntries;
  return Say({});
}

/// Mixed into the seed: one generator numbers the reads and draws the timeouts.
int tr_raft_core::LoadIncarnation(std::uint64_t incarnation) {
  if (started()) return Say(TR_RAFT_INVALID, "the incarnation is loaded before tr_raft_start");
  if (has_incarnation) return Say(TR_RAFT_INVALID, "the incarnation is loaded once");
  config.seed = Random(config.seed ^ Random(incarnation).Next()).Next();
  has_incarnation = true;
  return Say({});
}

int tr_raft_core::Start() {
  if (started()) return Say(TR_RAFT_INVALID, "tr_raft_start is called once");
  if (Answer answer = Validate(restored); !answer.ok()) return Say(std::move(answer));
  core.emplace(config, std::move(restored));
  stage = Stage::kStarted;
  return Say({});
}

int tr_raft_core::Step(std::uint32_t from, std::string_view data) {
  if (!started() || !IsPeer(from) || c_abi::NodeOf(from) == config.self) {
    return Say(TR_RAFT_INVALID, "not started, or the sender is no other peer");
  }
  std::optional<Message> message = DecodeMessage(SharedBytes::Copy(data));
  if (!message) return Say(TR_RAFT_INVALID, "these bytes are no message");
  return Say(core->Step(c_abi::NodeOf(from), std::move(*message)));
}

int tr_raft_core::Compact(std::uint64_t index, std::string_view data) {
  if (!started()) return Say(TR_RAFT_INVALID, "not started");
  Answer answer = core->Compact(Index{index}, data.size(), Index{index});
  if (answer.ok()) snapshots.Put(Index{index}, SharedBytes::Copy(data));
  return Say(std::move(answer));
}

int tr_raft_core::TakeReady(tr_raft_ready* ready) {
  if (taken) return Say(TR_RAFT_BUSY, "tr_raft_advance is owed for the batch taken before");
  if (!started()) return 0;
  do {
    if (!TakeOutput()) return 0;
  } while (!HasWork());
  batch.Build(output, snapshots, durable, ready);
  taken = true;
  return 1;
}

/// The core asks the shell for parts of a snapshot, and gives it those it receives; this shell has
/// them in memory.
bool tr_raft_core::TakeOutput() {
  if (!core->TakeOutput(&output)) return false;
  for (const SnapshotChunk& chunk : output.persist.chunks) snapshots.Receive(chunk);
  if (c_abi::HoldsOnlyChunks(output.persist)) EndChunks();
  if (output.persist.snapshot) snapshots.Install(output.persist.snapshot->last.index);
  if (!output.snapshot_reads.empty()) AnswerSnapshotReads();
  CollectReads();
  return true;
}

/// The caller has nothing to make durable: what follows from the chunks is in the same batch.
void tr_raft_core::EndChunks() {
  durable = std::exchange(output.persist, {}).token;
  core->Persisted(durable);
  Output later;
  if (core->TakeOutput(&later)) c_abi::Append(std::move(later), &output);
}

void tr_raft_core::AnswerSnapshotReads() {
  for (const SnapshotReadRequest& request : output.snapshot_reads) {
    core->SnapshotRead(request.peer, snapshots.index(), request.offset,
                       snapshots.Part(request.offset, request.bytes_max));
  }
  Output later;
  if (core->TakeOutput(&later)) c_abi::Append(std::move(later), &output);
}

void tr_raft_core::CollectReads() {
  for (const ReadState& read : output.reads) {
    reads.push_back({read.ticket.value, read.index.value, read.granted ? 1u : 0u});
  }
  output.reads.clear();
}

bool tr_raft_core::HasWork() const {
  return !output.persist.empty() || !output.messages.empty() || !output.committed.entries.empty() ||
         !output.lost.empty();
}

void tr_raft_core::Advance() {
  if (!taken) return;
  taken = false;
  if (!output.persist.empty()) {
    durable = output.persist.token;
    core->Persisted(durable);
  }
  if (output.persist.snapshot) core->Applied(output.persist.snapshot->last.index);
  core->Applied(output.committed.last);
  output.Clear();
}

CoreStatus tr_raft_core::Status() const {
  if (started()) return core->Status();
  CoreStatus status;
  status.term = restored.hard_state.term;
  status.snapshot = status.last = restored.snapshot.last;
  status.commit = restored.snapshot.last.index;
  if (!restored.entries.empty()) status.last = PositionOf(restored.entries.back());
  for (const Entry& entry : restored.entries) status.log_bytes += entry.data.size();
  return status;
}
