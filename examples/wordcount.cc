/// Counts words: the program from the paper's appendix.
///
///   example_wordcount --input /usr/share/common-licenses --output counts
#include <trireme/mapreduce.h>

namespace mr = trireme::mapreduce;

class WordMapper : public mr::Mapper {
 public:
  void Map(const mr::Record& line, mr::Emitter& out) override {
    for (std::string_view word : mr::Words(line.value)) out.Emit(word, 1);
  }
};

int main(int argc, char** argv) {
  mr::Job job{.name = "wordcount", .description = "how often each word occurs"};
  job.mapper = mr::New<WordMapper>();
  job.aggregation = mr::Aggregation::kSum;
  return mr::Main(argc, argv, job);
}
