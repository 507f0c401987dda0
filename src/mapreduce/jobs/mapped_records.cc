#include "mapreduce/jobs/mapped_records.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <stdexcept>
#include <utility>

#include "fmt/format.h"

namespace trireme::mapreduce {

RecordNumbers::RecordNumbers(const std::vector<ReferencedFile>& files, std::size_t record_bytes)
    : record_bytes_(record_bytes) {
  std::uint64_t first = 0;
  for (const ReferencedFile& file : files) {
    first_of_[file.path] = first;
    first += file.records;
  }
}

std::uint64_t RecordNumbers::Of(std::string_view file, std::uint64_t offset) {
  if (file != file_) {
    file_ = file;
    first_ = first_of_.at(file_);
  }
  return first_ + offset / record_bytes_;
}

MappedRecords::MappedRecords(const std::vector<ReferencedFile>& files, std::size_t record_bytes)
    : record_bytes_(record_bytes) {
  for (const ReferencedFile& file : files) Map(file);
}

MappedRecords::~MappedRecords() {
  for (const Part& part : parts_) ::munmap(part.data, part.bytes);
}

std::shared_ptr<const MappedRecords> MappedRecords::Share(const std::vector<ReferencedFile>& files,
                                                          std::size_t record_bytes) {
  static std::mutex mutex;
  static std::weak_ptr<const MappedRecords> last;
  static std::string last_name;
  std::string name = std::to_string(record_bytes);
  for (const ReferencedFile& file : files) name += fmt::format(" {} {}", file.records, file.path);
  const std::lock_guard lock(mutex);
  std::shared_ptr<const MappedRecords> shared = last_name == name ? last.lock() : nullptr;
  if (shared == nullptr) {
    shared = std::make_shared<MappedRecords>(files, record_bytes);
    last = shared;
    last_name = std::move(name);
  }
  return shared;
}

void MappedRecords::Map(const ReferencedFile& file) {
  if (file.records == 0) return;
  const std::size_t bytes = file.records * record_bytes_;
  const int fd = ::open(file.path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status {};
  const bool whole =
      fd >= 0 && ::fstat(fd, &status) == 0 && static_cast<std::uint64_t>(status.st_size) >= bytes;
  void* data = whole ? ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
  if (fd >= 0) ::close(fd);
  if (data == MAP_FAILED)
    throw std::runtime_error(
        fmt::format("input {} cannot be read again, or is shorter than it was", file.path));
  parts_.push_back({records_, records_ + file.records, static_cast<char*>(data), bytes});
  records_ += file.records;
}

const MappedRecords::Part* MappedRecords::PartOf(std::uint64_t number) const {
  return &*std::upper_bound(parts_.begin(), parts_.end(), number,
                            [](std::uint64_t n, const Part& part) { return n < part.end; });
}

}  // namespace trireme::mapreduce
