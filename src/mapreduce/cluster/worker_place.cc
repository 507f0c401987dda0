#include "mapreduce/cluster/worker_place.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/check.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/file.h"

namespace trireme::mapreduce::cluster {
namespace {

std::uint64_t RandomWord() {
  std::uint64_t word = 0;
  TRIREME_CHECK(::getrandom(&word, sizeof word, 0) == sizeof word);
  return word;
}

std::uint64_t UnixMicros() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                        std::chrono::system_clock::now().time_since_epoch())
                                        .count());
}

std::string ReadSmallFile(const std::string& path) {
  std::ifstream in(path);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

std::string BootId() {
  return ReadSmallFile("/proc/sys/kernel/random/boot_id");
}

}  // namespace

rpc::Address DefaultListen(const Whereabouts& coordinator, const std::string& directory) {
  rpc::Address address;
  address.kind = rpc::Address::Kind::kUnix;
  address.path = directory + "/shuffle.sock";
  const auto* known = std::get_if<rpc::Address>(&coordinator);
  if (known != nullptr && known->kind == rpc::Address::Kind::kUnix &&
      address.path.size() <= rpc::Address::kUnixPathBytesMax) {
    return address;
  }
  return {rpc::Address::Kind::kTcp, {}, "127.0.0.1", 0};
}

absl::StatusOr<WorkerIdentity> WorkerIdentity::Claim(const std::string& directory) {
  WorkerIdentity identity;
  identity.ref_ = {plan::WorkerId{RandomWord()}, plan::Incarnation{UnixMicros()}};
  if (directory.empty()) return identity;
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return io::ErrnoStatus("create directory", directory, error.value());
  const std::string path = directory + "/worker-id";
  io::Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return io::ErrnoStatus("open", path, errno);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return identity;
  char text[64] = {};
  unsigned long long id = 0, incarnation = 0;
  if (::pread(fd.get(), text, sizeof text - 1, 0) > 0 &&
      std::sscanf(text, "%llx %llx", &id, &incarnation) == 2) {
    identity.ref_.id = plan::WorkerId{id};
    // Later than the last life even when the clock was set back.
    identity.ref_.incarnation =
        plan::Incarnation{std::max<std::uint64_t>(UnixMicros(), incarnation + 1)};
  }
  const std::string line = fmt::format("{:016x} {:016x}\n", std::uint64_t(identity.ref_.id),
                                       std::uint64_t(identity.ref_.incarnation));
  if (::pwrite(fd.get(), line.data(), line.size(), 0) != static_cast<ssize_t>(line.size())) {
    return io::ErrnoStatus("write", path, errno);
  }
  identity.path_ = path;
  identity.lock_ = std::move(fd);
  return identity;
}

void WorkerIdentity::Forget() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

absl::Status AnnounceDirectory(const std::string& directory, v1::WorkerPlace* place) {
  place->set_boot_id(BootId());
  place->set_directory(directory);
  place->set_nonce(fmt::format("{:016x}{:016x}", RandomWord(), RandomWord()));
  TRIREME_ASSIGN_OR_RETURN(io::File file, io::File::Create(directory + "/nonce"));
  TRIREME_RETURN_IF_ERROR(file.Append(place->nonce()));
  return file.Close();
}

bool Neighbours::CanRead(const v1::WorkerPlace& place) {
  const auto [at, added] = known_.try_emplace(place.nonce(), false);
  if (added && !place.nonce().empty()) {
    at->second =
        place.boot_id() == BootId() && ReadSmallFile(place.directory() + "/nonce") == place.nonce();
  }
  return at->second;
}

}  // namespace trireme::mapreduce::cluster
