#pragma once

#include <trireme/mapreduce.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "mapreduce/engine/context.h"
#include "mapreduce/engine/input.h"

/// Jobs whose map, combine and reduce are shell commands, with Hadoop Streaming's conventions.
///
/// A line of a mapper's output is `key<TAB>value`; without a TAB all of it is the key. The reducer
/// gets the very lines that the mapper wrote, sorted by key, so that `cat` as mapper and reducer
/// sorts its input (Hadoop itself adds a TAB to lines without one). Lines that the reducer writes
/// are the output. On standard error `reporter:counter:GROUP,NAME,AMOUNT` and
/// `reporter:status:TEXT` are obeyed; other `reporter:` lines are counted as malformed, and they
/// and the rest are the attempt's. Each input file has a mapper process of its own, since its name
/// is in the environment.
namespace trireme::mapreduce {

struct StreamingCommands {
  std::string mapper;
  std::string combiner;  ///< empty: none
  std::string reducer;   ///< empty: the sorted map output is the output
};

/// Mapper output that is sorted and handed to the combiner at a time.
inline constexpr std::size_t kCombineBufferBytes = 32u << 20;
/// The longest line a command may write.
inline constexpr std::size_t kCommandLineBytesMax = 64u << 20;

/// What the commands of one attempt are told and lent.
struct StreamingAttempt {
  std::uint64_t job = 0;
  InputFormat format;
  const Split* split = nullptr;  ///< map
  const Parameters* parameters = nullptr;
  std::string directory;  ///< where commands run; empty: where this process is
  const std::atomic<bool>* cancelled = nullptr;
  std::size_t memory_bytes = 0;  ///< of a command and its descendants; 0: any
  std::function<void(std::string_view)> on_stderr = nullptr;
};

/// The job as one attempt runs it; `attempt`'s pointers outlive it.
Job MakeStreamingJob(const StreamingCommands& commands, StreamingAttempt attempt);

}  // namespace trireme::mapreduce
