#include "kv/server/backup.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <utility>

#include "base/bytes.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/file.h"
#include "io/sha256.h"
#include "kv/model/layout.h"
#include "kv/model/model.h"
#include "kv/model/state_stream.h"
#include "kv/server/identity.h"
#include "kv/server/member_ids.h"
#include "kv/server/urls.h"
#include "kv/store/memory_store.h"
#include "kv/store/rocks_store.h"
#include "raft/replica/seed.h"

namespace trireme::kv::inline engine {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "TRIKVBK1";
constexpr std::size_t kHeadBytes = 16, kLengthBytes = 8;
/// What etcd's clients go by to see that a hash stands at the end.
constexpr std::size_t kPageBytes = 512;
constexpr std::size_t kReadBytes = 1u << 20;

absl::Status Damaged(const std::string& path, std::string_view what) {
  return absl::DataLossError(fmt::format("{}: {}; take another backup", path, what));
}

/// Where a backup's state stands in its file.
struct Extent {
  std::uint64_t size = 0, state_bytes = 0;
};

absl::Status CheckHash(const io::File& file, std::uint64_t size) {
  io::Sha256 sha;
  std::string buffer(kReadBytes, '\0');
  for (std::uint64_t at = 0; at < size;) {
    TRIREME_ASSIGN_OR_RETURN(
        const std::size_t got,
        file.ReadAt(at, buffer.data(), std::min<std::uint64_t>(size - at, kReadBytes)));
    if (got == 0) return Damaged(file.path(), "it is cut off");
    sha.Add({buffer.data(), got});
    at += got;
  }
  char digest[io::kSha256Bytes];
  TRIREME_ASSIGN_OR_RETURN(const std::size_t got, file.ReadAt(size, digest, sizeof digest));
  if (got != sizeof digest || sha.Finish() != std::string_view(digest, got))
    return Damaged(file.path(), "its sha256 does not match: it is damaged or cut off");
  return absl::OkStatus();
}

absl::StatusOr<Extent> FindState(const io::File& file, bool skip_hash_check) {
  Extent extent;
  TRIREME_ASSIGN_OR_RETURN(extent.size, file.Size());
  const bool whole = extent.size % kPageBytes == io::kSha256Bytes;
  char head[kHeadBytes];
  TRIREME_ASSIGN_OR_RETURN(const std::size_t got, file.ReadAt(0, head, sizeof head));
  if (got != sizeof head || std::string_view(head, kMagic.size()) != kMagic)
    return Damaged(file.path(),
                   "it is no backup of this program's (one of etcd's is read by etcd)");
  if (!whole) return Damaged(file.path(), "it is cut off");
  const std::uint64_t hashed = extent.size - io::kSha256Bytes;
  if (!skip_hash_check) TRIREME_RETURN_IF_ERROR(CheckHash(file, hashed));
  char length[kLengthBytes];
  TRIREME_RETURN_IF_ERROR(file.ReadAt(hashed - kLengthBytes, length, sizeof length).status());
  extent.state_bytes = LoadLittle<std::uint64_t>(length);
  if (extent.state_bytes > hashed - kLengthBytes - kHeadBytes)
    return Damaged(file.path(), "its length is wrong");
  return extent;
}

absl::Status FillStore(const io::File& file, const Extent& extent, OrderedStore& store) {
  StateReader reader(store);
  std::string buffer(kReadBytes, '\0');
  for (std::uint64_t at = 0; at < extent.state_bytes;) {
    const std::size_t want = std::min<std::uint64_t>(extent.state_bytes - at, kReadBytes);
    TRIREME_ASSIGN_OR_RETURN(const std::size_t got,
                             file.ReadAt(kHeadBytes + at, buffer.data(), want));
    if (got == 0) return Damaged(file.path(), "it is cut off");
    TRIREME_RETURN_IF_ERROR(reader.Feed({buffer.data(), got}));
    at += got;
  }
  return reader.Finish();
}

/// The state as one that a new cluster begins with: at its log's first entry, without the notes of
/// the members that were.
absl::Status MakeFirst(OrderedStore& store, raft::LogPosition at) {
  std::vector<std::string> notes;
  Meta meta;
  {
    const auto iterator = store.NewIterator();
    for (iterator->Seek({&kNoteTag, 1}); iterator->Valid() && iterator->key()[0] == kNoteTag;
         iterator->Next())
      notes.emplace_back(iterator->key());
    iterator->Seek(MetaKey());
    const auto found = iterator->Valid() && iterator->key() == MetaKey()
                           ? DecodeMeta(iterator->value())
                           : std::nullopt;
    if (!found) return absl::DataLossError("the backup has no state; take another");
    meta = *found;
  }
  for (const std::string& note : notes) store.Erase(note);
  meta.applied_index = at.index.value;
  meta.applied_term = at.term.value;
  store.Put(MetaKey(), EncodeMeta(meta));
  return store.Commit();
}

absl::Status SeedRaft(const ServerOptions& server, const Identity& identity, OrderedStore& store,
                      raft::LogPosition at) {
  raft::SeedOptions seed;
  seed.log = {.directory = server.data_dir + "/raft",
              .cluster_id = identity.cluster_id,
              .node = raft::NodeId{identity.member_id}};
  seed.at = at;
  for (const InitialMember& one : FirstMembers(server)) {
    seed.members.push_back(
        {.id = raft::NodeId{MemberIdOf(one.peer_urls, server.initial_cluster_token)}});
  }
  const std::shared_ptr<const StoreReader> snapshot = store.Snapshot();
  return raft::SeedGroup(seed, [&](raft::SnapshotSink& sink) -> absl::Status {
    StateWriter writer(*snapshot);
    for (bool more = true; more;) {
      std::string part;
      TRIREME_ASSIGN_OR_RETURN(more, writer.Next(&part));
      TRIREME_RETURN_IF_ERROR(sink.Append(part));
    }
    return absl::OkStatus();
  });
}

absl::Status RestoreInto(const RestoreOptions& options) {
  constexpr raft::LogPosition kFirst = {.index = raft::Index{1}, .term = raft::Term{1}};
  TRIREME_ASSIGN_OR_RETURN(const io::File file, io::File::OpenForRead(options.path));
  TRIREME_ASSIGN_OR_RETURN(const Extent extent, FindState(file, options.skip_hash_check));
  TRIREME_ASSIGN_OR_RETURN(const Identity identity, Identify(options.server));
  const std::string work = options.server.data_dir + "/restore";
  {
    TRIREME_ASSIGN_OR_RETURN(const std::unique_ptr<OrderedStore> store, RocksStore::Open(work));
    TRIREME_RETURN_IF_ERROR(FillStore(file, extent, *store));
    TRIREME_RETURN_IF_ERROR(MakeFirst(*store, kFirst));
    TRIREME_RETURN_IF_ERROR(SeedRaft(options.server, identity, *store, kFirst));
  }
  std::error_code error;
  fs::remove_all(work, error);
  return io::SyncDirectory(options.server.data_dir);
}

}  // namespace

absl::Status WriteBackup(const ReadView& view, std::uint64_t cluster_id,
                         const std::function<absl::Status(std::string)>& sink) {
  io::Sha256 sha;
  std::uint64_t written = 0;
  const auto send = [&](std::string bytes) {
    sha.Add(bytes);
    written += bytes.size();
    return sink(std::move(bytes));
  };
  std::string head(kMagic);
  AppendLittle(head, cluster_id);
  TRIREME_RETURN_IF_ERROR(send(std::move(head)));
  StateWriter writer(view.store());
  for (bool more = true; more;) {
    std::string part;
    TRIREME_ASSIGN_OR_RETURN(more, writer.Next(&part));
    TRIREME_RETURN_IF_ERROR(send(std::move(part)));
  }
  const std::uint64_t state_bytes = written - kHeadBytes;
  const std::size_t over = (written + kLengthBytes) % kPageBytes;
  std::string end(over == 0 ? 0 : kPageBytes - over, '\0');
  AppendLittle(end, state_bytes);
  TRIREME_RETURN_IF_ERROR(send(std::move(end)));
  return sink(sha.Finish());
}

absl::StatusOr<BackupStatus> InspectBackup(const std::string& path) {
  TRIREME_ASSIGN_OR_RETURN(const io::File file, io::File::OpenForRead(path));
  TRIREME_ASSIGN_OR_RETURN(const Extent extent, FindState(file, false));
  MemoryStore store;
  TRIREME_RETURN_IF_ERROR(FillStore(file, extent, store));
  TRIREME_ASSIGN_OR_RETURN(const std::unique_ptr<Model> model, Model::Open(store));
  const auto view = model->View();
  RangeRequest all = {.key = std::string_view("\0", 1), .end = kFromKey};
  all.count_only = true;
  RangeResult range;
  Error error = Error::kNone;
  TRIREME_RETURN_IF_ERROR(view->Range(all, &error, &range));
  TRIREME_ASSIGN_OR_RETURN(const StateHash hash, view->Hash(0));
  return BackupStatus{hash.hash, view->meta().revision, range.count, extent.size};
}

absl::Status RestoreBackup(const RestoreOptions& options) {
  const std::string& directory = options.server.data_dir;
  if (fs::exists(directory))
    return absl::FailedPreconditionError(
        fmt::format("{} exists: a backup is restored into a directory that does not", directory));
  const absl::Status status = RestoreInto(options);
  if (!status.ok()) {
    std::error_code error;
    fs::remove_all(directory, error);
  }
  return status;
}

}  // namespace trireme::kv::inline engine
