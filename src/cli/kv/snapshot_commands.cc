#include <filesystem>

#include "base/status_macros.h"
#include "cli/kv/command.h"
#include "cli/kv/failure.h"
#include "cli/kv/snapshot_format.h"
#include "etcd/rpc.trireme.h"
#include "fmt/format.h"
#include "fmt/ranges.h"
#include "io/file.h"
#include "io/sha256.h"

namespace trireme::kvcli {
namespace {

/// Writes the stream under a temporary name; Finish gives it its own once it is whole.
class SnapshotFile {
 public:
  static absl::StatusOr<SnapshotFile> Create(const std::string& path) {
    auto file = io::File::Create(path + ".part");
    if (!file.ok()) {
      const std::string why = absl::IsNotFound(file.status())
                                  ? fmt::format("open {}.part: no such file or directory", path)
                                  : std::string(file.status().message());
      return Fail(kInterrupted, fmt::format("could not open {}.part ({})", path, why));
    }
    return SnapshotFile(path, *std::move(file));
  }

  absl::Status Append(const std::string& bytes) {
    hash_.Add(bytes);
    return file_.Append(bytes);
  }

  absl::Status Finish() {
    if (!hash_.EndsWithItself()) {
      return Fail(kIo, fmt::format("the snapshot of {} bytes does not end with its SHA-256: it was "
                                   "cut short or damaged on the way; it is left in {}.part",
                                   hash_.size_bytes(), path_));
    }
    TRIREME_RETURN_IF_ERROR(file_.Sync());
    TRIREME_RETURN_IF_ERROR(file_.Close());
    std::error_code error;
    std::filesystem::rename(path_ + ".part", path_, error);
    if (!error) return absl::OkStatus();
    return Fail(kIo, fmt::format("could not rename {0}.part to {0} ({1})", path_, error.message()));
  }

 private:
  SnapshotFile(std::string path, io::File file) : path_(std::move(path)), file_(std::move(file)) {}

  std::string path_;
  io::File file_;
  io::TrailingSha256 hash_;
};

class SaveCommand final : public Command {
 public:
  absl::Status Run(Session& session, const Arguments& arguments) override {
    if (arguments.words.size() != 1) return BadArguments("snapshot save expects one argument");
    const auto& endpoints = session.options().endpoints;
    if (endpoints.size() > 1) {
      return Fail(kInterrupted,
                  fmt::format("snapshot must be requested to one selected node, not multiple [{}]",
                              fmt::join(endpoints, " ")));
    }
    TRIREME_ASSIGN_OR_RETURN(Connection * cluster, session.connection());
    TRIREME_ASSIGN_OR_RETURN(SnapshotFile file, SnapshotFile::Create(arguments.words[0]));
    auto stream = etcdserverpb::MaintenanceStub(cluster->current()).Snapshot({});
    etcdserverpb::SnapshotResponse part;
    while (stream.Read(&part)) {
      if (absl::Status status = file.Append(part.blob()); !status.ok())
        return Fail(kInterrupted, std::string(status.message()));
    }
    if (const absl::Status status = stream.Finish(); !status.ok())
      return Fail(kInterrupted, Describe(status));
    TRIREME_RETURN_IF_ERROR(file.Finish());
    return session.Print(fmt::format("Snapshot saved at {}\n", arguments.words[0]));
  }
};

class StatusCommand final : public Command {
 public:
  absl::Status Run(Session& session, const Arguments& arguments) override {
    if (arguments.words.size() != 1)
      return BadArguments("snapshot status requires exactly one argument");
    TRIREME_ASSIGN_OR_RETURN(const SnapshotFormat* format, FormatOf(arguments.words[0]));
    TRIREME_ASSIGN_OR_RETURN(const SnapshotStatus status, format->status(arguments.words[0]));
    return session.Print(session.printer().Snapshot(status));
  }
};

class RestoreCommand final : public Command {
 public:
  void AddFlags(FlagSet& flags) override {
    flags.Text("data-dir", &options_.data_directory, "Path to the data directory");
    flags.Text("initial-advertise-peer-urls", &options_.advertise_peer_urls,
               "This member's peer URLs");
    flags.Text("initial-cluster", &options_.initial_cluster, "Initial cluster configuration");
    flags.Text("initial-cluster-token", &options_.cluster_token, "Initial cluster token");
    flags.Text("name", &options_.name, "Human-readable name for this member");
    flags.Bool("skip-hash-check", &options_.skip_hash_check, "Ignore snapshot integrity hash");
    flags.Text("wal-dir", &options_.log_directory, "Path to the log's directory");
  }
  absl::Status Run(Session&, const Arguments& arguments) override {
    if (arguments.words.size() != 1)
      return BadArguments("snapshot restore requires exactly one argument");
    TRIREME_ASSIGN_OR_RETURN(const SnapshotFormat* format, FormatOf(arguments.words[0]));
    if (format->restore == nullptr) {
      return Fail(kError, fmt::format("{}: {} cannot be restored here; start a server from it with "
                                      "its own tools and copy it with `trireme kv import`",
                                      arguments.words[0], format->name));
    }
    return format->restore(arguments.words[0], options_);
  }

 private:
  RestoreOptions options_;
};

}  // namespace

void AddSnapshotCommands(CommandList* list) {
  list->push_back(Entry<RestoreCommand>("snapshot restore", "<filename> [options]",
                                        "Restores a snapshot to a data directory"));
  list->push_back(
      Entry<SaveCommand>("snapshot save", "<filename>", "Stores a member's snapshot to a file"));
  list->push_back(
      Entry<StatusCommand>("snapshot status", "<filename>", "What a snapshot's file holds"));
}

}  // namespace trireme::kvcli
