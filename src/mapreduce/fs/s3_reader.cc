#include "mapreduce/fs/s3_reader.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <limits>
#include <mutex>
#include <optional>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "mapreduce/fs/text.h"

namespace trireme::mapreduce {
namespace {

constexpr std::uint64_t kNoEnd = std::numeric_limits<std::uint64_t>::max();

/// "bytes 0-99/1234": the first byte and the object's size.
struct ContentRange {
  std::uint64_t first = 0, size = 0;
};

std::optional<ContentRange> ParseContentRange(std::string_view text) {
  constexpr std::string_view kUnit = "bytes ";
  if (!text.starts_with(kUnit)) return std::nullopt;
  text.remove_prefix(kUnit.size());
  const std::size_t dash = text.find('-'), slash = text.find('/');
  if (dash == text.npos || slash == text.npos) return std::nullopt;
  const auto first = ParseNumber64(text.substr(0, dash));
  const auto size = ParseNumber64(text.substr(slash + 1));
  if (!first || !size) return std::nullopt;
  return ContentRange{*first, *size};
}

absl::Status CheckRange(const HttpAnswer& answer, std::uint64_t offset, std::uint64_t size) {
  const auto range = ParseContentRange(answer.Header("content-range"));
  if (answer.status != 206 || !range || range->first != offset || range->size <= offset)
    return absl::DataLossError("the answer is not the range that was asked for");
  const std::uint64_t there = std::min(range->size - offset, size);
  if (answer.body_bytes != there)
    return absl::DataLossError(
        fmt::format("{} bytes came of {} at offset {}", answer.body_bytes, there, offset));
  return absl::OkStatus();
}

/// A range of the object, on its way or there.
struct Chunk {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;  // that was asked for
  bool done = false;
  absl::Status status;
  std::size_t bytes = 0;  // that came
  std::shared_ptr<HttpBuffer> data;
};

/// What the reader and its requests under way share: the latter may outlive the former.
struct Shared {
  std::mutex mutex;
  std::condition_variable arrived;
  std::optional<std::uint64_t> size;  // Guarded by mutex.
  std::string etag;                   // Guarded by mutex.
  const std::shared_ptr<std::atomic<bool>> cancelled = std::make_shared<std::atomic<bool>>(false);
};

class S3ReadableFile final : public io::ReadableFile {
 public:
  S3ReadableFile(S3Client* client, S3Path path)
      : client_(*client), path_(std::move(path)), shared_(std::make_shared<Shared>()) {}
  ~S3ReadableFile() override { *shared_->cancelled = true; }

  absl::StatusOr<std::uint64_t> Size() const override {
    {
      const std::lock_guard lock(shared_->mutex);
      if (shared_->size) return *shared_->size;
    }
    TRIREME_ASSIGN_OR_RETURN(const S3Head head, client_.Head(path_));
    const std::lock_guard lock(shared_->mutex);
    shared_->size = head.size_bytes;
    if (shared_->etag.empty()) shared_->etag = head.etag;
    return head.size_bytes;
  }

  void ExpectSequential(std::uint64_t offset, std::uint64_t length) const override {
    const std::lock_guard lock(window_mutex_);
    next_ = offset;
    end_ = length == 0 ? kNoEnd : offset + length;
    sequential_ = true;
    chunks_.clear();
  }

  absl::StatusOr<std::size_t> ReadAt(std::uint64_t offset, char* to,
                                     std::size_t size) const override {
    if (size == 0) return std::size_t{0};
    std::size_t got = 0;
    while (got < size) {
      std::shared_ptr<Chunk> chunk = ChunkAt(offset + got, size - got);
      TRIREME_RETURN_IF_ERROR(Await(*chunk));
      const std::uint64_t skip = offset + got - chunk->offset;
      if (skip >= chunk->bytes) break;  // the end of the object
      const std::size_t n = std::min<std::size_t>(chunk->bytes - skip, size - got);
      std::memcpy(to + got, chunk->data->bytes.get() + skip, n);
      got += n;
      if (chunk->bytes < chunk->size) break;
    }
    return got;
  }

 private:
  /// The chunk that has the byte at `offset`, which it drops chunks before; asks for those to come.
  std::shared_ptr<Chunk> ChunkAt(std::uint64_t offset, std::size_t size) const {
    const std::lock_guard lock(window_mutex_);
    while (!chunks_.empty() && chunks_.front()->offset + chunks_.front()->size <= offset) {
      chunks_.pop_front();
    }
    const bool inside = !chunks_.empty() && chunks_.front()->offset <= offset;
    if (!inside && !(sequential_ && offset == next_)) return Ask(offset, size);
    Replenish(offset);
    return chunks_.front();
  }

  /// Keeps the window full. Until the size is known only one range is asked for: most files are
  /// small.
  void Replenish(std::uint64_t offset) const {
    const std::optional<std::uint64_t> size = KnownSize();
    const std::uint64_t end = std::min(end_, size.value_or(kNoEnd));
    const bool known = size.has_value() || end_ != kNoEnd;
    const std::size_t ahead = known ? client_.options().read_ahead : 1;
    while (chunks_.size() < ahead && (next_ < end || (chunks_.empty() && next_ == offset))) {
      const std::uint64_t left = next_ < end ? end - next_ : kS3OverreadBytes;
      chunks_.push_back(Ask(next_, std::min<std::uint64_t>(left, client_.options().read_bytes)));
      next_ += chunks_.back()->size;
    }
  }

  std::optional<std::uint64_t> KnownSize() const {
    const std::lock_guard lock(shared_->mutex);
    return shared_->size;
  }

  std::shared_ptr<Chunk> Ask(std::uint64_t offset, std::uint64_t size) const {
    auto chunk = std::make_shared<Chunk>();
    chunk->offset = offset;
    chunk->size = size;
    if (const auto known = KnownSize(); known && offset >= *known) {
      chunk->done = true;  // nothing is there
      return chunk;
    }
    chunk->data = std::make_shared<HttpBuffer>(size);
    S3Request request{.method = "GET", .path = path_};
    request.headers.emplace_back("range", fmt::format("bytes={}-{}", offset, offset + size - 1));
    {
      const std::lock_guard lock(shared_->mutex);
      if (!shared_->etag.empty()) request.headers.emplace_back("if-match", shared_->etag);
    }
    request.to = chunk->data;
    request.cancelled = shared_->cancelled;
    request.check = [offset, size](const HttpAnswer& answer) {
      return CheckRange(answer, offset, size);
    };
    client_.Start(std::move(request), [shared = shared_, chunk, path = path_](auto answer) {
      Arrived(*shared, *chunk, path, std::move(answer));
    });
    return chunk;
  }

  static void Arrived(Shared& shared, Chunk& chunk, const S3Path& path,
                      absl::StatusOr<HttpAnswer> answer) {
    const std::lock_guard lock(shared.mutex);
    chunk.status = Check(shared, chunk, path, answer);
    chunk.done = true;
    shared.arrived.notify_all();
  }

  /// Under the mutex.
  static absl::Status Check(Shared& shared, Chunk& chunk, const S3Path& path,
                            const absl::StatusOr<HttpAnswer>& answer) {
    if (absl::IsOutOfRange(answer.status())) return absl::OkStatus();  // at or beyond the end
    if (IsConditionFailed(answer.status()))
      return absl::DataLossError(
          fmt::format("{} was replaced while it was read: run the job again", path.ToString()));
    if (!answer.ok()) return answer.status();
    chunk.bytes = answer->body_bytes;
    shared.size = ParseContentRange(answer->Header("content-range"))->size;
    if (shared.etag.empty()) shared.etag = answer->Header("etag");
    return absl::OkStatus();
  }

  absl::Status Await(const Chunk& chunk) const {
    std::unique_lock lock(shared_->mutex);
    shared_->arrived.wait(lock, [&] { return chunk.done; });
    return chunk.status;
  }

  S3Client& client_;
  const S3Path path_;
  const std::shared_ptr<Shared> shared_;
  mutable std::mutex window_mutex_;
  mutable bool sequential_ = false;                    // Guarded by window_mutex_, as the rest.
  mutable std::uint64_t next_ = 0, end_ = 0;           // to ask for; expected to be read until
  mutable std::deque<std::shared_ptr<Chunk>> chunks_;  // one after the other, the last before next_
};

}  // namespace

std::unique_ptr<io::ReadableFile> OpenS3Object(S3Client* client, S3Path path) {
  return std::make_unique<S3ReadableFile>(client, std::move(path));
}

}  // namespace trireme::mapreduce
