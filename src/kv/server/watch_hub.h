#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "kv/model/watch.h"
#include "kv/server/kv_machine.h"
#include "kv/server/watch_wire.h"

namespace trireme::kv::inline engine {

struct WatchLimits {
  /// Bytes queued on a stream above which its watches are served from the store, as it reads.
  std::size_t queue_bytes_max = 4u << 20;
  /// What one step of catching up reads: keys and values, and changes looked at.
  std::size_t history_bytes_max = 1u << 20;
  std::size_t history_changes_max = 1000;
  /// A response is split above this when the watch asked for fragments.
  std::size_t fragment_bytes_max = 1'572'864;
  /// Watches of one stream; more are refused.
  std::size_t watches_max = 100'000;
};

/// Where the responses of one stream of watches go.
class WatchSink {
 public:
  virtual ~WatchSink() = default;
  virtual void Send(std::string response) = 0;
  /// Not yet taken by the client.
  virtual std::size_t queued_bytes() const = 0;
  /// WatchHub::OnWritable is to be called once, when much of it has been taken.
  virtual void AwaitWritable() = 0;
};

/// The watches of some streams: which events each is sent, in what order, from the batches as they
/// are committed or from history. A plain object: one thread at a time, no clock, no socket.
///
/// A watch is either in step, found through the index for every event, or behind, then it reads
/// history in bounded steps; so a slow reader costs no memory and loses nothing. What it has been
/// sent is always all events of whole revisions below its `next`.
class WatchHub {
 public:
  using StreamId = std::size_t;
  using View = std::shared_ptr<const ReadView>;

  WatchHub(const HeaderWriter* header, const WatchLimits& limits)
      : header_(header), limits_(limits) {}

  /// `now`: taken after batches began to be handed to OnBatch, all of them, in order.
  void Begin(const View& now);

  /// The sink lives until Close.
  StreamId Open(WatchSink* sink);
  void Close(StreamId stream);

  /// `now`: the newest view.
  void Create(StreamId stream, const WatchCreate& create, const View& now);
  void Cancel(StreamId stream, const WatchCancel& cancel);
  /// Answered when all watches of the stream have been sent what `now` has.
  void Progress(StreamId stream, const View& now);
  /// The time for a progress notification to watches that asked for them and were sent nothing
  /// since the last one.
  void NotifyIdle();

  void OnBatch(const CommittedBatch& batch);
  void OnWritable(StreamId stream);

  /// Whether CatchUp has something to do.
  bool behind() const { return !behind_.empty(); }
  /// One bounded step of one watch that is behind. Not OK: the store failed.
  absl::Status CatchUp(const View& now);

  std::size_t watch_count() const { return watch_count_; }
  std::size_t stream_count() const { return streams_.size() - free_streams_.size(); }
  /// All up to here has been sent to the watches in step.
  std::int64_t revision() const { return revision_; }

 private:
  enum class Place : std::uint8_t {
    kNone,
    kInStep,   ///< In index_.
    kBehind,   ///< In behind_.
    kStalled,  ///< In its stream's stalled: its client is slow.
  };
  struct Watch {
    Place place = Place::kNone;
    StreamId stream = 0;
    std::int64_t id = 0;
    WatchSpec spec;
    bool progress_notify = false, fragment = false;
    bool sent = false;                ///< Since the last NotifyIdle.
    std::int64_t next = 0;            ///< The first revision it may not have been sent.
    std::vector<std::uint32_t> hits;  ///< Events of the batch at hand.
  };
  struct Stream {
    WatchSink* sink = nullptr;  ///< Null: closed.
    absl::btree_map<std::int64_t, WatchId> watches;
    std::int64_t next_id = 0;
    std::vector<WatchId> stalled;
    std::size_t late = 0;       ///< Watches behind or stalled.
    std::int64_t told = 0;      ///< The highest revision in a header.
    std::int64_t progress = 0;  ///< To be answered when it is reached; 0: nothing was asked.
  };
  /// An event of the batch at hand, encoded when first wanted.
  struct Encoded {
    const Event* event;
    std::string plain, with_prev;
  };

  Watch& At(WatchId id) { return watches_[id]; }
  WatchId NewWatch();
  void Refuse(Stream& stream, std::string_view reason);
  void Drop(WatchId id);
  void Leave(WatchId id);
  void Join(WatchId id);
  void FallBehind(WatchId id, std::int64_t next);
  void AllFallBehind();
  void Collect(const CommittedBatch& batch);
  void Deliver(WatchId id, const CommittedBatch& batch);
  std::string_view BytesOf(Encoded& encoded, bool prev, const ReadView& view);
  void SendEvents(const Watch& watch, std::int64_t revision,
                  const std::vector<std::string_view>& events, std::size_t bytes);
  void SendCompacted(WatchId id, std::int64_t compacted);
  void Send(Stream& stream, const WatchAnswer& answer, std::size_t events_bytes = 0,
            const std::string_view* events = nullptr, std::size_t count = 0);
  void AnswerProgress(Stream& stream);
  void AnswerAllProgress();

  const HeaderWriter* const header_;
  const WatchLimits limits_;
  std::int64_t revision_ = 0;
  std::uint64_t term_ = 0;

  std::vector<Stream> streams_;
  std::vector<StreamId> free_streams_;
  std::deque<Watch> watches_;  ///< By id.
  std::vector<WatchId> free_watches_;
  std::size_t watch_count_ = 0;
  WatchIndex index_;
  std::deque<WatchId> behind_;
  std::size_t progress_waiting_ = 0;

  // Of the batch at hand.
  std::vector<Encoded> events_;
  std::vector<WatchId> touched_;
  std::vector<std::string_view> parts_;
};

}  // namespace trireme::kv::inline engine
