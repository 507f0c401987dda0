#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "mapreduce/fs/s3_options.h"

/// How a slot's process and its keeper talk: frames over a stream socket,
///
///   frame = u32 payload_bytes | u8 type | payload
///
/// the payload in the form of base/archive.h.
namespace trireme::mapreduce {

/// A longer message ends the conversation.
inline constexpr std::size_t kSlotMessageBytesMax = 64u << 20;

enum class SlotMessage : std::uint8_t {
  // to the process
  kSetup = 1,  ///< SlotSetup; before all else
  kRun,        ///< AttemptSpec
  kCancel,
  kCommit,
  kMapInput,  ///< MapInputAnswer
  // to the keeper
  kReadyToCommit = 32,  ///< TaskResult
  kSucceeded,           ///< TaskResult
  kFailed,              ///< FailedAnswer
  kMapNeeded,           ///< u32
  kStatus,              ///< text as it is
};

struct SlotSetup {
  std::string job;  ///< an encoded JobSetup
  std::uint64_t memory_bytes = 0;
  std::string scratch_directory;
  S3Options s3;
};
struct MapInputAnswer {
  std::uint32_t map = 0;
  int code = 0;  ///< of an absl::Status
  std::string message;
  std::string input;  ///< an encoded MapInput when OK
};
struct FailedAnswer {
  int code = 0;
  std::string message;
  std::uint32_t lost_map = 0;
};

template <typename A>
void Fields(A& archive, SlotSetup& s) {
  archive(s.job, s.memory_bytes, s.scratch_directory, s.s3);
}
template <typename A>
void Fields(A& archive, MapInputAnswer& a) {
  archive(a.map, a.code, a.message, a.input);
}
template <typename A>
void Fields(A& archive, FailedAnswer& a) {
  archive(a.code, a.message, a.lost_map);
}

struct SlotFrame {
  SlotMessage type{};
  std::string payload;
};

/// Writes one frame; blocks while the other side is slow.
[[nodiscard]] absl::Status SendFrame(int socket, SlotMessage type, std::string_view payload);

/// Takes frames off a stream.
class FrameReader {
 public:
  /// Reads what is there. False at the end of the stream or when it is not one of frames.
  [[nodiscard]] bool Fill(int socket);
  std::optional<SlotFrame> Next();

 private:
  std::string bytes_;
  std::size_t begin_ = 0;
};

}  // namespace trireme::mapreduce
