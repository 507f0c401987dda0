#include "mapreduce/jobs/streaming.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/command.h"

namespace trireme::mapreduce {
namespace {

/// Lines gather up to this before they are written to a command.
constexpr std::size_t kFeedBytes = 256u << 10;

std::string VariableName(std::string_view parameter) {
  std::string name(parameter);
  for (char& c : name) {
    const bool kept = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!kept) c = '_';
  }
  return name;
}

/// The environment of a command: this process's, the job's parameters, Hadoop's variables.
std::vector<std::string> Environment(const StreamingAttempt& attempt, const TaskInfo& info,
                                     const InputRange* range) {
  std::vector<std::string> variables = io::CurrentEnvironment();
  const auto set = [&variables](std::string_view name, std::string_view value) {
    variables.push_back(fmt::format("{}={}", name, value));
  };
  if (attempt.parameters != nullptr) {
    for (const auto& [name, value] : *attempt.parameters) set(VariableName(name), value);
  }
  const std::string task =
      fmt::format("{:04}_{}_{:06}", attempt.job, info.is_map ? 'm' : 'r', info.task);
  set("mapreduce_job_name", info.job);
  set("mapreduce_job_id", fmt::format("job_trireme_{:04}", attempt.job));
  set("mapreduce_job_reduces", fmt::format("{}", info.reduces));
  set("mapreduce_task_id", fmt::format("task_trireme_{}", task));
  set("mapreduce_task_attempt_id", fmt::format("attempt_trireme_{}_{}", task, info.attempt));
  set("mapreduce_task_partition", fmt::format("{}", info.task));
  set("mapreduce_task_ismap", info.is_map ? "true" : "false");
  if (range != nullptr) {
    set("mapreduce_map_input_file", range->path);
    set("mapreduce_map_input_start", fmt::format("{}", range->offset));
    set("mapreduce_map_input_length", fmt::format("{}", range->length));
  }
  return variables;
}

/// Standard error of commands: reporter lines are obeyed, the others passed on.
class ErrorLines {
 public:
  ErrorLines(Context* context, const StreamingAttempt* attempt)
      : context_(*context), attempt_(*attempt) {}

  void Append(std::string_view bytes) {
    rest_.append(bytes);
    std::size_t begin = 0;
    for (std::size_t end; (end = rest_.find('\n', begin)) != std::string::npos; begin = end + 1)
      Take(std::string_view(rest_).substr(begin, end + 1 - begin));
    rest_.erase(0, begin);
    if (rest_.size() > kLineBytesMax) End();
  }
  void End() {
    if (!rest_.empty()) Take(rest_);
    rest_.clear();
  }

 private:
  static constexpr std::size_t kLineBytesMax = 64 << 10;

  void Take(std::string_view line) {
    constexpr std::string_view kCounter = "reporter:counter:", kStatus = "reporter:status:";
    std::string_view text = line;
    while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
    if (text.starts_with(kCounter) && Count(text.substr(kCounter.size()))) return;
    if (text.starts_with(kStatus)) return context_.SetStatus(text.substr(kStatus.size()));
    if (text.starts_with("reporter:")) context_.Count("trireme", "malformed reporter lines", 1);
    if (attempt_.on_stderr) attempt_.on_stderr(line);
  }

  /// GROUP,NAME,AMOUNT
  bool Count(std::string_view text) {
    const std::size_t first = text.find(','), last = text.rfind(',');
    if (first == std::string_view::npos || first == last) return false;
    const std::string_view amount = text.substr(last + 1);
    std::int64_t by = 0;
    const auto [end, error] = std::from_chars(amount.data(), amount.data() + amount.size(), by);
    if (error != std::errc() || end != amount.data() + amount.size()) return false;
    context_.Count(text.substr(0, first), text.substr(first + 1, last - first - 1), by);
    return true;
  }

  Context& context_;
  const StreamingAttempt& attempt_;
  std::string rest_;
};

/// A command whose output is taken line by line.
template <typename OnLine>
class LineCommand final : public io::Command::Listener {
 public:
  LineCommand(Context* context, const StreamingAttempt* attempt, OnLine on_line)
      : context_(context), attempt_(*attempt), errors_(context, attempt), on_line_(on_line) {}

  void Start(const std::string& command, const InputRange* range) {
    auto started =
        io::Command::Start({command, Environment(attempt_, context_->task(), range),
                            attempt_.directory, attempt_.cancelled, attempt_.memory_bytes},
                           this);
    if (!started.ok()) return context_->Fail(std::string(started.status().message()));
    command_ = *std::move(started);
  }
  bool running() const { return command_ != nullptr; }
  bool input_closed() const { return !running() || command_->input_closed(); }

  void Write(std::string_view bytes) {
    if (running()) Check(command_->Write(bytes));
  }
  /// Puts the parts of a line into the buffer that is written when it is full.
  template <typename... Part>
  void Feed(Part... parts) {
    (feed_.append(parts), ...);
    if (feed_.size() >= kFeedBytes) Flush();
  }
  void Flush() {
    Write(feed_);
    feed_.clear();
  }
  void Finish() {
    Flush();
    if (running()) Check(command_->Finish());
    command_.reset();
    errors_.End();
  }

  absl::StatusOr<std::size_t> OnOutput(std::string_view bytes) override {
    const char* const begin = bytes.data();
    const char* const end = begin + bytes.size();
    const char* line = begin;
    while (const char* newline = static_cast<const char*>(
               std::memchr(line, '\n', static_cast<std::size_t>(end - line)))) {
      on_line_(std::string_view(line, static_cast<std::size_t>(newline - line)));
      line = newline + 1;
    }
    if (static_cast<std::size_t>(end - line) > kCommandLineBytesMax)
      return absl::AbortedError(
          fmt::format("a command wrote a line of more than {} bytes", kCommandLineBytesMax));
    return static_cast<std::size_t>(line - begin);
  }
  absl::Status OnOutputEnd(std::string_view rest) override {
    if (!rest.empty()) on_line_(rest);
    return absl::OkStatus();
  }
  void OnError(std::string_view bytes) override { errors_.Append(bytes); }

 private:
  void Check(const absl::Status& status) {
    if (status.ok()) return;
    command_.reset();
    context_->Fail(std::string(status.message()));
  }

  Context* context_;
  const StreamingAttempt& attempt_;
  ErrorLines errors_;
  OnLine on_line_;
  std::unique_ptr<io::Command> command_;
  std::string feed_;
};

/// A line as key and value; the value begins with the TAB, so that key and value together are the
/// line again, also when it has none.
std::pair<std::string_view, std::string_view> CutLine(std::string_view line) {
  const void* tab = line.empty() ? nullptr : std::memchr(line.data(), '\t', line.size());
  if (tab == nullptr) return {line, {}};
  const auto key_bytes = static_cast<std::size_t>(static_cast<const char*>(tab) - line.data());
  return {line.substr(0, key_bytes), line.substr(key_bytes)};
}

/// Gathers map output for the combiner: sorts it, pipes it through the command, emits what comes.
class CombineBuffer {
 public:
  CombineBuffer(const StreamingAttempt* attempt, std::string command)
      : attempt_(*attempt), command_(std::move(command)) {}

  void Add(std::string_view line, Emitter& out) {
    lines_.push_back({bytes_.size(), line.size()});
    bytes_.append(line);
    if (bytes_.size() + lines_.size() * sizeof(Line) >= kCombineBufferBytes) Flush(out);
  }

  void Flush(Emitter& out) {
    if (lines_.empty()) return;
    std::stable_sort(lines_.begin(), lines_.end(), [this](const Line& a, const Line& b) {
      return CutLine(View(a)).first < CutLine(View(b)).first;
    });
    LineCommand command(&out, &attempt_, [&out](std::string_view line) {
      const auto [key, value] = CutLine(line);
      out.Emit(key, value);
    });
    command.Start(command_, nullptr);
    for (const Line& line : lines_) command.Feed(View(line), std::string_view("\n"));
    command.Finish();
    lines_.clear();
    bytes_.clear();
  }

 private:
  struct Line {
    std::size_t offset, size;
  };
  std::string_view View(const Line& line) const { return {bytes_.data() + line.offset, line.size}; }

  const StreamingAttempt& attempt_;
  const std::string command_;
  std::string bytes_;
  std::vector<Line> lines_;
};

class StreamingMapper final : public Mapper {
 public:
  StreamingMapper(StreamingCommands commands, StreamingAttempt attempt)
      : commands_(std::move(commands)), attempt_(std::move(attempt)) {
    if (!commands_.combiner.empty()) combine_.emplace(&attempt_, commands_.combiner);
  }

  void Start(Emitter& out) override { command_.emplace(&out, &attempt_, Emit{this, &out}); }

  bool MapBlock(const Block& block, Emitter& out) override {
    SwitchFile(block.file, block.offset, out);
    command_->Write(block.data);
    if (attempt_.format.kind == InputFormat::Kind::kLines && !block.data.ends_with('\n'))
      command_->Write("\n");
    return true;
  }

  void Map(const Record& record, Emitter& out) override {
    SwitchFile(record.file, record.offset, out);
    switch (attempt_.format.kind) {
      case InputFormat::Kind::kLines:
        return command_->Feed(record.value, std::string_view("\n"));
      case InputFormat::Kind::kFixed:
        return command_->Feed(record.value);
      case InputFormat::Kind::kFiles:
        return command_->Feed(record.key, std::string_view("\t"), record.value,
                              std::string_view("\n"));
    }
  }

  void Finish(Emitter& out) override {
    if (!command_->running() && file_.empty()) command_->Start(commands_.mapper, nullptr);
    command_->Finish();
    if (combine_) combine_->Flush(out);
  }

 private:
  struct Emit {
    StreamingMapper* mapper;
    Emitter* out;
    void operator()(std::string_view line) const {
      if (mapper->combine_) return mapper->combine_->Add(line, *out);
      const auto [key, value] = CutLine(line);
      out->Emit(key, value);
    }
  };

  void SwitchFile(std::string_view file, std::uint64_t offset, Emitter& out) {
    if (file == file_) return;
    (void)out;
    if (command_->running()) command_->Finish();
    file_ = file;
    command_->Start(commands_.mapper, RangeOf(offset));
  }

  const InputRange* RangeOf(std::uint64_t offset) const {
    const InputRange* found = nullptr;
    for (const InputRange& range : attempt_.split->ranges) {
      if (range.path == file_ && (found == nullptr || range.offset <= offset)) found = &range;
    }
    return found;
  }

  const StreamingCommands commands_;
  const StreamingAttempt attempt_;
  std::optional<CombineBuffer> combine_;
  std::string file_;
  std::optional<LineCommand<Emit>> command_;
};

class StreamingReducer final : public Reducer {
 public:
  StreamingReducer(StreamingCommands commands, StreamingAttempt attempt)
      : commands_(std::move(commands)), attempt_(std::move(attempt)) {}

  void Start(Output& out) override {
    command_.emplace(&out, &attempt_, Emit{&out});
    command_->Start(commands_.reducer, nullptr);
  }
  void Reduce(std::string_view key, Values& values, Output&) override {
    std::string_view value;
    while (!command_->input_closed() && values.Next(&value))
      command_->Feed(key, value, std::string_view("\n"));
  }
  void Finish(Output&) override { command_->Finish(); }

 private:
  struct Emit {
    Output* out;
    void operator()(std::string_view line) const { out->Emit(line, std::string_view()); }
  };

  const StreamingCommands commands_;
  const StreamingAttempt attempt_;
  std::optional<LineCommand<Emit>> command_;
};

/// Key and value are a line: its value has its own TAB.
class LineFormat final : public OutputFormat {
 public:
  void Append(std::string_view key, std::string_view value, std::string& out) override {
    out.append(key).append(value).push_back('\n');
  }
};

}  // namespace

Job MakeStreamingJob(const StreamingCommands& commands, StreamingAttempt attempt) {
  Job job;
  job.name = "streaming";
  job.mapper = [=] { return std::make_unique<StreamingMapper>(commands, attempt); };
  if (!commands.reducer.empty())
    job.reducer = [=] { return std::make_unique<StreamingReducer>(commands, attempt); };
  job.output_format = New<LineFormat>();
  return job;
}

}  // namespace trireme::mapreduce
