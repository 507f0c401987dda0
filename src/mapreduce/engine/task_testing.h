#pragma once

#include <trireme/mapreduce.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "mapreduce/engine/fake_files.h"
#include "mapreduce/engine/task.h"

/// Whole attempts on files in memory, for tests.
namespace trireme::mapreduce {

/// A directory that goes with the object.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "trireme-test-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  ~ScratchDirectory() { std::filesystem::remove_all(path_); }
  std::string operator/(std::string_view name) const { return fmt::format("{}/{}", path_, name); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline std::string ReadLocal(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void WriteLocal(const std::string& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

/// A mapper from a function.
class FunctionMapper final : public Mapper {
 public:
  using Function = std::function<void(const Record&, Emitter&)>;
  explicit FunctionMapper(Function map) : map_(std::move(map)) {}
  void Map(const Record& record, Emitter& out) override { map_(record, out); }

 private:
  Function map_;
};

/// A reducer from a function.
class FunctionReducer final : public Reducer {
 public:
  using Function = std::function<void(std::string_view, Values&, Output&)>;
  explicit FunctionReducer(Function reduce) : reduce_(std::move(reduce)) {}
  void Reduce(std::string_view key, Values& values, Output& out) override {
    reduce_(key, values, out);
  }

 private:
  Function reduce_;
};

inline Factory<Mapper> MapBy(FunctionMapper::Function map) {
  return New<FunctionMapper>(std::move(map));
}
inline Factory<Reducer> ReduceBy(FunctionReducer::Function reduce) {
  return New<FunctionReducer>(std::move(reduce));
}

/// What a job runs on in a test; its fields may be changed between attempts.
struct Bench {
  ScratchDirectory scratch;
  FakeFiles files;
  JobSettings settings;
  std::size_t memory_bytes = 4 << 20;
  std::size_t files_max = 1000;
  CollectorMemory memory;
  TaskProgress progress;
  TaskControl control{{false}, &progress};
  TaskFailure failure;
  std::unique_ptr<io::FileWriter> part;
  io::FileSystem* output_files = &files;

  TaskEnvironment Environment() {
    return {output_files, memory_bytes, scratch.path(), &memory, files_max};
  }
  std::string MapOutput(std::uint32_t map) const { return scratch / fmt::format("map-{}", map); }

  /// A map over all of one file in `files`.
  MapTask MapOf(const std::string& path, std::uint32_t index = 0) const {
    MapTask task;
    task.index = index;
    task.split.ranges = {{path, 0, files.files.at(path).size()}};
    task.output_path = settings.reduces == 0 ? "part-m" : MapOutput(index);
    return task;
  }
  absl::StatusOr<TaskResult> Map(const Job& job, const MapTask& task) {
    return RunMapTask(job, settings, task, Environment(), &control, &part);
  }

  ReduceTask ReduceOf(std::uint32_t partition, std::uint32_t maps) const {
    ReduceTask task;
    task.index = partition;
    task.maps = maps;
    task.output_path = fmt::format("part-{}", partition);
    task.open =
        [this, partition](
            std::uint32_t map) -> absl::StatusOr<std::vector<std::unique_ptr<BlockSource>>> {
      std::vector<std::unique_ptr<BlockSource>> sources;
      if (absl::Status status = OpenPartition(MapOutput(map), partition, &sources); !status.ok())
        return status;
      return sources;
    };
    return task;
  }
  absl::StatusOr<TaskResult> Reduce(const Job& job, const ReduceTask& task) {
    failure = {};
    return RunReduceTask(job, settings, task, Environment(), &control, &part, &failure);
  }

  /// Commits the part of the last attempt and gives its contents.
  std::string Part(const std::string& path) {
    if (part == nullptr || !part->Commit().ok()) return "no part";
    part.reset();
    return files.files.at(path);
  }
};

}  // namespace trireme::mapreduce
