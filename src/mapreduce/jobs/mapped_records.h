#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// The input of a sort by reference: records of one length, numbered through all files.
namespace trireme::mapreduce {

/// The input as numbered records, first file first.
struct ReferencedFile {
  std::string path;
  std::uint64_t records = 0;
};

/// Tells a record's number from where it was read.
class RecordNumbers {
 public:
  RecordNumbers(const std::vector<ReferencedFile>& files, std::size_t record_bytes);
  std::uint64_t Of(std::string_view file, std::uint64_t offset);

 private:
  const std::size_t record_bytes_;
  std::map<std::string, std::uint64_t, std::less<>> first_of_;  // record of each file
  std::string file_;                                            // that was asked for last
  std::uint64_t first_ = 0;
};

/// The files, mapped.
class MappedRecords {
 public:
  /// Throws what fails the attempt: a file that is gone or shorter than it was.
  MappedRecords(const std::vector<ReferencedFile>& files, std::size_t record_bytes);
  ~MappedRecords();
  MappedRecords(const MappedRecords&) = delete;
  MappedRecords& operator=(const MappedRecords&) = delete;

  /// The mapping of these files that is in use in this process, or a new one.
  static std::shared_ptr<const MappedRecords> Share(const std::vector<ReferencedFile>& files,
                                                    std::size_t record_bytes);

  /// `number` is below records().
  const char* Record(std::uint64_t number) const {
    const Part* part = &parts_.front();
    if (number >= part->end) [[unlikely]]
      part = PartOf(number);
    return part->data + (number - part->first) * record_bytes_;
  }
  std::uint64_t records() const { return records_; }

 private:
  struct Part {
    std::uint64_t first, end;  // numbers of its first record and of the one behind its last
    char* data;
    std::size_t bytes;
  };
  void Map(const ReferencedFile& file);
  const Part* PartOf(std::uint64_t number) const;

  const std::size_t record_bytes_;
  std::vector<Part> parts_;
  std::uint64_t records_ = 0;
};

}  // namespace trireme::mapreduce
