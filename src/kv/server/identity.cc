#include "kv/server/identity.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <thread>
#include <utility>

#include <trireme/raft.h>
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/file.h"
#include "kv/server/member_ids.h"
#include "kv/server/roster.h"
#include "kv/server/urls.h"

namespace trireme::kv::inline engine {
namespace {

namespace fs = std::filesystem;

constexpr char kFile[] = "IDENTITY";
constexpr char kTitle[] = "trireme kv member 1";
constexpr std::size_t kFileBytesMax = 4096;
/// So long a server that joins asks the others.
constexpr std::chrono::milliseconds kJoinPatience{5000}, kAskTimeout{2000}, kAskPause{100};

std::string TextOf(const Identity& identity) {
  return fmt::format("{}\nmember {:016x}\ncluster {:016x}\njoined {}\ntoken {}\n", kTitle,
                     identity.member_id, identity.cluster_id, identity.joined ? 1 : 0,
                     identity.token);
}

std::optional<std::string> ValueOf(std::string_view line, std::string_view name) {
  if (!line.starts_with(name) || line.size() <= name.size() || line[name.size()] != ' ')
    return std::nullopt;
  return std::string(line.substr(name.size() + 1));
}

std::optional<Identity> Parse(const std::string& text) {
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  if (lines.size() != 6 || lines[0] != kTitle) return std::nullopt;
  const auto member = ValueOf(lines[1], "member"), cluster = ValueOf(lines[2], "cluster"),
             joined = ValueOf(lines[3], "joined"), token = ValueOf(lines[4], "token");
  Identity identity;
  if (!member || !cluster || !joined || !token ||
      !absl::SimpleHexAtoi(*member, &identity.member_id) ||
      !absl::SimpleHexAtoi(*cluster, &identity.cluster_id) || identity.member_id == 0)
    return std::nullopt;
  identity.joined = *joined == "1";
  identity.token = *token;
  return identity;
}

absl::StatusOr<Identity> ReadIdentity(const std::string& path) {
  TRIREME_ASSIGN_OR_RETURN(const io::File file, io::File::OpenForRead(path));
  std::string text(kFileBytesMax, '\0');
  TRIREME_ASSIGN_OR_RETURN(const std::size_t size, file.ReadAt(0, text.data(), text.size()));
  text.resize(size);
  if (auto identity = Parse(text)) return *std::move(identity);
  return absl::DataLossError(fmt::format(
      "{} is damaged: remove this member, and add it again with an empty directory", path));
}

absl::Status OfAnotherCluster(const ServerOptions& options, const Identity& identity) {
  return absl::FailedPreconditionError(fmt::format(
      "{} holds a member of the cluster with --initial-cluster-token '{}', not '{}': give that "
      "token, or another --data-dir",
      options.data_dir, identity.token, options.initial_cluster_token));
}

const InitialMember* OwnOf(const ServerOptions& options) {
  const auto found = std::ranges::find(options.initial_cluster, options.name, &InitialMember::name);
  return found == options.initial_cluster.end() ? nullptr : &*found;
}

absl::Status NotNamed(const ServerOptions& options) {
  return absl::InvalidArgumentError(
      fmt::format("--initial-cluster does not name '{0}': add {0}=PEER-URL to it, or give --name "
                  "one of its names",
                  options.name));
}

absl::StatusOr<Identity> OfFirstMember(const ServerOptions& options) {
  Identity identity = {.token = options.initial_cluster_token};
  std::vector<std::uint64_t> ids;
  for (const InitialMember& one : FirstMembers(options)) {
    ids.push_back(MemberIdOf(one.peer_urls, options.initial_cluster_token));
    if (one.name == options.name) identity.member_id = ids.back();
  }
  if (identity.member_id == 0) return NotNamed(options);
  identity.cluster_id = ClusterIdOf(ids);
  return identity;
}

std::vector<std::string> Sorted(std::vector<std::string> urls) {
  std::ranges::sort(urls);
  return urls;
}

/// What one other member says, about the member with those peer URLs.
absl::StatusOr<Identity> AskOne(const ServerOptions& options, const std::string& url,
                                const std::vector<std::string>& own_urls) {
  TRIREME_ASSIGN_OR_RETURN(const std::string address, AddressOfUrl(url));
  TRIREME_ASSIGN_OR_RETURN(const std::string bytes,
                           raft::AskNode(address, options.peer_tls, kMembersQuestion, kAskTimeout));
  const auto answer = DecodeMembersAnswer(bytes);
  if (!answer) return absl::DataLossError(fmt::format("{} is no member of a KV cluster", url));
  for (const MembersAnswer::One& one : answer->members) {
    if (Sorted(one.peer_urls) != own_urls) continue;
    return Identity{.member_id = one.id,
                    .cluster_id = answer->cluster_id,
                    .joined = true,
                    .token = options.initial_cluster_token};
  }
  return absl::NotFoundError(
      fmt::format("the cluster has no member with the peer URLs {}: add it first (member add)",
                  fmt::join(own_urls, ",")));
}

absl::StatusOr<Identity> OfJoining(const ServerOptions& options) {
  const InitialMember* own = OwnOf(options);
  if (own == nullptr) return NotNamed(options);
  const auto until = std::chrono::steady_clock::now() + kJoinPatience;
  absl::Status last = absl::InvalidArgumentError(
      "--initial-cluster names no other member: with --initial-cluster-state existing it names "
      "those to ask");
  do {
    for (const InitialMember& one : options.initial_cluster) {
      if (one.name == options.name) continue;
      auto found = AskOne(options, one.peer_urls.front(), Sorted(own->peer_urls));
      if (found.ok()) return found;
      last = found.status();
    }
    if (absl::IsInvalidArgument(last)) return last;
    std::this_thread::sleep_for(kAskPause);
  } while (std::chrono::steady_clock::now() < until);
  return last;
}

}  // namespace

absl::Status WriteIdentity(const std::string& path, const Identity& identity) {
  const std::string file_path = path + "/" + kFile, temporary = file_path + ".tmp";
  TRIREME_ASSIGN_OR_RETURN(io::File file, io::File::Create(temporary));
  TRIREME_RETURN_IF_ERROR(file.Append(TextOf(identity)));
  TRIREME_RETURN_IF_ERROR(file.Sync());
  TRIREME_RETURN_IF_ERROR(file.Close());
  if (std::rename(temporary.c_str(), file_path.c_str()) != 0)
    return io::ErrnoStatus("rename", file_path, errno);
  return io::SyncDirectory(path);
}

absl::StatusOr<Identity> Identify(const ServerOptions& options) {
  const auto begin = [&] {
    return options.join_existing ? OfJoining(options) : OfFirstMember(options);
  };
  if (options.data_dir.empty()) return begin();
  const std::string path = options.data_dir + "/" + kFile;
  if (fs::exists(path)) {
    TRIREME_ASSIGN_OR_RETURN(Identity identity, ReadIdentity(path));
    if (identity.token != options.initial_cluster_token) return OfAnotherCluster(options, identity);
    return identity;
  }
  if (fs::exists(options.data_dir + "/member"))
    return absl::FailedPreconditionError(fmt::format(
        "{} is a data directory of etcd: give another --data-dir, and copy the keys from a running "
        "etcd by `trireme kv import`",
        options.data_dir));
  TRIREME_ASSIGN_OR_RETURN(const Identity identity, begin());
  std::error_code error;
  fs::create_directories(options.data_dir, error);
  if (error)
    return absl::UnavailableError(
        fmt::format("cannot make {}: {}", options.data_dir, error.message()));
  fs::permissions(options.data_dir, fs::perms::owner_all, error);
  TRIREME_RETURN_IF_ERROR(WriteIdentity(options.data_dir, identity));
  return identity;
}

}  // namespace trireme::kv::inline engine
