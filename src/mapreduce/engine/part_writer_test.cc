#include "mapreduce/engine/part_writer.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include <stdexcept>

#include "base/random.h"
#include "mapreduce/engine/task_testing.h"

namespace trireme::mapreduce {
namespace {

/// Takes bytes until it is full.
class FailingWriter final : public io::FileWriter {
 public:
  explicit FailingWriter(std::size_t room) : room_(room) {}
  absl::Status Append(std::string_view bytes) override {
    if (bytes.size() > room_) return absl::ResourceExhaustedError("write part: no space left");
    room_ -= bytes.size();
    return absl::OkStatus();
  }
  absl::Status Commit() override { return absl::InternalError("not to be committed"); }
  void Abort() override {}

 private:
  std::size_t room_;
};

class FailingFiles final : public io::FileSystem {
 public:
  FailingFiles(io::FileSystem* files, std::size_t room) : files_(*files), room_(room) {}
  absl::StatusOr<std::unique_ptr<io::ReadableFile>> Open(const std::string& path) override {
    return files_.Open(path);
  }
  absl::StatusOr<io::FileStat> Stat(const std::string& path) override { return files_.Stat(path); }
  absl::StatusOr<std::vector<io::DirectoryEntry>> List(const std::string& path) override {
    return files_.List(path);
  }
  absl::StatusOr<std::unique_ptr<io::FileWriter>> Create(const std::string&,
                                                         io::Durability) override {
    return std::make_unique<FailingWriter>(room_);
  }
  absl::Status Rename(const std::string& from, const std::string& to) override {
    return files_.Rename(from, to);
  }
  absl::Status MakeDirectories(const std::string& path) override {
    return files_.MakeDirectories(path);
  }
  absl::Status RemoveTree(const std::string& path) override { return files_.RemoveTree(path); }
  absl::Status RemoveEmptyDirectory(const std::string& path) override {
    return files_.RemoveEmptyDirectory(path);
  }
  absl::StatusOr<std::unique_ptr<io::DirectoryLock>> LockDirectory(
      const std::string& path) override {
    return files_.LockDirectory(path);
  }

 private:
  io::FileSystem& files_;
  std::size_t room_;
};

struct Written {
  std::string bytes;
  std::uint64_t size = 0, records = 0;
};

Written Write(Bench& bench, std::unique_ptr<OutputFormat> format, bool compress,
              const std::vector<std::pair<std::string, std::string>>& records) {
  internal::TaskContext context({}, &bench.settings.parameters, &bench.control);
  auto file = bench.files.Create("part", io::Durability::kProcess);
  PartWriter writer(file->get(), std::move(format), compress, &context);
  for (const auto& [key, value] : records) writer.Add(key, value);
  EXPECT_TRUE(writer.Finish().ok());
  EXPECT_TRUE((*file)->Commit().ok());
  return {bench.files.files["part"], writer.bytes(), writer.records()};
}

std::string Decompress(const std::string& bytes, std::size_t size) {
  std::string out(size, '\0');
  const std::size_t n = ZSTD_decompress(out.data(), out.size(), bytes.data(), bytes.size());
  return ZSTD_isError(n) ? ZSTD_getErrorName(n) : out.substr(0, n);
}

TEST(PartWriter, CompressedOrNotItIsTheSame) {
  Bench bench;
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    std::vector<std::pair<std::string, std::string>> records(random.Below(3000));
    std::string want;
    for (auto& [key, value] : records) {
      key = std::string(random.Below(random.OneIn(500) ? 2000000 : 20), 'k') +
            std::to_string(random.Next());
      value = random.OneIn(3) ? "" : std::to_string(random.Next());
      want += key + (value.empty() ? "" : "\t" + value) + "\n";
    }
    const Written plain = Write(bench, nullptr, false, records);
    ASSERT_TRUE(plain.bytes == want);
    ASSERT_EQ(plain.size, want.size());
    ASSERT_EQ(plain.records, records.size());
    const Written compressed = Write(bench, nullptr, true, records);
    ASSERT_TRUE(Decompress(compressed.bytes, want.size()) == want);
    ASSERT_EQ(compressed.size, want.size());
  }
}

class BracketFormat final : public OutputFormat {
 public:
  void Begin(std::string& out) override { out += '['; }
  void Append(std::string_view key, std::string_view value, std::string& out) override {
    out.append(key).append("=").append(value) += ';';
  }
  void End(std::string& out) override { out += ']'; }
};

TEST(PartWriter, TheJobsFormatBeginsAndEndsTheFile) {
  Bench bench;
  EXPECT_EQ(Write(bench, std::make_unique<BracketFormat>(), false, {}).bytes, "[]");
  const Written written =
      Write(bench, std::make_unique<BracketFormat>(), true, {{"a", "1"}, {"b", ""}});
  EXPECT_EQ(Decompress(written.bytes, 100), "[a=1;b=;]");
}

TEST(PartWriter, FormattedRecordsStandWhereTheyWereEmitted) {
  for (const bool compress : {false, true}) {
    Bench bench;
    bench.settings.compress_output = compress;
    bench.files.files["in"] = "b\nd\n";
    Job job;
    job.mapper = MapBy([](const Record& record, Emitter& out) { out.Emit(record.value, "1"); });
    const std::string large(3 << 20, 'x');
    job.reducer = ReduceBy([&](std::string_view key, Values&, Output& out) {
      out.EmitFormatted("two\nlines\n", 2);
      out.Emit(key, "plain");
      out.EmitFormatted(large, 1);
    });
    ASSERT_TRUE(bench.Map(job, bench.MapOf("in")).ok());
    const auto result = bench.Reduce(job, bench.ReduceOf(0, 1));
    ASSERT_TRUE(result.ok()) << result.status();
    const std::string want = "two\nlines\nb\tplain\n" + large + "two\nlines\nd\tplain\n" + large;
    const std::string bytes = bench.Part("part-0");
    EXPECT_TRUE((compress ? Decompress(bytes, want.size()) : bytes) == want);
    EXPECT_EQ(result->output_records, 8u);
    EXPECT_EQ(result->output_bytes, want.size());
  }
}

class ThrowingFormat final : public OutputFormat {
 public:
  void Begin(std::string&) override { throw std::runtime_error("cannot begin"); }
  void Append(std::string_view, std::string_view, std::string&) override {}
};

TEST(PartWriter, AFormatThatThrowsFailsTheAttempt) {
  Bench bench;
  bench.settings.compress_output = true;
  Job job;
  job.mapper = MapBy([](const Record&, Emitter&) {});
  job.output_format = New<ThrowingFormat>();
  EXPECT_EQ(bench.Reduce(job, bench.ReduceOf(0, 0)).status(),
            absl::AbortedError("the reduce threw: cannot begin"));
}

TEST(PartWriter, AFullDiskFailsTheAttemptWithItsStatus) {
  for (const bool compress : {false, true}) {
    for (const bool map_only : {false, true}) {
      for (const std::size_t room : {0, 10, 1 << 20}) {
        Bench bench;
        FailingFiles full(&bench.files, room);
        bench.output_files = &full;
        bench.settings.compress_output = compress;
        bench.settings.reduces = map_only ? 0 : 1;
        bench.files.files["in"] = "x\n";
        Job job;
        job.mapper = MapBy([](const Record&, Emitter& out) {
          Random random(1);
          for (int i = 0; i < 200000; ++i) out.Emit(std::to_string(random.Next()), "value");
        });
        absl::Status status = bench.Map(job, bench.MapOf("in")).status();
        if (!map_only) {
          ASSERT_TRUE(status.ok()) << status;
          status = bench.Reduce(job, bench.ReduceOf(0, 1)).status();
        }
        EXPECT_EQ(status, absl::ResourceExhaustedError("write part: no space left"));
      }
    }
  }
}

}  // namespace
}  // namespace trireme::mapreduce
