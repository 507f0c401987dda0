#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"

/// The seam under the model: a map from bytes to bytes in byte order. Implementations: kv/store.
namespace trireme::kv::inline engine {

/// Steps forward over entries. Views stay until the next call. A failure of the medium makes an
/// iterator invalid with a status; who sees Valid() false asks for it.
class StoreIterator {
 public:
  virtual ~StoreIterator() = default;
  /// To the first entry at or after `from`.
  virtual void Seek(std::string_view from) = 0;
  /// The same, but valid only on an entry that begins with `prefix`, which `from` does and which is
  /// the encoding of one key (layout.h, KeyPrefix): a store may know from a filter that there is
  /// none. Next() may not be called after it.
  virtual void SeekWithin(std::string_view from, std::string_view prefix) = 0;
  virtual void Next() = 0;
  virtual bool Valid() const = 0;
  virtual std::string_view key() const = 0;
  virtual std::string_view value() const = 0;
  [[nodiscard]] virtual absl::Status status() const = 0;
};

/// Waits until what was to be flushed is; any number of times.
using FlushWait = std::function<absl::Status()>;

/// Takes a stream's next bytes.
using ByteSink = std::function<absl::Status(std::string_view)>;

/// What can be read. It outlives its iterators.
class StoreReader {
 public:
  virtual ~StoreReader() = default;
  virtual std::unique_ptr<StoreIterator> NewIterator() const = 0;
  /// The same, but it may leave out versions (layout.h) that are not the newest of their key: a
  /// store that keeps those apart need not step over the others. To be sought with the beginnings
  /// of keys and of versions' keys only.
  virtual std::unique_ptr<StoreIterator> NewNewestIterator() const { return NewIterator(); }
  /// The store would let go of memory or files if a new snapshot took this one's place, after a
  /// commit. Any thread.
  virtual bool Outdated() const { return false; }
  /// What is committed does not become durable for lack of room. Any thread.
  virtual bool disk_full() const { return false; }
};

/// One writer. As a reader it shows what is pending too; an iterator got from it may be kept over
/// writes and commits, but after one only a seek may be called on it. Unless said otherwise a call
/// is the writer's.
///
/// A store may rely on this of versions (layout.h): what is put under one key's prefix sorts before
/// all that was put under it earlier, and is put once. So the newest write that a seek within the
/// prefix meets is the first entry. A key's newest version is erased only if it is a tombstone.
class OrderedStore : public StoreReader {
 public:
  virtual void Put(std::string_view key, std::string_view value) = 0;
  /// A key that is not there is fine.
  virtual void Erase(std::string_view key) = 0;
  /// Makes all since the last commit visible to new snapshots, and durable together or not at all.
  /// After a failure the store is unusable.
  [[nodiscard]] virtual absl::Status Commit() = 0;
  /// What is committed, as it is now, for any thread, for as long as it is held. To be called by
  /// the writer with nothing pending; the store must outlive it.
  virtual std::shared_ptr<const StoreReader> Snapshot() = 0;
  /// Makes what is committed survive the process; waits for it.
  [[nodiscard]] virtual absl::Status Flush() = 0;
  /// The same beside further writes. What it returns waits for it, on any thread, while the store
  /// lives.
  virtual FlushWait StartFlush() = 0;
  /// What writes the state that is committed now in a form of the store's own; null: it has none.
  /// Runs once, on any thread, while the store lives.
  virtual std::function<absl::Status(const ByteSink&)> Capture() { return nullptr; }
  /// Changes below `revision` and versions that are only read below it need not be kept for
  /// snapshots to come. False: the store does not remove them by itself, the model is to do it.
  virtual bool DropBelow(std::int64_t) { return false; }
};

}  // namespace trireme::kv::inline engine
