#include "raft/replica/frame.h"

#include "base/bytes.h"
#include "raft/core/codec.h"

namespace trireme::raft {

namespace {

constexpr char kFormat = 1;

}  // namespace

void SectionWriter::Begin() {
  if (bytes_ > 0) return;
  buffer_.push_back(kFormat);
  bytes_ = 1;
}

void SectionWriter::Add(GroupId group, const Message& message) {
  Begin();
  const std::string head = EncodeHead(message);
  std::size_t data_bytes = 0;
  ForEachData(message, [&](const SharedBytes& data) { data_bytes += data.size(); });
  const std::size_t before = buffer_.size();
  AppendVarint(buffer_, group.value);
  AppendVarint(buffer_, head.size() + data_bytes);
  buffer_.append(head);
  bytes_ += buffer_.size() - before + data_bytes;
  ForEachData(message, [&](const SharedBytes& data) { AddData(data); });
}

void SectionWriter::AddData(const SharedBytes& data) {
  if (data.size() <= kCopiedBytesMax) {
    buffer_.append(data.view());
    data_copied_bytes_ += data.size();
  } else {
    references_.push_back({buffer_.size(), data});
  }
}

void SectionWriter::AddSection(GroupId group, std::string_view head,
                               std::span<const SharedBytes> data) {
  Begin();
  std::size_t data_bytes = 0;
  for (const SharedBytes& piece : data) data_bytes += piece.size();
  const std::size_t before = buffer_.size();
  AppendVarint(buffer_, group.value);
  AppendVarint(buffer_, head.size() + data_bytes);
  buffer_.append(head);
  bytes_ += buffer_.size() - before + data_bytes;
  for (const SharedBytes& piece : data) AddData(piece);
}

void SectionWriter::AddSection(GroupId group, std::string_view bytes) {
  Begin();
  const std::size_t before = buffer_.size();
  AppendVarint(buffer_, group.value);
  AppendSized(buffer_, bytes);
  bytes_ += buffer_.size() - before;
}

std::vector<SharedBytes> SectionWriter::Take() {
  const std::size_t reserve = buffer_.size();
  const SharedBytes buffer = SharedBytes::Own(std::move(buffer_));
  std::vector<SharedBytes> pieces;
  std::size_t done = 0;
  const auto copied_up_to = [&](std::size_t end) {
    if (end > done) pieces.push_back(buffer.Slice(buffer.view().substr(done, end - done)));
    done = end;
  };
  for (ByReference& reference : references_) {
    copied_up_to(reference.at);
    pieces.push_back(std::move(reference.data));
  }
  copied_up_to(buffer.size());
  references_.clear();
  buffer_.clear();
  buffer_.reserve(std::min<std::size_t>(reserve, 64u << 10));
  bytes_ = 0;
  return pieces;
}

SectionWriter& TurnOutbox::WriterFor(NodeId to) {
  for (auto& [peer, writer] : writers_) {
    if (peer == to) return writer;
  }
  return writers_.emplace_back(to, SectionWriter{}).second;
}

void TurnOutbox::Add(NodeId to, GroupId group, const Message& message) {
  SectionWriter& writer = WriterFor(to);
  writer.Add(group, message);
  CloseFull(to, writer);
}

void TurnOutbox::AddSection(NodeId to, GroupId group, std::string_view bytes) {
  SectionWriter& writer = WriterFor(to);
  writer.AddSection(group, bytes);
  CloseFull(to, writer);
}

void TurnOutbox::CloseFull(NodeId to, SectionWriter& writer) {
  if (writer.bytes() < frame_bytes_max_) return;
  full_bytes_ += writer.bytes();
  full_.emplace_back(to, writer.Take());
}

std::vector<NodeId> TurnOutbox::peers() const {
  std::vector<NodeId> peers;
  for (const auto& [peer, writer] : writers_) {
    if (!writer.empty()) peers.push_back(peer);
  }
  return peers;
}

std::uint64_t TurnOutbox::data_copied_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& [peer, writer] : writers_) bytes += writer.data_copied_bytes();
  return bytes;
}

std::size_t TurnOutbox::bytes() const {
  std::size_t bytes = full_bytes_;
  for (const auto& [peer, writer] : writers_) bytes += writer.bytes();
  return bytes;
}

void TurnOutbox::Flush(const std::function<void(NodeId, std::vector<SharedBytes>)>& send) {
  for (auto& [peer, pieces] : full_) send(peer, std::move(pieces));
  full_.clear();
  full_bytes_ = 0;
  for (auto& [peer, writer] : writers_) {
    if (!writer.empty()) send(peer, writer.Take());
  }
}

SectionReader::SectionReader(SharedBytes frame) : frame_(std::move(frame)), rest_(frame_.view()) {
  if (rest_.empty() || rest_[0] != kFormat) {
    sound_ = false;
    rest_ = {};
  } else {
    rest_.remove_prefix(1);
  }
}

bool SectionReader::Next(GroupId* group, SharedBytes* section) {
  if (rest_.empty()) return false;
  ByteReader reader(rest_);
  std::string_view bytes;
  if (!reader.Varint(&group->value) || !reader.Sized(&bytes)) {
    sound_ = false;
    rest_ = {};
    return false;
  }
  rest_ = reader.rest();
  *section = frame_.Slice(bytes);
  return true;
}

}  // namespace trireme::raft
