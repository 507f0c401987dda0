#include "mapreduce/ledger/ledger.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "fmt/format.h"

namespace trireme::mapreduce::ledger {
namespace {

/// Less room than this in a transaction is left free.
constexpr std::size_t kWorthwhileBytes = 1'024;

const FoundKey* Find(const Refused& refused, std::string_view key) {
  const auto found = std::find_if(refused.found.begin(), refused.found.end(),
                                  [&](const FoundKey& each) { return each.key == key; });
  return found == refused.found.end() ? nullptr : &*found;
}

/// All that `write` puts is there: it has taken effect before.
bool Shows(const Refused& refused, const Write& write) {
  return std::all_of(write.puts.begin(), write.puts.end(), [&](const Put& put) {
    const FoundKey* found = Find(refused, put.key);
    return found != nullptr && found->value == put.value;
  });
}

}  // namespace

Ledger::Ledger(std::string_view prefix, Fence fence, const Position& position, const Limits& limits)
    : layout_(prefix),
      fence_(std::move(fence)),
      limits_(limits),
      place_{position.generation, position.next_sequence, position.checksum},
      bytes_(position.bytes),
      head_modified_(position.head_modified) {}

// ---- The doors

Token Ledger::Append(TimeMs now, std::string payload, Urgency urgency) {
  TRIREME_CHECK(payload.size() <= limits_.batch_bytes_max);
  appended_ = Token{static_cast<std::uint64_t>(appended_) + 1};
  if (urgency == Urgency::kAtOnce) urgent_ = appended_;
  if (urgency == Urgency::kNextWrite) awaited_ = appended_;
  if (waiting_.empty()) oldest_ms_ = now;
  if (compaction_) compaction_->stream.Push(appended_, payload);
  waiting_.Push(appended_, std::move(payload));
  Pump(now);
  return appended_;
}

void Ledger::Compact(TimeMs now, std::vector<std::string> checkpoint) {
  TRIREME_CHECK(!compaction_);
  compaction_.emplace();
  compaction_->place.generation = place_.generation + 1;
  for (std::string& payload : checkpoint) compaction_->stream.Push(Token{}, std::move(payload));
  Pump(now);
}

void Ledger::Step(TimeMs now, const Answer& answer) {
  if (!pending_ || answer.id != pending_->write.id || end_) return;
  if (std::holds_alternative<Unknown>(answer.fate)) {
    pending_->retry_ms = now + limits_.retry_ms;
    return;
  }
  if (const auto* written = std::get_if<Written>(&answer.fate)) {
    Happened(*std::exchange(pending_, std::nullopt), written->revision);
  } else {
    Resolve(std::get<Refused>(answer.fate));
  }
  Pump(now);
}

void Ledger::Tick(TimeMs now) {
  if (!end_ && pending_ && pending_->retry_ms && now >= *pending_->retry_ms) {
    pending_->retry_ms.reset();
    pending_->write.id = ++last_id_;
    to_send_ = true;
    ++stats_.retries;
  }
  Pump(now);
}

Output Ledger::TakeOutput() {
  Output output;
  output.durable = durable_;
  if (std::exchange(to_send_, false)) output.write = pending_->write;
  if (end_ && !std::exchange(end_told_, true)) output.end = end_;
  return output;
}

std::optional<TimeMs> Ledger::NextMs() const {
  if (end_) return std::nullopt;
  if (pending_) return pending_->retry_ms;
  return IsIdle() ? std::nullopt : DueMs();
}

/// Of the next write when nothing is urgent; nothing: now.
std::optional<TimeMs> Ledger::DueMs() const {
  const bool lazy =
      !compaction_ && awaited_ <= begun_ && waiting_.bytes() < limits_.write_bytes_max;
  if (!next_write_ms_ || !lazy) return next_write_ms_;
  return std::max(*next_write_ms_, oldest_ms_ + limits_.lazy_intervals * limits_.write_interval_ms);
}

bool Ledger::WantsCompaction() const {
  if (compaction_ || end_) return false;
  return (bytes_ > limits_.compact_bytes_min &&
          bytes_ / limits_.compact_growth > compacted_bytes_) ||
         (place_.next_sequence > limits_.compact_chunks_min &&
          place_.next_sequence / limits_.compact_growth > compacted_chunks_);
}

bool Ledger::HasRoomFor(std::size_t more) const {
  return more <= limits_.batch_bytes_max && bytes() + more <= limits_.journal_bytes_max;
}

// ---- What to write next

bool Ledger::IsIdle() const {
  return waiting_.empty() && !compaction_;
}

void Ledger::Pump(TimeMs now) {
  if (end_ || pending_ || IsIdle()) return;
  if (!IsUrgent() && now < DueMs().value_or(now)) return;
  Pending pending;
  pending.write = NewWrite();
  if (!begun_writing_) {
    BeginFirst(pending);
  } else if (compaction_ && compaction_->stream.bytes() <= limits_.write_bytes_max) {
    BeginFlip(pending);
  } else {
    AddWaiting(pending);
    if (compaction_) AddPiece(pending);
  }
  Send(now, std::move(pending));
}

Write Ledger::NewWrite() const {
  Write write;
  write.conditions = {{fence_.key, Field::kCreated, fence_.created},
                      {layout_.Head(), Field::kModified, head_modified_}};
  write.reads = {fence_.key, layout_.Head()};
  return write;
}

/// What crashed compactions left is deleted; and the head moves, so that no write of an earlier
/// leader fits any more.
void Ledger::BeginFirst(Pending& pending) {
  PutHead(place_.generation, pending);
  pending.write.deletes = {layout_.Before(place_.generation), layout_.After(place_.generation)};
  AddWaiting(pending);
}

/// The rest of the new generation. Its stream has all that waits, or the checkpoint has; what is
/// appended from now on waits for what comes after it.
void Ledger::BeginFlip(Pending& pending) {
  waiting_ = {};
  begun_ = pending.durable = appended_;
  if (!compaction_->stream.empty()) {
    const auto piece = compaction_->stream.Take(limits_.write_bytes_max);
    compaction_->bytes += AddChunk(piece, compaction_->place, pending.write);
  }
  PutHead(compaction_->place.generation, pending);
  pending.write.deletes = {layout_.Generation(place_.generation)};
  pending.flip = true;
}

void Ledger::AddWaiting(Pending& pending) {
  pending.durable = durable_;
  if (waiting_.empty()) return;
  // Half of the room is the compaction's, or it might never catch up.
  const std::size_t room = limits_.write_bytes_max / (compaction_ ? 2 : 1);
  const BatchStream::Piece piece = waiting_.Take(room);
  if (piece.whole != Token{}) begun_ = pending.durable = piece.whole;
  bytes_ += AddChunk(piece, place_, pending.write);
}

void Ledger::AddPiece(Pending& pending) {
  std::size_t room = limits_.write_bytes_max;
  for (const Put& put : pending.write.puts) room -= std::min(room, put.value.size());
  if (room < kWorthwhileBytes) return;
  const BatchStream::Piece piece = compaction_->stream.Take(room);
  compaction_->bytes += AddChunk(piece, compaction_->place, pending.write);
}

/// Returns its bytes.
std::size_t Ledger::AddChunk(const BatchStream::Piece& piece, Place& place, Write& write) {
  const ChunkHeader header{piece.continues, piece.continued, place.generation, place.next_sequence,
                           fence_.created};
  Put put{layout_.Chunk(place.generation, place.next_sequence++),
          EncodeChunk(header, piece.content, place.checksum, &place.checksum)};
  write.conditions.push_back({put.key, Field::kCreated, 0});
  write.reads.push_back(put.key);
  write.puts.push_back(std::move(put));
  return write.puts.back().value.size();
}

void Ledger::PutHead(std::uint64_t generation, Pending& pending) {
  pending.write.puts.push_back({layout_.Head(), EncodeHead({generation, fence_.created})});
  pending.head = true;
}

void Ledger::Send(TimeMs now, Pending pending) {
  pending.write.id = ++last_id_;
  pending_ = std::move(pending);
  to_send_ = true;
  next_write_ms_ = now + limits_.write_interval_ms;
  ++stats_.writes;
}

// ---- What became of it

void Ledger::Happened(const Pending& pending, std::int64_t revision) {
  begun_writing_ = true;
  durable_ = pending.durable;
  if (pending.head) head_modified_ = revision;
  if (!pending.flip) return;
  place_ = compaction_->place;
  bytes_ = compacted_bytes_ = compaction_->bytes;
  compacted_chunks_ = place_.next_sequence;
  compaction_.reset();
  ++stats_.compactions;
}

void Ledger::Resolve(const Refused& refused) {
  const FoundKey* leader = Find(refused, fence_.key);
  if (leader == nullptr || leader->created != fence_.created) {
    return Stop(EndKind::kDeposed, fmt::format("{} is gone: another leads", fence_.key));
  }
  if (!Shows(refused, pending_->write)) {
    return Stop(EndKind::kDisturbed,
                fmt::format("the keys of the journal at {} were changed by something that is not "
                            "the leader: give each cluster a prefix of its own",
                            layout_.Head()));
  }
  const FoundKey* head = Find(refused, layout_.Head());
  Happened(*std::exchange(pending_, std::nullopt), head == nullptr ? 0 : head->modified);
}

void Ledger::Stop(EndKind kind, std::string message) {
  end_ = End{kind, std::move(message)};
  pending_.reset();
}

}  // namespace trireme::mapreduce::ledger
