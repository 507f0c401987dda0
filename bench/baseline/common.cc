#include "baseline/common.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace trireme::baseline {
namespace {

constexpr std::size_t kHugePageBytes = 2u << 20;

std::size_t RoundUp(std::size_t bytes, std::size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

/// isspace() of the C locale.
bool IsSpace(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

char* MapAnonymous(std::size_t bytes, int protection) {
  void* at = mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) FailErrno("cannot map " + std::to_string(bytes) + " bytes");
  return static_cast<char*>(at);
}

}  // namespace

void Fail(const std::string& message) {
  std::fprintf(stderr, "%s: %s\n", program_invocation_short_name, message.c_str());
  _exit(1);
}

void FailErrno(const std::string& message) {
  Fail(message + ": " + std::strerror(errno));
}

unsigned ThreadCount() {
  if (const char* given = std::getenv("BASELINE_THREADS")) {
    const int threads = std::atoi(given);
    if (threads < 1)
      Fail(std::string("BASELINE_THREADS is '") + given + "'; give a number above 0");
    return static_cast<unsigned>(threads);
  }
  return std::max(1u, std::thread::hardware_concurrency());
}

MappedFile::MappedFile(std::string path) : path_(std::move(path)) {
  const int fd = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status;
  if (fd < 0 || fstat(fd, &status) != 0) FailErrno("cannot read " + path_);
  size_ = static_cast<std::size_t>(status.st_size);
  // Zero pages behind the file: a load that runs over its end stays in mapped memory.
  char* room = MapAnonymous(RoundUp(size_, kReadablePadding) + kReadablePadding, PROT_READ);
  if (size_ > 0 && mmap(room, size_, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
    FailErrno("cannot map " + path_);
  close(fd);
  begin_ = room;
}

std::string_view MappedFile::name() const {
  const std::size_t slash = path_.rfind('/');
  return std::string_view(path_).substr(slash == std::string::npos ? 0 : slash + 1);
}

void MappedFile::Populate(std::size_t from, std::size_t to) const {
  // Only a hint: a kernel without MADV_POPULATE_READ takes the faults one by one.
  from = from / kReadablePadding * kReadablePadding;
  if (from < to) madvise(const_cast<char*>(begin_) + from, to - from, MADV_POPULATE_READ);
}

void MappedFile::Release(std::size_t from, std::size_t to) const {
  from = from / kReadablePadding * kReadablePadding;
  if (from < to) madvise(const_cast<char*>(begin_) + from, to - from, MADV_DONTNEED);
}

std::vector<MappedFile> MapFiles(const std::vector<std::string>& paths) {
  std::vector<MappedFile> files;
  for (const auto& path : paths) files.emplace_back(path);
  return files;
}

ChunkQueue::ChunkQueue(const std::vector<MappedFile>& files, std::size_t chunk_bytes)
    : files_(files) {
  for (std::uint32_t file = 0; file < files.size(); ++file)
    for (std::size_t at = 0; at < files[file].size(); at += chunk_bytes)
      chunks_.push_back({file, at, std::min(at + chunk_bytes, files[file].size())});
}

const Chunk* ChunkQueue::Next() {
  const std::size_t index = next_.fetch_add(1, std::memory_order_relaxed);
  if (index >= chunks_.size()) return nullptr;
  const Chunk& chunk = chunks_[index];
  files_[chunk.file].Populate(chunk.begin, chunk.end);
  return &chunk;
}

std::string_view LinesOf(const MappedFile& file, const Chunk& chunk) {
  const auto line_start = [&file](std::size_t at) {
    if (at == 0 || at >= file.size()) return file.begin() + std::min(at, file.size());
    const void* feed = std::memchr(file.begin() + at - 1, '\n', file.size() - at + 1);
    return feed == nullptr ? file.end() : static_cast<const char*>(feed) + 1;
  };
  const char* begin = line_start(chunk.begin);
  return {begin, static_cast<std::size_t>(line_start(chunk.end) - begin)};
}

std::string_view WordsOf(const MappedFile& file, const Chunk& chunk) {
  const auto word_boundary = [&file](std::size_t at) {
    const char* p = file.begin() + at;
    if (at == 0) return p;
    while (p < file.end() && !IsSpace(p[-1])) ++p;
    return p;
  };
  const char* begin = word_boundary(chunk.begin);
  return {begin, static_cast<std::size_t>(word_boundary(chunk.end) - begin)};
}

void* AllocateHuge(std::size_t bytes) {
  if (bytes < kHugePageBytes)
    return MapAnonymous(std::max<std::size_t>(bytes, 1), PROT_READ | PROT_WRITE);
  // Mapped one huge page too long, then cut to an aligned range, so that every huge page counts.
  const std::size_t length = RoundUp(bytes, kHugePageBytes);
  char* room = MapAnonymous(length + kHugePageBytes, PROT_READ | PROT_WRITE);
  const std::size_t before = RoundUp(reinterpret_cast<std::uintptr_t>(room), kHugePageBytes) -
                             reinterpret_cast<std::uintptr_t>(room);
  if (before > 0) munmap(room, before);
  if (before < kHugePageBytes) munmap(room + before + length, kHugePageBytes - before);
  madvise(room + before, length, MADV_HUGEPAGE);
  return room + before;
}

void FreeHuge(void* memory, std::size_t bytes) {
  munmap(memory,
         bytes < kHugePageBytes ? std::max<std::size_t>(bytes, 1) : RoundUp(bytes, kHugePageBytes));
}

OutputFile::OutputFile(const std::string& path) : path_(path) {
  fd_ = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd_ < 0) FailErrno("cannot create " + path);
}

void OutputFile::WriteAt(std::string_view bytes, std::uint64_t offset) const {
  while (!bytes.empty()) {
    const ssize_t written = pwrite(fd_, bytes.data(), std::min<std::size_t>(bytes.size(), 1u << 30),
                                   static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) FailErrno("cannot write " + path_);
    bytes.remove_prefix(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
}

void OutputFile::Append(std::string_view bytes) {
  WriteAt(bytes, end_.fetch_add(bytes.size()));
}

void OutputFile::Close(bool durable) {
  if (durable && fsync(fd_) != 0) FailErrno("cannot make durable " + path_);
  if (close(fd_) != 0) FailErrno("cannot close " + path_);
  fd_ = -1;
}

void AppendDecimal(std::string& to, std::uint64_t value) {
  char digits[20];
  char* first = digits + sizeof digits;
  do {
    *--first = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
  to.append(first, static_cast<std::size_t>(digits + sizeof digits - first));
}

Arguments ParseArguments(int argc, char** argv, std::size_t words_min, const char* usage) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--fsync") == 0)
      arguments.durable = true;
    else
      arguments.words.emplace_back(argv[i]);
  }
  if (arguments.words.size() < words_min) {
    std::fprintf(stderr, "usage: %s %s\n", program_invocation_short_name, usage);
    _exit(2);
  }
  return arguments;
}

void Finish() {
  if (std::fflush(nullptr) != 0) FailErrno("cannot write the standard output");
  _exit(0);
}

}  // namespace trireme::baseline
