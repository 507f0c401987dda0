#include "kv/model/state_stream.h"

#include <gtest/gtest.h>

#include "kv/model/test_against_twin.h"
#include "kv/model/test_store.h"

namespace trireme::kv::inline engine {
namespace {

std::string Export(OrderedStore& store) {
  const auto snapshot = store.Snapshot();
  StateWriter writer(*snapshot);
  std::string stream;
  while (*writer.Next(&stream)) {
  }
  return stream;
}

absl::Status Import(std::string_view stream, std::size_t step, OrderedStore& store) {
  StateReader reader(store);
  for (; !stream.empty(); stream.remove_prefix(std::min(step, stream.size())))
    if (const auto status = reader.Feed(stream.substr(0, step)); !status.ok()) return status;
  return reader.Finish();
}

TEST(StateStream, AStateComesBackHoweverItsBytesAreCut) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    TestStore store;
    AgainstTwin run(store, seed);
    run.Run(80);
    ASSERT_TRUE(run.model().Commit().ok());
    const std::string stream = Export(store);
    for (const std::size_t step : {std::size_t{1}, std::size_t{7}, stream.size()}) {
      TestStore copy;
      const auto status = Import(stream, step, copy);
      ASSERT_TRUE(status.ok()) << status;
      EXPECT_EQ(copy.entries(), store.entries());
      EXPECT_TRUE(Model::Open(copy).ok());
    }
  }
}

TEST(StateStream, LargeStatesGoInBlocks) {
  TestStore store;
  auto model = *Model::Open(store);
  const std::string value(100'000, 'v'), huge(1'500'000, 'h');
  for (int i = 0; i < 20; ++i) {
    Outcome outcome;
    const std::string key = fmt::format("key{}", i);
    const PutRequest put = {.key = key, .value = i == 7 ? huge : value};
    ASSERT_TRUE(model->Apply(model->applied_index() + 1, 1, {.body = put}, &outcome).ok());
  }
  ASSERT_TRUE(model->Commit().ok());
  const auto snapshot = store.Snapshot();
  StateWriter writer(*snapshot);
  std::string part;
  int parts = 1;
  for (; *writer.Next(&part); ++parts) {
    EXPECT_LE(part.size(), huge.size() + kStateBlockBytes);
    part.clear();
  }
  EXPECT_GT(parts, 8);
  TestStore copy;
  ASSERT_TRUE(Import(Export(store), 65'536, copy).ok());
  EXPECT_EQ(copy.entries(), store.entries());
}

TEST(StateStream, AnyChangedByteAndAnyBreakIsRefusedAndLeavesNoState) {
  TestStore store;
  AgainstTwin(store, 5).Run(40);
  const std::string stream = Export(store);
  for (std::size_t i = 0; i < stream.size(); ++i) {
    std::string bad = stream;
    bad[i] = static_cast<char>(bad[i] ^ 0x20);
    TestStore copy;
    EXPECT_TRUE(absl::IsDataLoss(Import(bad, bad.size(), copy))) << i;
    EXPECT_FALSE(copy.entries().contains("m"));
    TestStore part;
    EXPECT_TRUE(absl::IsDataLoss(Import(stream.substr(0, i), 100, part))) << i;
    EXPECT_FALSE(part.entries().contains("m"));
  }
  TestStore copy;
  EXPECT_TRUE(absl::IsDataLoss(Import(stream + "x", stream.size() + 1, copy)));
}

}  // namespace
}  // namespace trireme::kv::inline engine
