#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kv/model/ordered_store.h"
#include "kv/store/flusher.h"
#include "kv/store/rocks_files.h"
#include "kv/store/rocks_options.h"
#include "kv/store/shared_tree.h"

namespace trireme::kv::inline engine {

/// A store in the files of RocksDB, in a directory of its own; may be larger than memory. What was
/// committed since the last flush is in a tree in memory, over the files; when it has grown to
/// RocksStoreOptions::overlay_bytes, a thread of the store's writes it as files while the next tree
/// fills. Whatever happens, the files hold what was committed up to the end of some commit, and the
/// entry that says how far (layout.h, `m`) with it, so a restart knows what to apply again.
class RocksStore final : public OrderedStore {
 public:
  /// Makes the directory when there is none. The directory is locked while the store is open.
  static absl::StatusOr<std::unique_ptr<RocksStore>> Open(const std::string& directory,
                                                          const RocksStoreOptions& options = {});
  ~RocksStore() override;

  void Put(std::string_view key, std::string_view value) override;
  void Erase(std::string_view key) override;
  /// Waits only when the tree is full and two before it are not written yet.
  absl::Status Commit() override;
  absl::Status Flush() override;
  /// Waits itself only when as many trees as there may be wait to be written.
  FlushWait StartFlush() override;
  /// Its files, at once or when what was committed is in them (files_stream.h).
  std::function<absl::Status(const ByteSink&)> Capture() override;
  bool DropBelow(std::int64_t revision) override;
  std::unique_ptr<StoreIterator> NewIterator() const override;
  std::unique_ptr<StoreIterator> NewNewestIterator() const override;
  std::shared_ptr<const StoreReader> Snapshot() override;

 private:
  class Pending;
  class Frozen;

  RocksStore(std::unique_ptr<RocksFiles> files, const RocksStoreOptions& options);
  /// Hands the tree to the flusher and begins the next one.
  void Rotate();
  /// Takes over what the flusher has done.
  void CatchUp();

  RocksStoreOptions options_;
  std::unique_ptr<RocksFiles> files_;
  std::shared_ptr<SharedTree> active_;
  Flusher::Layers below_;  ///< What active_ lies over.
  std::int64_t drop_below_ = 0;
  std::int64_t told_ = 0;  ///< drop_below_ as the files know it, or will.
  bool written_ = false;   ///< Since the last snapshot.
  mutable std::vector<Pending*> pending_;
  std::weak_ptr<const Frozen> last_;
  Flusher flusher_;  ///< Last: its thread uses the files.
};

}  // namespace trireme::kv::inline engine
