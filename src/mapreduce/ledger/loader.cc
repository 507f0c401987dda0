#include "mapreduce/ledger/loader.h"

#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"

namespace trireme::mapreduce::ledger {
namespace {

absl::Status Damaged(std::string_view key, std::string_view what) {
  return absl::DataLossError(fmt::format(
      "key {}: {}; restore the store from a backup, or delete the keys of this journal to start "
      "without any jobs",
      key, what));
}

Range Single(std::string key) {
  std::string end = key + '\0';
  return {std::move(key), std::move(end)};
}

}  // namespace

Loader::Loader(std::string_view prefix, const Limits& limits) : layout_(prefix), limits_(limits) {}

std::optional<Read> Loader::Next() const {
  switch (stage_) {
    case Stage::kHead:
      return Read{Single(layout_.Head()), 1, 0};
    case Stage::kStrays:
      return Read{layout_.Chunks(), 1, revision_};
    case Stage::kChunks:
      return Read{{from_, layout_.Generation(loaded_.position.generation).end},
                  limits_.page_keys,
                  revision_};
    case Stage::kDone:
      break;
  }
  return std::nullopt;
}

absl::Status Loader::Step(Page page) {
  if (stage_ == Stage::kHead) return StepHead(page);
  if (stage_ == Stage::kStrays) {
    stage_ = Stage::kDone;
    if (page.keys.empty()) return absl::OkStatus();
    return Damaged(layout_.Head(), fmt::format("is not there, and {} is", page.keys.front().key));
  }
  for (const FoundKey& found : page.keys) TRIREME_RETURN_IF_ERROR(StepChunk(found));
  if (page.more && !page.keys.empty()) {
    from_ = page.keys.back().key + '\0';
    return absl::OkStatus();
  }
  stage_ = Stage::kDone;
  Drop();
  return absl::OkStatus();
}

absl::Status Loader::StepHead(const Page& page) {
  revision_ = page.revision;
  stage_ = Stage::kStrays;
  if (page.keys.empty()) return absl::OkStatus();
  const FoundKey& found = page.keys.front();
  TRIREME_ASSIGN_OR_RETURN(const Head head, DecodeHead(found.key, found.value));
  loaded_.position.generation = head.generation;
  loaded_.position.head_modified = found.modified;
  from_ = layout_.Generation(head.generation).begin;
  stage_ = Stage::kChunks;
  return absl::OkStatus();
}

absl::Status Loader::StepChunk(const FoundKey& found) {
  const std::string wanted =
      layout_.Chunk(loaded_.position.generation, loaded_.position.next_sequence);
  if (found.key != wanted)
    return Damaged(wanted, fmt::format("is not there, and {} is", found.key));
  TRIREME_ASSIGN_OR_RETURN(const Chunk chunk,
                           DecodeChunk(found.key, found.value, loaded_.position.checksum));
  TRIREME_RETURN_IF_ERROR(CheckPlace(found, chunk));
  TRIREME_RETURN_IF_ERROR(AddFrames(found, chunk));
  fence_ = chunk.header.fence;
  loaded_.position.checksum = chunk.checksum;
  loaded_.position.bytes += found.value.size();
  ++loaded_.position.next_sequence;
  return absl::OkStatus();
}

absl::Status Loader::CheckPlace(const FoundKey& found, const Chunk& chunk) const {
  const ChunkHeader& header = chunk.header;
  if (header.generation != loaded_.position.generation ||
      header.sequence != loaded_.position.next_sequence) {
    return Damaged(found.key, "is the chunk of another key");
  }
  if (header.continues && (!partial_ || header.fence != fence_)) {
    return Damaged(found.key, "continues a batch that has no beginning");
  }
  if (!header.continues && partial_ && header.fence == fence_) {
    return Damaged(found.key, "the batch before it has no end, though its writer went on");
  }
  return absl::OkStatus();
}

absl::Status Loader::AddFrames(const FoundKey& found, const Chunk& chunk) {
  if (!chunk.header.continues) Drop();
  for (std::size_t i = 0; i < chunk.frames.size(); ++i) {
    if (!partial_) partial_.emplace();
    *partial_ += chunk.frames[i];
    if (partial_->size() > limits_.batch_bytes_max) {
      return Damaged(found.key, fmt::format("its batch is over the limit of {} bytes",
                                            limits_.batch_bytes_max));
    }
    if (i + 1 == chunk.frames.size() && chunk.header.continued) break;
    loaded_.batches.push_back(*std::exchange(partial_, std::nullopt));
  }
  return absl::OkStatus();
}

void Loader::Drop() {
  if (!partial_) return;
  partial_.reset();
  ++loaded_.dropped;
}

Loaded Loader::Take() {
  return std::move(loaded_);
}

}  // namespace trireme::mapreduce::ledger
