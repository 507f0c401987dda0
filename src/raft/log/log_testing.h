#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "io/memory_disk.h"
#include "raft/log/log.h"

/// What the tests of the log share.
namespace trireme::raft {

inline LogOptions SmallLog(std::string directory = "log") {
  return {.directory = std::move(directory),
          .cluster_id = 77,
          .node = NodeId{3},
          .segment_bytes = kSegmentBytesMin,
          .reserve_bytes = 4096,
          .spare_segments = 1,
          .recycled_segments_max = 1,
          .pinned_segments_max = 3};
}

inline Log::Opened OpenLog(io::Disk& disk, const LogOptions& options) {
  auto opened = Log::Open(options, &disk);
  EXPECT_TRUE(opened.ok()) << opened.status();
  if (!opened.ok()) std::abort();
  return *std::move(opened);
}

inline Entry MakeEntry(std::uint64_t index, std::uint64_t term, std::string data,
                       EntryKind kind = EntryKind::kCommand) {
  return {Index{index}, Term{term}, kind, SharedBytes::Own(std::move(data))};
}

/// `count` entries of `bytes` each from `first` on; the data says which it is.
inline std::vector<Entry> MakeEntries(std::uint64_t first, std::uint64_t count, std::uint64_t term,
                                      std::size_t bytes = 20) {
  std::vector<Entry> entries;
  for (std::uint64_t i = first; i < first + count; ++i) {
    std::string data = fmt::format("{}@{} ", i, term);
    data.resize(bytes, '.');
    entries.push_back(MakeEntry(i, term, std::move(data)));
  }
  return entries;
}

inline absl::Status WriteOne(Log& log, const GroupWrite& write) {
  return log.Write(std::span(&write, 1)).status();
}

inline absl::Status AppendAndSync(Log& log, GroupId group, const std::vector<Entry>& entries) {
  const absl::Status written = WriteOne(log, {.group = group, .entries = entries});
  return written.ok() ? log.Sync().status() : written;
}

/// Writes and finishes the file of a snapshot of these bytes; its value for GroupWrite.
inline LogSnapshot MakeSnapshot(Log& log, GroupId group, LogPosition last, std::string_view bytes) {
  auto writer = log.CreateSnapshot(group, last);
  EXPECT_TRUE(writer.ok()) << writer.status();
  EXPECT_TRUE((*writer)->Append(bytes).ok());
  const absl::Status finished = (*writer)->Finish();
  EXPECT_TRUE(finished.ok()) << finished;
  return {last, bytes.size(), SharedBytes::Copy("abc")};
}

inline std::vector<Entry> ReadAll(const Log& log, GroupId group, Index first, Index last) {
  std::vector<Entry> all;
  while (first <= last) {
    auto some = log.Read(group, first, last, 10'000);
    EXPECT_TRUE(some.ok()) << some.status();
    if (!some.ok() || some->empty()) break;
    first = some->back().index + 1;
    all.insert(all.end(), some->begin(), some->end());
  }
  return all;
}

}  // namespace trireme::raft
