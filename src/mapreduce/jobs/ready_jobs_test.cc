#include "mapreduce/jobs/ready_jobs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <re2/re2.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <sstream>

#include "base/random.h"
#include "mapreduce/engine/fake_files.h"
#include "mapreduce/engine/splits.h"
#include "mapreduce/engine/task.h"
#include "mapreduce/jobs/line_matcher.h"

namespace trireme::mapreduce {
namespace {

using Kind = InputFormat::Kind;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Lines = std::vector<std::string>;

/// How a job is run; its output must not depend on anything but `reduces`.
struct How {
  InputFormat format = {};
  std::uint64_t split_bytes = kSplitBytesDefault;
  std::uint32_t reduces = 1;
  bool by_record = false;
  Lines arguments = {};
};

class ReadyJobsTest : public ::testing::Test {
 protected:
  ReadyJobsTest() {
    scratch_ = ::testing::TempDir() + "trireme_jobs_test.XXXXXX";
    EXPECT_NE(::mkdtemp(scratch_.data()), nullptr);
  }
  ~ReadyJobsTest() override { std::filesystem::remove_all(scratch_); }

  /// Runs a job over `input_` and returns its part files; none and *status on failure.
  Lines RunParts(const std::string& name, const Parameters& options, const How& how,
                 absl::Status* status) {
    const auto splits = PlanSplits(input_.Infos(), how.format, how.split_bytes);
    EXPECT_TRUE(splits.ok());
    const auto prepared =
        PrepareReadyJob(name, options, {&input_, how.arguments, *splits, how.format, how.reduces});
    *status = prepared.status();
    if (!prepared.ok()) return {};
    const auto job = MakeReadyJob(name, *prepared);
    *status = job.status();
    if (!job.ok()) return {};
    return RunTasks(*job, *prepared, *splits, how, status);
  }

  Lines RunTasks(const Job& job, const Parameters& options, const std::vector<Split>& splits,
                 const How& how, absl::Status* status) {
    JobSettings settings{.name = job.name, .parameters = options, .input_format = how.format};
    settings.reduces = how.reduces;
    CollectorMemory memory;
    const TaskEnvironment environment{&input_, 8 << 20, scratch_, &memory};
    TaskProgress progress;
    TaskControl control{.progress = &progress};
    std::unique_ptr<io::FileWriter> part;
    for (std::uint32_t i = 0; i < splits.size(); ++i) {
      MapTask task{i, how.by_record ? 1u : 0u, splits[i], {}, MapOutput(i)};
      const auto result = RunMapTask(job, settings, task, environment, &control, &part);
      *status = result.status();
      if (!result.ok()) return {};
      counters_ = result->counters;
    }
    Lines parts;
    FakeFiles output;
    const TaskEnvironment reduce_environment{&output, 8 << 20, scratch_, &memory};
    for (std::uint32_t r = 0; r < how.reduces; ++r) {
      ReduceTask task{r, 0, static_cast<std::uint32_t>(splits.size()), "part"};
      task.open =
          [&](std::uint32_t map) -> absl::StatusOr<std::vector<std::unique_ptr<BlockSource>>> {
        std::vector<std::unique_ptr<BlockSource>> sources;
        const absl::Status opened = OpenPartition(MapOutput(map), r, &sources);
        if (!opened.ok()) return opened;
        return sources;
      };
      TaskFailure failure;
      const auto result =
          RunReduceTask(job, settings, task, reduce_environment, &control, &part, &failure);
      *status = result.status();
      if (!result.ok()) return {};
      EXPECT_TRUE(part->Commit().ok());
      parts.push_back(output.files["part"]);
    }
    return parts;
  }

  std::string MapOutput(std::uint32_t map) const { return scratch_ + "/map" + std::to_string(map); }

  /// The part files one after the other.
  std::string Run(const std::string& name, const Parameters& options = {}, const How& how = {}) {
    absl::Status status;
    std::string all;
    for (const std::string& part : RunParts(name, options, how, &status)) all += part;
    EXPECT_TRUE(status.ok()) << status;
    return all;
  }

  std::string ErrorOf(const std::string& name, const Parameters& options, const How& how = {}) {
    absl::Status status;
    RunParts(name, options, how, &status);
    EXPECT_FALSE(status.ok());
    return std::string(status.message());
  }

  /// Runs with splits of many sizes, block-wise and by record: always `expected`.
  void ExpectAlways(const std::string& name, const Parameters& options, const std::string& expected,
                    How how = {}) {
    for (const std::uint64_t split_bytes : {60ull, 1ull << 26}) {
      for (const bool by_record : {false, true}) {
        how.split_bytes = split_bytes;
        how.by_record = by_record;
        ASSERT_EQ(Run(name, options, how), expected) << split_bytes << by_record;
      }
    }
  }

  FakeFiles input_;
  std::string scratch_;
  Counters counters_;  // of the last map task
};

Lines LinesOf(const std::string& text) {
  Lines lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> WordsOf(const std::string& line) {
  std::istringstream in(line);
  return {std::istream_iterator<std::string>(in), {}};
}

std::string Joined(const Lines& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

/// Words, some of them longer than the engine's inline keys, with irregular white space.
std::string RandomText(Random& random, std::size_t words) {
  static const Lines kVocabulary = {"a",
                                    "of",
                                    "the",
                                    "oar",
                                    "keel",
                                    "trireme",
                                    "sixteen-bytes-ok",
                                    "seventeen-bytes--",
                                    "a-word-that-is-rather-long-indeed",
                                    "\xc3\xa4\xff"};
  static const Lines kGaps = {" ", " ", " ", " ", "\n", "\n", "  ", "\t", "\r\n", "\n\n", " \n"};
  std::string text;
  for (; words != 0; --words) {
    text += kVocabulary[random.Below(kVocabulary.size())];
    text += kGaps[random.Below(kGaps.size())];
  }
  if (random.OneIn(2)) text += "end";
  return text;
}

std::string Counted(const std::map<std::string, int>& counts) {
  std::string text;
  for (const auto& [key, count] : counts) text += key + "\t" + std::to_string(count) + "\n";
  return text;
}

TEST_F(ReadyJobsTest, WordCountCountsWhatANaiveCountCounts) {
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    Random random(seed);
    std::map<std::string, int> expected;
    for (const char* path : {"a", "b"}) {
      input_.files[path] = RandomText(random, random.Below(150));
      for (const std::string& word : WordsOf(input_.files[path])) ++expected[word];
    }
    ExpectAlways("wordcount", {}, Counted(expected));
  }
}

TEST_F(ReadyJobsTest, FixedRecordsAreNotGluedTogether) {
  input_.files["a"] = "one twoone two";
  EXPECT_EQ(Run("wordcount", {}, {.format = {Kind::kFixed, 7}}), "one\t2\ntwo\t2\n");
}

TEST_F(ReadyJobsTest, NgramsStayWithinTheirLine) {
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    Random random(seed);
    const std::size_t n = 1 + seed % 4;
    std::map<std::string, int> expected;
    input_.files["a"] = RandomText(random, 200);
    for (const std::string& line : LinesOf(input_.files["a"])) {
      const Lines words = WordsOf(line);
      for (std::size_t i = 0; i + n <= words.size(); ++i) {
        std::string gram = words[i];
        for (std::size_t j = 1; j < n; ++j) gram += " " + words[i + j];
        ++expected[gram];
      }
    }
    ExpectAlways("ngrams", {{"n", std::to_string(n)}}, Counted(expected));
  }
}

Lines NaiveGrep(const std::string& text, const std::string& pattern, bool ignore_case,
                bool invert) {
  RE2::Options options;
  options.set_case_sensitive(!ignore_case);
  const RE2 regex(pattern, options);
  Lines matching;
  for (const std::string& line : LinesOf(text)) {
    if (RE2::PartialMatch(line, regex) != invert) matching.push_back(line);
  }
  std::sort(matching.begin(), matching.end());
  return matching;
}

TEST_F(ReadyJobsTest, GrepFindsTheLinesThatMatchAlone) {
  const Lines patterns = {"oar",
                          "o",
                          "THE",
                          "^the",
                          "^$",
                          "end$",
                          "a.*keel",
                          "(oar|of)",
                          "^a\\b",
                          "\\Athe",
                          "the\\z",
                          "(?i)KEEL$",
                          "x*",
                          "[^a-z]",
                          "\\s$",
                          "a\\s+of",
                          "(?-m)^of",
                          "nowhere",
                          "\\bof\\b.*\\bof\\b"};
  Random random(1);
  input_.files["a"] = RandomText(random, 120);
  for (const std::string& pattern : patterns) {
    SCOPED_TRACE(pattern);
    for (const bool invert : {false, true}) {
      for (const bool ignore_case : {false, true}) {
        const Parameters options = {{"pattern", pattern},
                                    {"invert-match", invert ? "true" : "false"},
                                    {"ignore-case", ignore_case ? "true" : "false"}};
        ExpectAlways("grep", options,
                     Joined(NaiveGrep(input_.files["a"], pattern, ignore_case, invert)));
      }
    }
  }
}

TEST(LineMatcherTest, ExpressionsWithARequiredTextMatchTheSameLines) {
  const Lines patterns = {"keels?",           "keel*",     "oark?eel.*of",  "the\\s+keel",
                          "keel{0,2}x",       "[^]k]keel", "[a\\]]keel",    "keel\\.",
                          "ke+el$",           "^keel",     "\xc3\xa4*keel", "\\x6beel",
                          "a[[:alpha:]]keel", "keel\\b",   "keel{2}",       "keel+l",
                          "kee(l)?x",         "keel|oar",  "keel{,2}",      "oar.?keel"};
  const Lines words = {"keel", "kee", "l",        "oar",  " ", "of", "x",  ".",
                       "]",    "the", "\xc3\xa4", "\xc3", "a", "\n", "\n", "{,2}"};
  int found = 0;
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    Random random(seed);
    std::string text;
    for (int i = 0; i < 40; ++i) text += words[random.Below(words.size())];
    if (text.ends_with('\n')) text += "x";
    const std::string& pattern = patterns[seed % patterns.size()];
    const auto matcher = LineMatcher::Create({.pattern = pattern});
    ASSERT_TRUE(matcher.ok()) << matcher.status();
    (*matcher)->Tune("nothing of the kind");
    Lines matching;
    for (std::size_t from = 0; from <= text.size();) {
      const std::string_view line = (*matcher)->Next(text, from);
      if (line.data() == nullptr) break;
      matching.emplace_back(line);
      from = static_cast<std::size_t>(line.data() + line.size() - text.data()) + 1;
    }
    std::sort(matching.begin(), matching.end());
    ASSERT_EQ(matching, NaiveGrep(text, pattern, false, false)) << pattern << " in " << text;
    found += !matching.empty();
  }
  EXPECT_GT(found, 300);
}

TEST_F(ReadyJobsTest, GrepOfFixedStringsAndFilenames) {
  input_.files["a"] = "1+1\n11\n\n";
  input_.files["b"] = "x1+1";
  EXPECT_EQ(Run("grep", {{"pattern", "1+1"}, {"fixed-strings", ""}}), "1+1\nx1+1\n");
  EXPECT_EQ(Run("grep", {{"pattern", "1+1"}, {"fixed-strings", ""}, {"with-filename", ""}}),
            "a\t1+1\nb\tx1+1\n");
  EXPECT_EQ(Run("grep", {{"pattern", "X1+"}, {"fixed-strings", ""}, {"ignore-case", ""}}),
            "x1+1\n");
  EXPECT_EQ(Run("grep", {{"pattern", ""}}), "\n1+1\n11\nx1+1\n");
}

TEST_F(ReadyJobsTest, GrepNamesABadPattern) {
  EXPECT_THAT(ErrorOf("grep", {{"pattern", "(x"}}), AllOf(HasSubstr("(x"), HasSubstr("missing )")));
  EXPECT_THAT(ErrorOf("grep", {{"pattern", "x)(y"}}), HasSubstr("unexpected )"));
  EXPECT_THAT(ErrorOf("grep", {{"pattern", "a\nb"}}), HasSubstr("line break"));
  EXPECT_THAT(ErrorOf("grep", {}), HasSubstr("--pattern"));
}

TEST_F(ReadyJobsTest, IndexListsEachWordsFilesOnce) {
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    Random random(seed);
    input_.files.clear();
    std::map<std::string, std::set<std::string>> expected;
    for (const char* path : {"a", "b.gz", "c/d"}) {
      const std::string text = RandomText(random, random.Below(200));
      for (const std::string& word : WordsOf(text)) expected[word].insert(path);
      input_.files[path] = std::string_view(path) == "b.gz" ? Gzip(text) : text;
    }
    std::string lines;
    for (const auto& [word, files] : expected) {
      lines += word + "\t" + std::to_string(files.size());
      for (char separator = ' '; const std::string& file : files) {
        lines += separator + file;
        separator = ',';
      }
      lines += "\n";
    }
    ExpectAlways("index", {}, lines);
  }
}

TEST_F(ReadyJobsTest, IndexOfWholeFilesAndOfInputInAnyOrder) {
  input_.files = {{"a", "x y"}, {"b", "x"}};
  EXPECT_EQ(Run("index", {}, {.format = {Kind::kFiles}}), "x\t2 a,b\ny\t1 a\n");
  const std::vector<Split> backwards = {{{{"b", 0, 1}}}, {{{"a", 0, 3}}}, {{{"b", 0, 1}}}};
  absl::Status status;
  EXPECT_THAT(RunTasks(*MakeReadyJob("index", {}), {}, backwards, {}, &status),
              ElementsAre("x\t2 a,b\ny\t1 a\n"));
}

TEST_F(ReadyJobsTest, SortedPartsAreInTotalOrder) {
  Random random(7);
  Lines lines;
  for (int i = 0; i < 3000; ++i) {
    std::string line(random.Below(12), '\0');
    for (char& byte : line) byte = static_cast<char>(random.OneIn(3) ? random.Next() : 'a');
    std::replace(line.begin(), line.end(), '\n', 'n');
    lines.push_back(line);
  }
  input_.files["a"] = Joined(lines);
  std::sort(lines.begin(), lines.end());
  for (const std::uint32_t reduces : {1u, 2u, 7u, 100u})
    EXPECT_EQ(Run("sort", {}, {.split_bytes = 3000, .reduces = reduces}), Joined(lines));
  absl::Status status;
  const Lines parts = RunParts("sort", {}, {.reduces = 5}, &status);
  for (const std::string& part : parts) EXPECT_THAT(LinesOf(part).size(), ::testing::Gt(200u));
}

TEST_F(ReadyJobsTest, SortOfFixedRecordsByKeyIsStable) {
  Random random(3);
  std::vector<std::string> records;
  for (int i = 0; i < 2000; ++i) {
    std::string record = std::to_string(10 + random.Below(30)) + std::to_string(10000 + i) + "\n";
    record[2] = static_cast<char>(random.Next());
    records.push_back(record);
    input_.files["a"] += record;
  }
  std::stable_sort(records.begin(), records.end(),
                   [](const auto& a, const auto& b) { return a.substr(0, 2) < b.substr(0, 2); });
  std::string expected;
  for (const std::string& record : records) expected += record;
  ExpectAlways("sort", {{"key-bytes", "2"}}, expected, {.format = {Kind::kFixed, 8}, .reduces = 3});
}

TEST_F(ReadyJobsTest, SortOfNothingIsNothing) {
  EXPECT_EQ(Run("sort", {}, {.reduces = 3}), "");
}

std::string NaiveJoin(const Lines& left, const Lines& right) {
  Lines joined;
  for (const std::string& l : left) {
    for (const std::string& r : right) {
      const std::size_t lt = l.find('\t'), rt = r.find('\t');
      if (l.substr(0, lt) == r.substr(0, rt)) joined.push_back(l + r.substr(rt));
    }
  }
  std::sort(joined.begin(), joined.end());
  return Joined(joined);
}

TEST_F(ReadyJobsTest, JoinPairsEveryLeftLineWithEveryRightLineOfItsKey) {
  Random random(5);
  Lines left, right;
  for (int i = 0; i < 120; ++i) {
    // Keys with zero bytes, one a prefix of the other: what the side marks must not confuse.
    static const std::string kKeys[] = {
        "a",     "b",   std::string("a\0", 2), std::string("a\0l", 3), std::string("a\0\1l", 4), "",
        "a\xff", "only"};
    const std::string& key = kKeys[random.Below(7)];
    (random.OneIn(2) ? left : right).push_back(key + "\t" + std::to_string(i));
  }
  left.push_back("only\tleft");
  // The right side sorts first by name: the order of files is not the order of sides.
  input_.files = {{"z/left", Joined(left)}, {"a/right", Joined(right)}};
  for (const std::uint64_t split_bytes : {10ull, 1ull << 20}) {
    for (const std::uint32_t reduces : {1u, 3u}) {
      How how{.split_bytes = split_bytes, .reduces = reduces, .arguments = {"z", "a/r*"}};
      Lines lines = LinesOf(Run("join", {}, how));
      std::sort(lines.begin(), lines.end());
      EXPECT_EQ(Joined(lines), NaiveJoin(left, right));
    }
  }
}

TEST_F(ReadyJobsTest, JoinFieldsAndSeparators) {
  input_.files = {{"l", "x,k1,y\nx,k2,z\nshort\n"}, {"r", "1,k1\n2,k2,3\n"}};
  const Parameters options = {
      {"left", "l"}, {"right", "r"}, {"key-field", "2"}, {"separator", ","}};
  EXPECT_EQ(Run("join", options), "k1\tx,y\t1\nk2\tx,z\t2,3\n");
  input_.files.erase("r");
  Run("join", options);
  EXPECT_EQ((counters_[{"join", "lines without the key field"}]), 1);
}

TEST_F(ReadyJobsTest, JoinWithItselfAndErrors) {
  input_.files = {{"l", "k\t1\nk\t2\n"}};
  EXPECT_EQ(Run("join", {{"left", "l"}, {"right", "l"}}), "k\t1\t1\nk\t2\t1\nk\t1\t2\nk\t2\t2\n");
  EXPECT_THAT(ErrorOf("join", {{"left", "l"}, {"right", "l"}, {"buffer", "40"}}),
              AllOf(HasSubstr("key 'k'"), HasSubstr("--buffer")));
  EXPECT_THAT(ErrorOf("join", {{"left", "x"}, {"right", "y"}}), HasSubstr("input l is neither"));
  EXPECT_THAT(ErrorOf("join", {{"left", "l"}}), HasSubstr("--right"));
  EXPECT_THAT(ErrorOf("join", {{"left", "l"}, {"right", "l"}, {"separator", ""}}),
              HasSubstr("--separator"));
}

TEST_F(ReadyJobsTest, WrongUseIsNamed) {
  EXPECT_THAT(ErrorOf("wordcoutn", {}),
              AllOf(HasSubstr("wordcoutn"), HasSubstr("wordcount, ngrams")));
  EXPECT_THAT(ErrorOf("ngrams", {{"m", "3"}}), AllOf(HasSubstr("--m"), HasSubstr("--n")));
  EXPECT_THAT(ErrorOf("ngrams", {{"n", "0"}}), AllOf(HasSubstr("--n"), HasSubstr("from 1 to 64")));
  EXPECT_THAT(ErrorOf("ngrams", {{"n", "3x"}}), HasSubstr("3x"));
  EXPECT_THAT(ErrorOf("grep", {{"pattern", "x"}, {"ignore-case", "yes"}}), HasSubstr("yes"));
  EXPECT_THAT(std::string(MakeReadyJob("sort", {{"boundaries", "6"}}).status().message()),
              HasSubstr("hexadecimal"));
  EXPECT_THAT(ErrorOf("sort", {}, {.format = {Kind::kFiles}}), HasSubstr("--format files"));
}

TEST_F(ReadyJobsTest, EveryJobAndOptionIsDescribed) {
  EXPECT_EQ(ReadyJobs().size(), 6u);
  for (const ReadyJob& job : ReadyJobs()) {
    EXPECT_EQ(FindReadyJob(job.name), &job);
    EXPECT_FALSE(job.description.empty());
    for (const ReadyJobOption& option : job.options) EXPECT_FALSE(option.help.empty());
  }
}

}  // namespace
}  // namespace trireme::mapreduce
