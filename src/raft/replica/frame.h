#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <trireme/raft/bytes.h>
#include <trireme/raft/log_store.h>
#include <trireme/raft/transport.h>
#include "raft/core/messages.h"

/// docs/formats/raft-messages.md, "Frames": what one Host tells another in one turn.
namespace trireme::raft {

/// The section that speaks of the Host itself: the addresses it knows.
inline constexpr GroupId kHostSection{0};

/// Builds one frame. Large data go by reference, small ones are copied: a gathering write pays more
/// for each piece than a copy of so many bytes costs.
class SectionWriter {
 public:
  static constexpr std::size_t kCopiedBytesMax = 1024;

  void Add(GroupId group, const Message& message);
  void AddSection(GroupId group, std::string_view bytes);
  /// A section of these bytes and then those of `data`.
  void AddSection(GroupId group, std::string_view head, std::span<const SharedBytes> data);
  bool empty() const { return bytes_ == 0; }
  std::size_t bytes() const { return bytes_; }
  /// Entries' data and the like that was copied, so far.
  std::uint64_t data_copied_bytes() const { return data_copied_bytes_; }
  /// The pieces of the frame; the writer is empty again.
  std::vector<SharedBytes> Take();

 private:
  struct ByReference {
    std::size_t at = 0;  // stands behind so many bytes of buffer_
    SharedBytes data;
  };
  void Begin();
  void AddData(const SharedBytes& data);

  std::string buffer_;
  std::vector<ByReference> references_;
  std::size_t bytes_ = 0;
  std::uint64_t data_copied_bytes_ = 0;
};

/// What one turn has for each peer.
class TurnOutbox {
 public:
  explicit TurnOutbox(std::size_t frame_bytes_max) : frame_bytes_max_(frame_bytes_max) {}

  void Add(NodeId to, GroupId group, const Message& message);
  void AddSection(NodeId to, GroupId group, std::string_view bytes);
  /// To whom something is to be sent.
  std::vector<NodeId> peers() const;
  std::uint64_t data_copied_bytes() const;
  /// What is to be sent, to all.
  std::size_t bytes() const;
  /// Calls send(peer, pieces) for each frame.
  void Flush(const std::function<void(NodeId, std::vector<SharedBytes>)>& send);

 private:
  SectionWriter& WriterFor(NodeId to);
  void CloseFull(NodeId to, SectionWriter& writer);

  std::size_t frame_bytes_max_;
  std::vector<std::pair<NodeId, SectionWriter>> writers_;  // one per peer ever sent to
  std::vector<std::pair<NodeId, std::vector<SharedBytes>>> full_;
  std::size_t full_bytes_ = 0;
};

/// Takes a frame apart. Messages are slices of it.
class SectionReader {
 public:
  explicit SectionReader(SharedBytes frame);

  /// The next section; false at the end, or where the frame is no frame.
  bool Next(GroupId* group, SharedBytes* section);
  /// All of it was a frame so far.
  bool sound() const { return sound_; }

 private:
  SharedBytes frame_;
  std::string_view rest_;
  bool sound_ = true;
};

}  // namespace trireme::raft
