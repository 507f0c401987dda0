/// The longest lines that begin with each word, as a job in a shared object:
///
///   trireme mr run --plugin longest_line.so --set keep=3 --input DIR --output longest
#include <trireme/mapreduce.h>

#include <algorithm>
#include <string>
#include <vector>

namespace mr = trireme::mapreduce;

class FirstWordMapper : public mr::Mapper {
 public:
  void Map(const mr::Record& line, mr::Emitter& out) override {
    for (std::string_view word : mr::Words(line.value)) {
      out.Emit(word, line.value);
      return;
    }
    out.Count("empty lines");
  }
};

class LongestReducer : public mr::Reducer {
 public:
  void Start(mr::Output& out) override { keep_ = std::stoul(std::string(out.Param("keep", "1"))); }
  void Reduce(std::string_view key, mr::Values& values, mr::Output& out) override {
    std::vector<std::string> lines;
    for (std::string_view value; values.Next(&value);) lines.emplace_back(value);
    std::sort(lines.begin(), lines.end(), [](const std::string& a, const std::string& b) {
      return a.size() != b.size() ? a.size() > b.size() : a < b;
    });
    lines.resize(std::min(lines.size(), keep_));
    for (const std::string& line : lines) out.Emit(key, line);
  }

 private:
  std::size_t keep_ = 1;
};

TRIREME_MAPREDUCE_PLUGIN((mr::Job{.name = "longest-line",
                                  .description = "the longest lines by their first word",
                                  .mapper = mr::New<FirstWordMapper>(),
                                  .reducer = mr::New<LongestReducer>()}))
