#include "mapreduce/jobs/as_streaming.h"

#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "fmt/format.h"
#include "io/process.h"
#include "mapreduce/engine/aggregate_table.h"
#include "mapreduce/engine/context.h"
#include "mapreduce/engine/number.h"

namespace trireme::mapreduce {
namespace {

constexpr std::size_t kBufferBytes = 1u << 20;

/// Lines of standard input.
class LineReader {
 public:
  LineReader() : buffer_(kBufferBytes) {}

  /// False at the end. The view, without its '\n', is valid until the next call.
  bool Next(std::string_view* line) {
    for (;;) {
      const char* begin = buffer_.data() + begin_;
      const std::size_t left = end_ - begin_;
      const auto* newline = static_cast<const char*>(
          left == searched_ ? nullptr : std::memchr(begin + searched_, '\n', left - searched_));
      if (newline != nullptr) return Take(line, static_cast<std::size_t>(newline - begin), 1);
      if (at_end_) return left != 0 && Take(line, left, 0);
      searched_ = left;
      Fill();
    }
  }
  /// Of the line last given.
  std::uint64_t offset() const { return line_offset_; }
  bool failed() const { return failed_; }

 private:
  bool Take(std::string_view* line, std::size_t size, std::size_t newline) {
    *line = {buffer_.data() + begin_, size};
    begin_ += size + newline;
    searched_ = 0;
    line_offset_ = next_offset_;
    next_offset_ += size + newline;
    return true;
  }
  void Fill() {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    if (end_ == buffer_.size()) buffer_.resize(2 * buffer_.size());
    ssize_t n;
    do {
      n = ::read(STDIN_FILENO, buffer_.data() + end_, buffer_.size() - end_);
    } while (n < 0 && errno == EINTR);
    failed_ = n < 0;
    at_end_ = n <= 0;
    if (n > 0) end_ += static_cast<std::size_t>(n);
  }

  std::vector<char> buffer_;
  std::size_t begin_ = 0, end_ = 0;
  std::size_t searched_ = 0;  // bytes from begin_ that have no '\n'
  std::uint64_t line_offset_ = 0, next_offset_ = 0;
  bool at_end_ = false;
  bool failed_ = false;
};

/// Lines of standard output.
class LineWriter {
 public:
  void Add(std::string_view key, std::string_view value) {
    bytes_.append(key).append(1, '\t').append(value).append(1, '\n');
    if (bytes_.size() >= kBufferBytes) Flush();
  }
  void AddBytes(std::string_view bytes) {
    bytes_.append(bytes);
    if (bytes_.size() >= kBufferBytes) Flush();
  }
  void Flush() {
    for (std::string_view left = bytes_; !left.empty() && !failed_;) {
      const ssize_t n = ::write(STDOUT_FILENO, left.data(), left.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) failed_ = true;
      if (n > 0) left.remove_prefix(static_cast<std::size_t>(n));
    }
    bytes_.clear();
  }
  bool failed() const { return failed_; }

 private:
  std::string bytes_;
  bool failed_ = false;
};

class LineSink final : public internal::MapSink, public internal::ReduceSink {
 public:
  explicit LineSink(LineWriter* lines) : lines_(*lines) {}
  void Add(std::string_view key, std::string_view value) override { lines_.Add(key, value); }
  void AddTo(std::uint32_t, std::string_view key, std::string_view value) override {
    lines_.Add(key, value);
  }
  void AddNumber(std::string_view key, std::int64_t value) override {
    lines_.Add(key, DecimalNumber(value).view());
  }
  void AddBatch(internal::Batch& batch) override { batch.count = 0; }
  void AddFormatted(std::string_view bytes, std::uint64_t) override { lines_.AddBytes(bytes); }

 private:
  LineWriter& lines_;
};

/// The input cut into groups of lines with equal keys.
class LineGroups final : public Values {
 public:
  explicit LineGroups(internal::TaskContext* context) : context_(*context) { Advance(); }

  bool NextGroup() {
    while (in_group_) Step();
    if (!has_line_) return false;
    key_.assign(line_key_);
    in_group_ = first_ = true;
    return true;
  }
  const std::string& key() const { return key_; }

  bool Next(std::string_view* value) override {
    if (!in_group_) return false;
    if (!first_) Step();
    first_ = false;
    if (in_group_) *value = line_value_;
    return in_group_;
  }
  bool Next(std::int64_t* value) override {
    std::string_view text;
    if (!Next(&text)) return false;
    if (ParseNumber(text, value)) return true;
    context_.Fail(absl::InvalidArgumentError(
        fmt::format("value '{}' of key '{}' is not a whole number", text.substr(0, 100), key_)));
    return false;
  }
  bool failed() const { return reader_.failed(); }

 private:
  void Step() {
    Advance();
    in_group_ = has_line_ && line_key_ == key_;
  }
  void Advance() {
    std::string_view line;
    has_line_ = reader_.Next(&line);
    const std::size_t tab = line.find('\t');
    line_key_ = line.substr(0, tab);
    line_value_ = tab == std::string_view::npos ? std::string_view() : line.substr(tab + 1);
  }

  internal::TaskContext& context_;
  LineReader reader_;
  std::string key_;
  std::string_view line_key_, line_value_;
  bool has_line_ = false;
  bool in_group_ = false, first_ = false;
};

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

std::uint64_t NumberVariable(const char* name, std::uint64_t otherwise) {
  const std::string text = Variable(name);
  std::uint64_t value = otherwise;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

Parameters EnvironmentParameters() {
  Parameters parameters;
  for (const std::string& entry : io::CurrentEnvironment()) {
    const std::size_t equals = entry.find('=');
    if (equals != std::string::npos) parameters[entry.substr(0, equals)] = entry.substr(equals + 1);
  }
  return parameters;
}

/// One role of the job between standard input and output.
class StreamingRun {
 public:
  StreamingRun(const Job& job, StreamingRole role)
      : job_(job),
        role_(role),
        parameters_(EnvironmentParameters()),
        context_(
            {job.name, static_cast<std::uint32_t>(NumberVariable("mapreduce_task_partition", 0)), 0,
             static_cast<std::uint32_t>(NumberVariable("mapreduce_job_reduces", 1)),
             role == StreamingRole::kMapper},
            &parameters_, &control_),
        sink_(&lines_) {
    control_.progress = &progress_;
    control_.on_status = [](std::string_view text) {
      fmt::print(stderr, "reporter:status:{}\n", text);
    };
  }

  int Run() {
    try {
      if (role_ == StreamingRole::kMapper) Map();
      if (role_ == StreamingRole::kReducer) Reduce();
      if (role_ == StreamingRole::kCombiner) Combine();
    } catch (const std::exception& error) {
      context_.Fail(absl::AbortedError(error.what()));
    }
    lines_.Flush();
    for (const auto& [name, value] : context_.counters())
      fmt::print(stderr, "reporter:counter:{},{},{}\n", name.first, name.second, value);
    if (lines_.failed()) context_.Fail(absl::InternalError("cannot write to standard output"));
    if (context_.status().ok()) return 0;
    fmt::print(stderr, "{}: {}\n", job_.name, std::string(context_.status().message()));
    return 1;
  }

 private:
  bool ok() const { return context_.status().ok(); }

  void Map() {
    const std::string file = Variable("mapreduce_map_input_file");
    const std::uint64_t start = NumberVariable("mapreduce_map_input_start", 0);
    const auto mapper = job_.mapper();
    Emitter out(&context_, &sink_, nullptr);
    LineReader input;
    std::string_view line;
    mapper->Start(out);
    while (ok() && input.Next(&line)) mapper->Map({{}, line, file, start + input.offset()}, out);
    if (input.failed()) context_.Fail(absl::InternalError("cannot read standard input"));
    if (ok()) mapper->Finish(out);
  }

  void Reduce() {
    if (!job_.reducer) return job_.aggregation == Aggregation::kNone ? PassOn() : FoldGroups();
    const auto reducer = job_.reducer();
    Output out(&context_, &sink_);
    LineGroups groups(&context_);
    reducer->Start(out);
    while (ok() && groups.NextGroup()) reducer->Reduce(groups.key(), groups, out);
    if (groups.failed()) context_.Fail(absl::InternalError("cannot read standard input"));
    if (ok()) reducer->Finish(out);
  }

  void Combine() {
    if (job_.aggregation != Aggregation::kNone) return FoldGroups();
    if (!job_.combiner) return PassOn();
    class Out final : public CombinedValues {
     public:
      Out(const LineGroups& groups, LineWriter& lines) : groups_(groups), lines_(lines) {}
      void Emit(std::string_view value) override { lines_.Add(groups_.key(), value); }

     private:
      const LineGroups& groups_;
      LineWriter& lines_;
    };
    const auto combiner = job_.combiner();
    LineGroups groups(&context_);
    Out out(groups, lines_);
    while (ok() && groups.NextGroup()) combiner->Combine(groups.key(), groups, out);
  }

  void FoldGroups() {
    LineGroups groups(&context_);
    while (ok() && groups.NextGroup()) {
      std::int64_t sum = 0, value = 0;
      for (bool first = true; groups.Next(&value); first = false)
        sum = first ? value : Fold(job_.aggregation, sum, value);
      if (ok()) sink_.AddNumber(groups.key(), sum);
    }
  }

  void PassOn() {
    LineGroups groups(&context_);
    std::string_view value;
    while (ok() && groups.NextGroup()) {
      while (groups.Next(&value)) lines_.Add(groups.key(), value);
    }
  }

  const Job& job_;
  const StreamingRole role_;
  const Parameters parameters_;
  TaskProgress progress_;
  TaskControl control_;
  internal::TaskContext context_;
  LineWriter lines_;
  LineSink sink_;
};

}  // namespace

int RunAsStreaming(const Job& job, StreamingRole role) {
  return StreamingRun(job, role).Run();
}

}  // namespace trireme::mapreduce
