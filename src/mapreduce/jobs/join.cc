#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "base/glob.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "mapreduce/jobs/factories.h"

namespace trireme::mapreduce {
namespace {

// The engine sorts by key alone, and a join wants all left lines of a key before the first right
// one. So the key travels with its side at the end, after an end mark that no key contains: 0
// becomes 0 255, and 0 1 ends the key. Keys so written order as the keys themselves do.
constexpr char kLeft = 'l', kRight = 'r';
constexpr std::size_t kSuffixBytes = 3;

void AppendSideKey(std::string_view key, char side, std::string& to) {
  for (const char byte : key) {
    to += byte;
    if (byte == '\0') to += '\xff';
  }
  to += '\0';
  to += '\1';
  to += side;
}

std::string WithoutEscapes(std::string_view escaped) {
  std::string key;
  for (std::size_t i = 0; i < escaped.size(); ++i) {
    key += escaped[i];
    if (escaped[i] == '\0') ++i;
  }
  return key;
}

class JoinMapper final : public Mapper {
 public:
  struct Options {
    std::string left, right;  // patterns of file paths
    std::string separator;
    std::size_t key_field = 1;
  };

  explicit JoinMapper(const Options& options) : options_(options) {}

  void Map(const Record& record, Emitter& out) override {
    if (record.file != file_) ChooseSides(record.file, out);
    if (!Split(record.value)) return out.Count("join", "lines without the key field", 1);
    if (is_left_) EmitAs(kLeft, out);
    if (is_right_) EmitAs(kRight, out);
  }

 private:
  void ChooseSides(std::string_view file, Emitter& out) {
    file_ = file;
    is_left_ = glob::MatchPath(options_.left, file);
    is_right_ = glob::MatchPath(options_.right, file);
    if (is_left_ || is_right_) return;
    out.Fail(fmt::format("{} is neither of --left '{}' nor of --right '{}'", file, options_.left,
                         options_.right));
  }

  /// Takes the key field out of a line into key_ and leaves the others in rest_; false when the
  /// line has too few fields.
  bool Split(std::string_view line) {
    std::size_t begin = 0;
    for (std::size_t field = 1; field < options_.key_field; ++field) {
      const std::size_t at = line.find(options_.separator, begin);
      if (at == std::string_view::npos) return false;
      begin = at + options_.separator.size();
    }
    const std::size_t end = std::min(line.find(options_.separator, begin), line.size());
    key_ = line.substr(begin, end - begin);
    rest_.clear();
    if (begin != 0) rest_ = line.substr(0, begin - options_.separator.size());
    if (end == line.size()) return true;
    rest_ += line.substr(begin == 0 ? end + options_.separator.size() : end);
    return true;
  }

  void EmitAs(char side, Emitter& out) {
    side_key_.clear();
    AppendSideKey(key_, side, side_key_);
    out.Emit(side_key_, rest_);
  }

  const Options options_;
  std::string file_;
  bool is_left_ = false, is_right_ = false;
  std::string_view key_;
  std::string rest_, side_key_;
};

class JoinPartitioner final : public Partitioner {
 public:
  std::uint32_t Partition(std::string_view key, std::uint32_t partitions) const override {
    return HashPartition(key.substr(0, key.size() - kSuffixBytes), partitions);
  }
};

/// Keeps the left lines of a key and writes each of them beside each right line that follows.
class JoinReducer final : public Reducer {
 public:
  explicit JoinReducer(std::size_t buffer_bytes) : buffer_bytes_(buffer_bytes) {}

  void Reduce(std::string_view side_key, Values& values, Output& out) override {
    const std::string_view escaped = side_key.substr(0, side_key.size() - kSuffixBytes);
    if (side_key.back() == kLeft) return KeepLeft(escaped, values, out);
    if (escaped != left_key_ || left_.empty()) return;
    const std::string key = WithoutEscapes(escaped);
    for (std::string_view right; values.Next(&right);) {
      for (const std::string& left : left_) {
        line_ = left;
        line_ += '\t';
        line_ += right;
        out.Emit(key, line_);
      }
    }
  }

 private:
  void KeepLeft(std::string_view escaped, Values& values, Output& out) {
    left_key_ = escaped;
    left_.clear();
    std::size_t bytes = 0;
    for (std::string_view value; values.Next(&value);) {
      bytes += value.size() + sizeof(std::string);
      if (bytes > buffer_bytes_) {
        return out.Fail(
            fmt::format("the left lines of key '{}' take more than {} bytes: give the other input "
                        "as --left, or "
                        "raise --buffer",
                        WithoutEscapes(escaped), buffer_bytes_));
      }
      left_.emplace_back(value);
    }
  }

  const std::size_t buffer_bytes_;
  std::string left_key_;  // escaped
  std::vector<std::string> left_;
  std::string line_;
};

}  // namespace

absl::StatusOr<Job> MakeJoin(const JobOptions& options) {
  JoinMapper::Options join;
  join.left = options.String("left");
  join.right = options.String("right");
  join.separator = options.String("separator", "\t");
  if (join.separator.empty())
    return absl::InvalidArgumentError("--separator is empty: give the bytes between two fields");
  TRIREME_ASSIGN_OR_RETURN(const std::uint64_t field, options.Number("key-field", 1, 1, 1u << 16));
  TRIREME_ASSIGN_OR_RETURN(
      const std::uint64_t buffer,
      options.Number("buffer", kJoinBufferBytesDefault, 1, std::uint64_t{1} << 40));
  join.key_field = static_cast<std::size_t>(field);
  return Job{.mapper = New<JoinMapper>(join),
             .reducer = New<JoinReducer>(static_cast<std::size_t>(buffer)),
             .partitioner = New<JoinPartitioner>()};
}

}  // namespace trireme::mapreduce
