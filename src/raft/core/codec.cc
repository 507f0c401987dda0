#include "raft/core/codec.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <variant>

#include "base/archive.h"
#include "base/bytes.h"

namespace trireme::raft {

template <class A>
void Fields(A& archive, Term& term) {
  archive(term.value);
}
template <class A>
void Fields(A& archive, Index& index) {
  archive(index.value);
}
template <class A>
void Fields(A& archive, NodeId& node) {
  archive(node.value);
}
template <class A>
void Fields(A& archive, LogPosition& position) {
  archive(position.index, position.term);
}
template <class A>
void Fields(A& archive, Configuration::Goal& goal) {
  archive(goal.voters, goal.learners, goal.witnesses, goal.guests);
}
template <class A>
void Fields(A& archive, Configuration& c) {
  archive(c.voters, c.outgoing, c.learners, c.witnesses, c.goal);
}
template <class A>
void Fields(A& archive, SnapshotMeta& meta) {
  archive(meta.last, meta.configuration, meta.size_bytes);
}
template <class A>
void Fields(A& archive, PreVoteRequest& m) {
  archive(m.term, m.last);
}
template <class A>
void Fields(A& archive, PreVoteResponse& m) {
  archive(m.term, m.granted);
}
template <class A>
void Fields(A& archive, VoteRequest& m) {
  archive(m.term, m.last, m.transfer);
}
template <class A>
void Fields(A& archive, VoteResponse& m) {
  archive(m.term, m.granted);
}
template <class A>
void Fields(A& archive, AppendAccepted& m) {
  archive(m.term, m.match, m.round);
}
template <class A>
void Fields(A& archive, AppendRejected& m) {
  archive(m.term, m.rejected, m.hint, m.round);
}
template <class A>
void Fields(A& archive, Heartbeat& m) {
  archive(m.term, m.commit, m.round);
}
template <class A>
void Fields(A& archive, HeartbeatResponse& m) {
  archive(m.term, m.round);
}
template <class A>
void Fields(A& archive, SnapshotChunk& m) {
  archive(m.term, m.round, m.meta, m.offset);
}
template <class A>
void Fields(A& archive, SnapshotProgress& m) {
  archive(m.term, m.snapshot, m.next_offset, m.round);
}
template <class A>
void Fields(A& archive, ReadIndexRequest& m) {
  archive(m.term, m.context);
}
template <class A>
void Fields(A& archive, ReadIndexResponse& m) {
  archive(m.term, m.context, m.index);
}
template <class A>
void Fields(A& archive, TimeoutNow& m) {
  archive(m.term);
}
template <class A>
void Fields(A& archive, Removed& m) {
  archive(m.term, m.configuration);
}
template <class A>
void Fields(A& archive, SnapshotRefused& m) {
  archive(m.term, m.snapshot, m.round);
}

namespace {

constexpr std::uint8_t kFormat = 1;
constexpr std::size_t kEntryHeadBytesMin = 3;

/// One after the other where the entry's own struct would not do: its data stands elsewhere.
void EncodeAppend(Encoder& encoder, AppendRequest& m) {
  std::uint64_t count = m.entries.size();
  encoder(m.term, m.prev, m.commit, m.round, count);
  Term before = m.prev.term;
  for (Entry& entry : m.entries) {
    std::uint64_t step = entry.term.value - before.value;
    std::uint64_t size = entry.data.size();
    encoder(step, entry.kind, size);
    before = entry.term;
  }
}

/// Cuts the entries' data off the front of `data`; all of it must be used.
bool DecodeAppend(std::string_view head, const SharedBytes& whole, std::string_view data,
                  AppendRequest* m) {
  Decoder decoder(head);
  std::uint64_t count = 0;
  decoder(m->term, m->prev, m->commit, m->round, count);
  if (!decoder.ok() || count > head.size() / kEntryHeadBytesMin) return false;
  m->entries.reserve(count);
  LogPosition before = m->prev;
  for (; count > 0; --count) {
    std::uint64_t step = 0;
    std::uint64_t size = 0;
    EntryKind kind{};
    decoder(step, kind, size);
    if (!decoder.ok() || size > data.size() || kind > EntryKind::kOmitted) return false;
    before = {before.index + 1, Term{before.term.value + step}};
    m->entries.push_back({before.index, before.term, kind, whole.Slice(data.substr(0, size))});
    data.remove_prefix(size);
  }
  return decoder.complete() && data.empty();
}

template <typename M>
bool DecodeBody(std::string_view head, const SharedBytes& whole, std::string_view data, M* m) {
  if constexpr (std::is_same_v<M, AppendRequest>) {
    return DecodeAppend(head, whole, data, m);
  } else if constexpr (std::is_same_v<M, SnapshotChunk>) {
    m->data = whole.Slice(data);
    return DecodeFields(head, m);
  } else {
    return data.empty() && DecodeFields(head, m);
  }
}

template <std::size_t... kind>
bool DecodeKind(std::size_t wanted, std::string_view head, const SharedBytes& whole,
                std::string_view data, Message* message, std::index_sequence<kind...>) {
  bool fine = false;
  ((kind == wanted ? void(fine = DecodeBody(head, whole, data, &message->template emplace<kind>()))
                   : void()),
   ...);
  return fine;
}

}  // namespace

std::string EncodeHead(const Message& message) {
  Encoder encoder;
  std::visit(
      [&](const auto& body) {
        using M = std::decay_t<decltype(body)>;
        auto& fields = const_cast<M&>(body);  // an Encoder only reads
        if constexpr (std::is_same_v<M, AppendRequest>) {
          EncodeAppend(encoder, fields);
        } else {
          encoder(fields);
        }
      },
      message);
  const std::string head = encoder.Take();
  std::string bytes;
  bytes.reserve(2 + kVarintBytesMax + head.size());
  bytes.push_back(static_cast<char>(kFormat));
  bytes.push_back(static_cast<char>(message.index()));
  AppendSized(bytes, head);
  return bytes;
}

std::string EncodeMessage(const Message& message) {
  std::string bytes = EncodeHead(message);
  std::size_t size = bytes.size();
  ForEachData(message, [&](const SharedBytes& data) { size += data.size(); });
  bytes.reserve(size);
  ForEachData(message, [&](const SharedBytes& data) { bytes.append(data.view()); });
  return bytes;
}

std::optional<Message> DecodeMessage(const SharedBytes& bytes) {
  ByteReader reader(bytes.view());
  std::uint8_t format = 0;
  std::uint8_t kind = 0;
  std::string_view head;
  if (!reader.Little(&format) || format != kFormat || !reader.Little(&kind) ||
      !reader.Sized(&head)) {
    return std::nullopt;
  }
  Message message;
  if (!DecodeKind(kind, head, bytes, reader.rest(), &message,
                  std::make_index_sequence<std::variant_size_v<Message>>())) {
    return std::nullopt;
  }
  return message;
}

}  // namespace trireme::raft
