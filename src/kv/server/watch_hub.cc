#include "kv/server/watch_hub.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"

namespace trireme::kv::inline engine {
namespace {

constexpr std::int64_t kNoWatch = -1;  ///< What etcd's answers to a whole stream name.
constexpr std::size_t kAnswerBytesGuess = 64;

/// A single response may be larger than the limit, alone in its queue.
bool HasRoom(const WatchSink& sink, const WatchLimits& limits) {
  return sink.queued_bytes() < limits.queue_bytes_max;
}

}  // namespace

void WatchHub::Begin(const View& now) {
  revision_ = std::max(revision_, now->meta().revision);
  term_ = std::max(term_, now->meta().applied_term);
}

WatchHub::StreamId WatchHub::Open(WatchSink* sink) {
  if (free_streams_.empty()) {
    free_streams_.push_back(streams_.size());
    streams_.emplace_back();
  }
  const StreamId stream = free_streams_.back();
  free_streams_.pop_back();
  streams_[stream] = Stream{.sink = sink};
  return stream;
}

void WatchHub::Close(StreamId id) {
  Stream& stream = streams_[id];
  while (!stream.watches.empty()) Drop(stream.watches.begin()->second);
  if (stream.progress != 0) --progress_waiting_;
  stream = Stream{};
  free_streams_.push_back(id);
}

WatchId WatchHub::NewWatch() {
  ++watch_count_;
  if (free_watches_.empty()) {
    watches_.emplace_back();
    return watches_.size() - 1;
  }
  const WatchId id = free_watches_.back();
  free_watches_.pop_back();
  return id;
}

void WatchHub::Refuse(Stream& stream, std::string_view reason) {
  Send(stream, {.revision = std::max(revision_, stream.told),
                .watch_id = kNoWatch,
                .created = true,
                .canceled = true,
                .cancel_reason = reason});
}

void WatchHub::Create(StreamId at, const WatchCreate& create, const View& now) {
  Stream& stream = streams_[at];
  if (EmptyRange(create.spec)) return Refuse(stream, kWatchRangeEmpty);
  if (stream.watches.contains(create.watch_id) && create.watch_id != 0)
    return Refuse(stream, kWatchIdTaken);
  if (stream.watches.size() >= limits_.watches_max)
    return Refuse(stream, "etcdserver: too many watches on one stream; open another");
  std::int64_t name = create.watch_id;
  if (name == 0) {
    while (stream.watches.contains(stream.next_id)) ++stream.next_id;
    name = stream.next_id++;
  }
  const WatchId id = NewWatch();
  stream.watches.emplace(name, id);
  const std::int64_t current = now->meta().revision;
  const WatchStart start = StartOf(create.spec, current);
  At(id) = {.stream = at,
            .id = name,
            .spec = create.spec,
            .progress_notify = create.progress_notify,
            .fragment = create.fragment,
            .next = start.next};
  Send(stream, {.revision = current, .watch_id = name, .created = true});
  start.behind ? FallBehind(id, start.next) : Join(id);
}

void WatchHub::Cancel(StreamId at, const WatchCancel& cancel) {
  Stream& stream = streams_[at];
  const auto found = stream.watches.find(cancel.watch_id);
  if (found == stream.watches.end()) return;
  Drop(found->second);
  Send(stream, {.revision = std::max(revision_, stream.told),
                .watch_id = cancel.watch_id,
                .canceled = true});
  AnswerProgress(stream);
}

void WatchHub::Join(WatchId id) {
  Watch& watch = At(id);
  watch.place = Place::kInStep;
  index_.Add(id, watch.spec, watch.next);
}

/// Out of wherever it is.
void WatchHub::Leave(WatchId id) {
  Watch& watch = At(id);
  Stream& stream = streams_[watch.stream];
  if (watch.place == Place::kInStep) index_.Remove(id);
  if (watch.place == Place::kBehind) std::erase(behind_, id);
  if (watch.place == Place::kStalled) std::erase(stream.stalled, id);
  if (watch.place == Place::kBehind || watch.place == Place::kStalled) --stream.late;
  watch.place = Place::kNone;
}

void WatchHub::FallBehind(WatchId id, std::int64_t next) {
  Leave(id);
  Watch& watch = At(id);
  watch.place = Place::kBehind;
  watch.next = next;
  behind_.push_back(id);
  ++streams_[watch.stream].late;
}

void WatchHub::Drop(WatchId id) {
  Leave(id);
  Watch& watch = At(id);
  streams_[watch.stream].watches.erase(watch.id);
  watch = Watch{};
  free_watches_.push_back(id);
  --watch_count_;
}

// ---- Events as they are committed.

void WatchHub::OnBatch(const CommittedBatch& batch) {
  if (!batch.has_events) {
    AllFallBehind();
  } else {
    Collect(batch);
  }
  Begin(batch.view);
  for (const WatchId id : std::exchange(touched_, {})) Deliver(id, batch);
  events_.clear();
  AnswerAllProgress();
}

/// What happened is to be read from the store.
void WatchHub::AllFallBehind() {
  for (WatchId id = 0; id < watches_.size(); ++id)
    if (At(id).place == Place::kInStep) FallBehind(id, std::max(At(id).next, revision_ + 1));
}

void WatchHub::Collect(const CommittedBatch& batch) {
  for (const Outcome& outcome : batch.outcomes) {
    for (const Event& event : outcome.events) {
      const auto number = static_cast<std::uint32_t>(events_.size());
      events_.push_back({.event = &event});
      index_.Match(event, [&](WatchId id) {
        Watch& watch = At(id);
        if (watch.hits.empty()) touched_.push_back(id);
        watch.hits.push_back(number);
      });
    }
  }
}

void WatchHub::Deliver(WatchId id, const CommittedBatch& batch) {
  Watch& watch = At(id);
  const std::vector<std::uint32_t> hits = std::exchange(watch.hits, {});
  if (!HasRoom(*streams_[watch.stream].sink, limits_))
    return FallBehind(id, events_[hits.front()].event->kv.mod_revision);
  parts_.clear();
  std::size_t bytes = 0;
  for (const std::uint32_t hit : hits) {
    parts_.push_back(BytesOf(events_[hit], watch.spec.prev_kv, *batch.view));
    bytes += parts_.back().size();
  }
  watch.sent = true;
  SendEvents(watch, revision_, parts_, bytes);
}

/// Shared by all watches that want the event.
std::string_view WatchHub::BytesOf(Encoded& encoded, bool prev, const ReadView& view) {
  std::string& bytes = prev ? encoded.with_prev : encoded.plain;
  if (!bytes.empty()) return bytes;
  const Event& event = *encoded.event;
  std::optional<KeyValue> before;
  if (prev && !event.created) (void)PreviousOf(view, event.kv.key, event.kv.mod_revision, &before);
  AppendWatchEvent(bytes, event.type, event.kv, before ? &*before : nullptr);
  return bytes;
}

void WatchHub::SendEvents(const Watch& watch, std::int64_t revision,
                          const std::vector<std::string_view>& events, std::size_t bytes) {
  Stream& stream = streams_[watch.stream];
  WatchAnswer answer = {.revision = revision, .watch_id = watch.id};
  if (!watch.fragment || bytes <= limits_.fragment_bytes_max)
    return Send(stream, answer, bytes, events.data(), events.size());
  for (std::size_t from = 0; from < events.size();) {
    std::size_t to = from, part = 0;
    while (to < events.size() &&
           (to == from || part + events[to].size() <= limits_.fragment_bytes_max))
      part += events[to++].size();
    answer.fragment = to < events.size();
    Send(stream, answer, part, events.data() + from, to - from);
    from = to;
  }
}

void WatchHub::Send(Stream& stream, const WatchAnswer& answer, std::size_t events_bytes,
                    const std::string_view* events, std::size_t count) {
  stream.told = std::max(stream.told, answer.revision);
  std::string response;
  response.reserve(kAnswerBytesGuess + answer.cancel_reason.size() + events_bytes);
  AppendWatchAnswer(response, *header_, term_, answer);
  for (std::size_t i = 0; i < count; ++i) response.append(events[i]);
  stream.sink->Send(std::move(response));
}

// ---- Catching up.

absl::Status WatchHub::CatchUp(const View& now) {
  if (behind_.empty()) return absl::OkStatus();
  const WatchId id = behind_.front();
  Watch& watch = At(id);
  Stream& stream = streams_[watch.stream];
  behind_.pop_front();
  if (!HasRoom(*stream.sink, limits_)) {
    watch.place = Place::kStalled;
    stream.stalled.push_back(id);
    if (stream.stalled.size() == 1) stream.sink->AwaitWritable();
    return absl::OkStatus();
  }
  behind_.push_back(id);  // last in the row again
  History history;
  TRIREME_RETURN_IF_ERROR(ReadHistory(*now, watch.spec, watch.next, limits_.history_bytes_max,
                                      limits_.history_changes_max, &history));
  if (history.compacted) {
    SendCompacted(id, now->meta().compacted);
    return absl::OkStatus();
  }
  watch.next = history.next;
  if (!history.events.empty()) {
    std::vector<std::string> bytes(history.events.size());
    std::vector<std::string_view> parts;
    std::size_t size = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      const WatchEvent& event = history.events[i];
      AppendWatchEvent(bytes[i], event.type, ViewOf(event.kv), event.prev ? &*event.prev : nullptr);
      parts.push_back(bytes[i]);
      size += bytes[i].size();
    }
    watch.sent = true;
    SendEvents(watch, watch.next - 1, parts, size);
  }
  if (watch.next <= now->meta().revision) return absl::OkStatus();
  Leave(id);
  Join(id);
  AnswerProgress(stream);
  return absl::OkStatus();
}

void WatchHub::SendCompacted(WatchId id, std::int64_t compacted) {
  const Watch& watch = At(id);
  Stream& stream = streams_[watch.stream];
  const std::int64_t name = watch.id;
  Drop(id);
  Send(stream, {.revision = 0,  // as etcd has it
                .watch_id = name,
                .canceled = true,
                .compact_revision = compacted,
                .cancel_reason = kWatchCompacted});
  AnswerProgress(stream);
}

void WatchHub::OnWritable(StreamId at) {
  for (const WatchId id : std::exchange(streams_[at].stalled, {})) {
    At(id).place = Place::kBehind;
    behind_.push_back(id);
  }
}

// ---- Progress.

void WatchHub::Progress(StreamId at, const View& now) {
  Stream& stream = streams_[at];
  if (stream.progress == 0) ++progress_waiting_;
  stream.progress = std::max({stream.progress, now->meta().revision, stream.told});
  AnswerProgress(stream);
}

/// Never ahead of an event: all watches are in step, and what they were sent is before it in the
/// stream.
void WatchHub::AnswerProgress(Stream& stream) {
  if (stream.progress == 0 || stream.late > 0 || revision_ < stream.progress) return;
  stream.progress = 0;
  --progress_waiting_;
  Send(stream, {.revision = revision_, .watch_id = kNoWatch});
}

void WatchHub::AnswerAllProgress() {
  if (progress_waiting_ == 0) return;
  for (Stream& stream : streams_) AnswerProgress(stream);
}

void WatchHub::NotifyIdle() {
  for (Watch& watch : watches_) {
    const bool due = watch.place == Place::kInStep && watch.progress_notify && !watch.sent;
    watch.sent = false;
    if (!due || revision_ < streams_[watch.stream].told) continue;
    Send(streams_[watch.stream], {.revision = revision_, .watch_id = watch.id});
  }
}

}  // namespace trireme::kv::inline engine
