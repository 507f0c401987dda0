#include <algorithm>
#include <memory>
#include <string_view>

#include "base/status_macros.h"
#include "mapreduce/jobs/factories.h"
#include "mapreduce/jobs/line_matcher.h"

namespace trireme::mapreduce {
namespace {

/// How much of the first block the matcher is tuned on.
constexpr std::size_t kTuneBytes = 4096;

class GrepMapper final : public Mapper {
 public:
  struct Options {
    LineMatcher::Options matcher;
    bool invert = false;
    bool with_filename = false;
    bool blocks = true;  // a block's lines are the records
  };

  explicit GrepMapper(const Options& options) : options_(options) {}

  void Start(Emitter& out) override {
    auto matcher = LineMatcher::Create(options_.matcher);
    if (!matcher.ok()) return out.Fail(std::string(matcher.status().message()));
    matcher_ = *std::move(matcher);
  }

  void Map(const Record& record, Emitter& out) override { Search(record.value, record.file, out); }

  bool MapBlock(const Block& block, Emitter& out) override {
    if (!options_.blocks) return false;
    std::string_view lines = block.data;
    if (lines.ends_with('\n')) lines.remove_suffix(1);
    Search(lines, block.file, out);
    return true;
  }

 private:
  void Search(std::string_view lines, std::string_view file, Emitter& out) {
    if (matcher_ == nullptr) return;
    if (!tuned_) matcher_->Tune(lines.substr(0, kTuneBytes));
    tuned_ = true;
    for (std::size_t from = 0; from <= lines.size();) {
      const std::string_view line = matcher_->Next(lines, from);
      const bool found = line.data() != nullptr;
      const std::size_t begin =
          found ? static_cast<std::size_t>(line.data() - lines.data()) : lines.size() + 1;
      if (options_.invert) EmitLines(lines, from, begin, file, out);
      if (!found) return;
      if (!options_.invert) EmitLine(line, file, out);
      from = begin + line.size() + 1;
    }
  }

  /// The lines in [from, end), each of which ends before a '\n' at `end - 1` at the latest.
  void EmitLines(std::string_view lines, std::size_t from, std::size_t end, std::string_view file,
                 Emitter& out) const {
    while (from < end) {
      const std::size_t line_end = std::min(lines.find('\n', from), lines.size());
      EmitLine(lines.substr(from, line_end - from), file, out);
      from = line_end + 1;
    }
  }

  void EmitLine(std::string_view line, std::string_view file, Emitter& out) const {
    if (options_.with_filename) {
      out.Emit(file, line);
    } else {
      out.Emit(line, std::string_view());
    }
  }

  const Options options_;
  std::unique_ptr<LineMatcher> matcher_;
  bool tuned_ = false;
};

}  // namespace

absl::StatusOr<Job> MakeGrep(const JobOptions& options) {
  GrepMapper::Options grep;
  grep.matcher.pattern = options.String("pattern");
  TRIREME_ASSIGN_OR_RETURN(grep.matcher.ignore_case, options.Flag("ignore-case"));
  TRIREME_ASSIGN_OR_RETURN(grep.matcher.fixed_strings, options.Flag("fixed-strings"));
  TRIREME_ASSIGN_OR_RETURN(grep.invert, options.Flag("invert-match"));
  TRIREME_ASSIGN_OR_RETURN(grep.with_filename, options.Flag("with-filename"));
  grep.blocks = !options.Has(kRecordBytesOption);
  if (const auto matcher = LineMatcher::Create(grep.matcher); !matcher.ok())
    return matcher.status();
  return Job{.mapper = New<GrepMapper>(grep)};
}

}  // namespace trireme::mapreduce
