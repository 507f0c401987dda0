#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/ledger/batch_stream.h"
#include "mapreduce/ledger/layout.h"
#include "mapreduce/ledger/limits.h"
#include "mapreduce/ledger/loader.h"
#include "mapreduce/ledger/transaction.h"
#include "mapreduce/ledger/urgency.h"

namespace trireme::mapreduce::ledger {

/// Why nothing will be written any more.
enum class EndKind : std::uint8_t {
  kDeposed,    ///< Another leads.
  kDisturbed,  ///< Something else writes below the prefix, though this still leads.
};
struct End {
  EndKind kind = EndKind::kDeposed;
  std::string message;
};

struct Output {
  std::optional<Write> write;  ///< To be sent now; its Answer is waited for.
  Token durable{};             ///< Every batch up to here will be found by the next leader.
  std::optional<End> end;      ///< Once, with the output that first knows it.
};

struct Stats {
  std::uint64_t writes = 0;   ///< Transactions begun, each counted once.
  std::uint64_t retries = 0;  ///< Of transactions whose fate was unknown.
  std::uint64_t compactions = 0;
};

/// Writes the journal of a leader into a KV, fenced, a transaction at a time. No thread, clock or
/// I/O; the same calls give the same output. docs/formats/kv-journal.md is its page.
///
///   Token token = ledger.Append(now, payload, Urgency::kCanWait);
///   Output output = ledger.TakeOutput();
///   send(output.write);               // and later ledger.Step(now, answer)
///   promise(up to output.durable);    // what was attached to tokens
///
/// Call Tick at NextMs. Whoever writes must have read the journal as this same leader.
class Ledger {
 public:
  Ledger(std::string_view prefix, Fence fence, const Position& position, const Limits& limits = {});

  /// `payload` is at most batch_bytes_max.
  Token Append(TimeMs now, std::string payload, Urgency urgency);
  /// Cuts the journal down to `checkpoint`, which restores all that was appended so far. Goes on
  /// beside Append; not while compacting().
  void Compact(TimeMs now, std::vector<std::string> checkpoint);
  /// What became of a write. One of another id is an old one's, and means nothing.
  void Step(TimeMs now, const Answer& answer);
  void Tick(TimeMs now);
  [[nodiscard]] Output TakeOutput();

  /// When Tick has something to do; nothing: not before another call.
  std::optional<TimeMs> NextMs() const;
  bool WantsCompaction() const;
  bool compacting() const { return compaction_.has_value(); }
  /// Whether a batch of so many bytes would be accepted by who wants journal_bytes_max kept.
  bool HasRoomFor(std::size_t bytes) const;
  /// Bytes of the generation and of what waits.
  std::size_t bytes() const { return bytes_ + waiting_.bytes(); }
  const Stats& stats() const { return stats_; }

 private:
  /// Chunks of a generation, each from the one before.
  struct Place {
    std::uint64_t generation = 0;
    std::uint64_t next_sequence = 0;
    std::uint32_t checksum = 0;
  };
  struct Compaction {
    Place place;
    BatchStream stream;  ///< The checkpoint, then what was appended after it.
    std::size_t bytes = 0;
  };
  /// The transaction whose fate is waited for, and what it brings about.
  struct Pending {
    Write write;
    Token durable{};
    bool head = false;
    bool flip = false;
    std::optional<TimeMs> retry_ms;  ///< Its fate is unknown: send it again then.
  };

  bool IsIdle() const;
  bool IsUrgent() const { return urgent_ > begun_; }
  std::optional<TimeMs> DueMs() const;
  void Pump(TimeMs now);
  Write NewWrite() const;
  void BeginFirst(Pending& pending);
  void BeginFlip(Pending& pending);
  void AddWaiting(Pending& pending);
  void AddPiece(Pending& pending);
  std::size_t AddChunk(const BatchStream::Piece& piece, Place& place, Write& write);
  void PutHead(std::uint64_t generation, Pending& pending);
  void Send(TimeMs now, Pending pending);
  void Happened(const Pending& pending, std::int64_t revision);
  void Resolve(const Refused& refused);
  void Stop(EndKind kind, std::string message);

  const Layout layout_;
  const Fence fence_;
  const Limits limits_;

  Place place_;
  std::size_t bytes_ = 0;            ///< Of the chunks of place_.
  std::size_t compacted_bytes_ = 0;  ///< What the last compaction of this life left.
  std::uint64_t compacted_chunks_ = 0;
  std::int64_t head_modified_ = 0;
  bool begun_writing_ = false;  ///< The first transaction, which sweeps, has taken effect.

  BatchStream waiting_;
  Token appended_{}, begun_{}, durable_{};
  Token urgent_{}, awaited_{};  ///< The last that are.
  TimeMs oldest_ms_ = 0;        ///< When the oldest of waiting_ came.
  std::optional<Compaction> compaction_;
  std::optional<Pending> pending_;
  std::optional<TimeMs> next_write_ms_;  ///< Nothing: no write yet.
  std::uint64_t last_id_ = 0;
  bool to_send_ = false;
  std::optional<End> end_;
  bool end_told_ = false;
  Stats stats_;
};

}  // namespace trireme::mapreduce::ledger
