#include "kv/server/page_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "kv/model/model.h"
#include "kv/store/memory_store.h"

namespace trireme::kv::inline engine {
namespace {

using Json = nlohmann::json;

class KeysTest : public testing::Test {
 protected:
  void Put(const std::string& key, const std::string& value = "v") {
    Outcome outcome;
    ASSERT_TRUE(
        model->Apply(++index, 1, Command{.body = PutRequest{.key = key, .value = value}}, &outcome)
            .ok());
    ASSERT_TRUE(model->Commit().ok());
  }
  Json Ask(const KeysQuestion& question) {
    const auto json = KeysJson(*model->View(), question);
    EXPECT_TRUE(json.ok()) << json.status();
    return Json::parse(*json);
  }
  std::vector<std::string> Keys(const KeysQuestion& question) {
    std::vector<std::string> keys;
    const Json page = Ask(question);
    for (const Json& one : page["keys"]) {
      std::string key;
      EXPECT_TRUE(absl::Base64Unescape(one["key"].get<std::string>(), &key));
      keys.push_back(key);
    }
    return keys;
  }

  MemoryStore store;
  std::unique_ptr<Model> model = Model::Open(store).value();
  std::uint64_t index = 0;
};

TEST_F(KeysTest, ByPrefixAndPage) {
  for (const char* key : {"a", "b/1", "b/2", "b/3", "c"}) Put(key);
  using List = std::vector<std::string>;
  EXPECT_EQ(Keys({}), (List{"a", "b/1", "b/2", "b/3", "c"}));
  EXPECT_EQ(Keys({.prefix = "b/"}), (List{"b/1", "b/2", "b/3"}));
  EXPECT_EQ(Keys({.prefix = "b/", .limit = 2}), (List{"b/1", "b/2"}));
  EXPECT_EQ(Keys({.prefix = "b/", .after = "b/2"}), (List{"b/3"}));
  EXPECT_EQ(Keys({.prefix = "b/", .after = "b/3"}), List{});
  EXPECT_EQ(Keys({.prefix = "b/", .after = "zzz"}), List{});
  EXPECT_EQ(Keys({.prefix = "d"}), List{});
  EXPECT_TRUE(Ask({.limit = 4})["more"].get<bool>());
  EXPECT_FALSE(Ask({.limit = 5})["more"].get<bool>());
}

TEST_F(KeysTest, AnyBytes) {
  const std::string last("\xff\xff", 2), zero("\0x", 2);
  Put(last);
  Put(zero);
  EXPECT_EQ(Keys({}), (std::vector<std::string>{zero, last}));
  EXPECT_EQ(Keys({.prefix = "\xff"}), std::vector<std::string>{last});
  EXPECT_EQ(Keys({.prefix = std::string(1, '\0')}), std::vector<std::string>{zero});
}

TEST_F(KeysTest, LimitsAreKept) {
  for (int i = 0; i < 300; ++i) Put("k" + std::to_string(1000 + i), std::string(5000, 'x'));
  const Json all = Ask({.limit = 1'000'000});
  EXPECT_EQ(all["keys"].size(), static_cast<std::size_t>(kPageKeysMax));
  EXPECT_EQ(all["keys"][0]["value_bytes"], 5000);
  std::string value;
  ASSERT_TRUE(absl::Base64Unescape(all["keys"][0]["value"].get<std::string>(), &value));
  EXPECT_EQ(value.size(), kPageValueBytesMax);
  EXPECT_EQ(Ask({.limit = -5})["keys"].size(), 1u);
}

TEST_F(KeysTest, AreCounted) {
  EXPECT_EQ(CountKeys(*model->View())->keys, 0u);
  for (int i = 0; i < 20; ++i) Put("k" + std::to_string(i % 7));
  const auto count = CountKeys(*model->View());
  EXPECT_EQ(count->keys, 7u);
  EXPECT_FALSE(count->more);
}

PageState Three() {
  PageState state = {.unix_ms = 5000, .name = "a"};
  state.self = {.member = 1, .commit = 100};
  state.raft.self = raft::NodeId{1};
  state.raft.commit = raft::Index{100};
  state.roster = {{.id = 1, .name = "a"}, {.id = 2, .name = "b"}, {.id = 3, .name = "c"}};
  return state;
}

TEST(PageStateTest, LagAsTheLeaderKnowsIt) {
  PageState state = Three();
  state.raft.leader = raft::NodeId{1};
  state.raft.peers = {{.id = raft::NodeId{2}, .match = raft::Index{100}},
                      {.id = raft::NodeId{3}, .match = raft::Index{60}}};
  EXPECT_EQ(LargestLag(state), 40u);
}

TEST(PageStateTest, LagAsAFollowerHearsOfIt) {
  PageState state = Three();
  state.raft.leader = raft::NodeId{2};
  // Heard a while ago, when all had the same.
  state.peers = {{2,
                  {.status = {.member = 2, .commit = 50},
                   .heard_unix_ms = 1,
                   .own_commit = 50,
                   .answers = true}},
                 {3,
                  {.status = {.member = 3, .commit = 50},
                   .heard_unix_ms = 1,
                   .own_commit = 50,
                   .answers = true}}};
  EXPECT_EQ(LargestLag(state), 0u);
  state.peers[1].second.answers = false;  // The others go on without it.
  EXPECT_EQ(LargestLag(state), 50u);
  state.peers[1].second.answers = true;
  state.peers[0].second.status.commit = 80;  // The leader was ahead of this one.
  EXPECT_EQ(LargestLag(state), 30u);
}

TEST(PageStateTest, ElectionsOfAllByTimeAndBounded) {
  PageState state = Three();
  state.self.elections = {{1000, 1, 1, raft::RoleName::kFollower, 2},
                          {3000, 1, 2, raft::RoleName::kFollower, 3}};
  PeerSeen gone = {.status = {.member = 2}, .heard_unix_ms = 1};
  gone.status.elections = {{900, 2, 1, raft::RoleName::kLeader, 2}};
  gone.changes = {{2000, false}};
  PeerSeen heir = {.status = {.member = 3}, .heard_unix_ms = 1, .answers = true};
  heir.status.elections = {{2500, 3, 2, raft::RoleName::kCandidate, 0},
                           {2900, 3, 2, raft::RoleName::kLeader, 3}};
  state.peers = {{2, gone}, {3, heir}};
  const Json json = Json::parse(StateJson(state, {}));
  std::vector<std::string> kinds;
  for (const Json& one : json["elections"])
    kinds.push_back(one["member"].get<std::string>() + one["kind"].get<std::string>());
  EXPECT_EQ(kinds, (std::vector<std::string>{"2leader", "1follower", "2unreachable", "3candidate",
                                             "3leader", "1follower"}));
  EXPECT_FALSE(json["members"][1]["answers"].get<bool>());
  for (int i = 0; i < 1000; ++i) state.self.elections.push_back({4000 + i, 1, 3});
  EXPECT_EQ(Json::parse(StateJson(state, {}))["elections"].size(), kPageElectionsMax);
}

TEST(PageStateTest, BytesThatAreNoTextDoNotBreakThePage) {
  PageState state = Three();
  state.name = "\xff\"<script>\n";
  state.roster[1].name = "\xc3";
  state.roster[1].client_urls = {"http://\xfe"};
  const Json json = Json::parse(StateJson(state, {}));
  EXPECT_EQ(json["name"], "\xef\xbf\xbd\"<script>\n");
  EXPECT_EQ(StateJson(state, {}).find('\n'), std::string::npos);  // One line, for the events.
  EXPECT_EQ(StateText(state).find("<script>"), std::string::npos);
}

TEST(PageStateTest, HistoryKeepsAQuarterOfAnHour) {
  KvHistory history;
  for (int i = 0; i < 1000; ++i) history.Add(i * 1000, {static_cast<double>(i)});
  const Json all = Json::parse(KvHistoryJson(history));
  ASSERT_EQ(all["samples"].size(), web::kHistorySamplesMax);
  EXPECT_EQ(all["samples"][0][0], 101);
  EXPECT_EQ(all["samples"][0].size(), all["columns"].size());
  EXPECT_EQ(Json::parse(StateJson(Three(), history))["samples"].size(), web::kEventSamplesMax);
}

TEST(CallCountsTest, WritesAndReadsWithTheirTimes) {
  rpc::MethodStats put{.path = "/etcdserverpb.KV/Put"}, range{.path = "/etcdserverpb.KV/Range"},
      other{.path = "/etcdserverpb.Lease/LeaseGrant"};
  put.handled[0] = 3;
  put.handled[14] = 1;
  put.latencies[10] = 4;
  range.handled[0] = 7;
  other.handled[0] = 100;
  const CallCounts counts = CountCalls({put, range, other});
  EXPECT_EQ(counts.writes, 4u);
  EXPECT_EQ(counts.reads, 7u);
  put.latencies[10] = 5;
  put.latencies[20] = 1;
  const auto since = Since(counts.write_times, CountCalls({put}).write_times);
  EXPECT_EQ(since[10], 1u);
  EXPECT_EQ(since[20], 1u);
}

}  // namespace
}  // namespace trireme::kv::inline engine
