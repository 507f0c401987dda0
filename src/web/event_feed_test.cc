#include "web/event_feed.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace trireme::web {
namespace {

/// A client that takes what is written when the test says so.
class Client final : public rpc::HttpResponder {
 public:
  void Reply(rpc::HttpReply reply) override { refused = std::move(reply); }
  void BeginReply(rpc::HttpReply reply) override { head = std::move(reply); }
  bool Write(std::string bytes) override {
    written.push_back(std::move(bytes));
    ready = false;
    return !left;
  }
  bool drained() const override { return ready; }
  void End() override { ended = true; }
  bool gone() const override { return left; }

  rpc::HttpReply head, refused;
  std::vector<std::string> written;
  bool ready = true, ended = false, left = false;
};

class EventFeedTest : public testing::Test {
 protected:
  std::shared_ptr<Client> Join(bool head_only = false) {
    auto client = std::make_shared<Client>();
    rpc::HttpRequest request;
    request.head = head_only;
    feed.Add(request, client);
    return client;
  }

  std::shared_ptr<std::atomic<std::size_t>> readers = std::make_shared<std::atomic<std::size_t>>(0);
  EventFeed feed{readers};
  EventFeed::Clock::time_point now = EventFeed::Clock::now();
};

TEST_F(EventFeedTest, AReaderGetsTheStateAsItIsAndWhatComes) {
  EXPECT_FALSE(feed.wanted());
  feed.Set(R"({"a":1})");
  const auto client = Join();
  EXPECT_TRUE(feed.wanted());
  EXPECT_EQ(client->head.content_type, "text/event-stream");
  EXPECT_NE(client->head.headers.find("Content-Security-Policy"), std::string::npos);
  ASSERT_EQ(client->written.size(), 1u);
  EXPECT_EQ(client->written[0], "id: 1\nevent: state\ndata: {\"a\":1}\n\n");
  client->ready = true;
  feed.Set(R"({"a":2})");
  feed.Pump(now);
  ASSERT_EQ(client->written.size(), 2u);
  EXPECT_NE(client->written[1].find("{\"a\":2}"), std::string::npos);
}

TEST_F(EventFeedTest, TheSameStateIsNotToldTwice) {
  const auto client = Join();
  feed.Set("{}");
  feed.Pump(now);
  client->ready = true;
  feed.Set("{}");
  feed.Pump(now);
  EXPECT_EQ(client->written.size(), 1u);
}

TEST_F(EventFeedTest, ASlowReaderGetsTheNewestOnly) {
  const auto slow = Join(), quick = Join();
  for (int i = 0; i < 100; ++i) {
    feed.Set(std::to_string(i));
    feed.Pump(now);
    quick->ready = true;
  }
  EXPECT_EQ(quick->written.size(), 100u);
  ASSERT_EQ(slow->written.size(), 1u);  // Nothing waits for it.
  slow->ready = true;
  feed.Pump(now);
  ASSERT_EQ(slow->written.size(), 2u);
  EXPECT_NE(slow->written[1].find("data: 99\n"), std::string::npos);
}

TEST_F(EventFeedTest, AReaderThatTakesNothingIsCutOff) {
  const auto client = Join();
  feed.Set("1");
  feed.Pump(now);
  feed.Pump(now + kEventStallMax - std::chrono::seconds(1));
  EXPECT_FALSE(client->ended);
  feed.Pump(now + kEventStallMax);
  EXPECT_TRUE(client->ended);
  EXPECT_FALSE(feed.wanted());
  EXPECT_EQ(readers->load(), 0u);
}

TEST_F(EventFeedTest, SilenceIsBrokenSoThatALostEndIsFound) {
  const auto client = Join();
  feed.Set("1");
  feed.Pump(now);
  client->ready = true;
  feed.Pump(now + kEventSilenceMax);
  ASSERT_EQ(client->written.size(), 2u);
  EXPECT_EQ(client->written[1], ":\n\n");
  client->left = true;
  feed.Pump(now + kEventSilenceMax);
  EXPECT_FALSE(feed.wanted());
}

TEST_F(EventFeedTest, ThereIsAMostOfReaders) {
  EventFeed other(readers);  // Of the same server.
  std::vector<std::shared_ptr<Client>> all;
  for (std::size_t i = 0; i < kEventReadersMax; ++i) all.push_back(Join());
  auto late = std::make_shared<Client>();
  other.Add({}, late);
  EXPECT_EQ(late->refused.status, 503);
  EXPECT_NE(late->refused.body.find("kEventReadersMax"), std::string::npos);
  all.front()->left = true;
  feed.Pump(now);
  auto next = std::make_shared<Client>();
  other.Add({}, next);
  EXPECT_EQ(next->head.status, 200);
  other.Close();
  EXPECT_TRUE(next->ended);
  EXPECT_EQ(readers->load(), kEventReadersMax - 1);
}

TEST_F(EventFeedTest, HeadAsksWhetherOneMay) {
  const auto client = Join(/*head_only=*/true);
  EXPECT_EQ(client->head.status, 200);
  EXPECT_TRUE(client->ended);
  EXPECT_FALSE(feed.wanted());
}

TEST_F(EventFeedTest, CloseEndsAllAndTakesNoMore) {
  const auto client = Join();
  feed.Close();
  EXPECT_TRUE(client->ended);
  EXPECT_EQ(Join()->refused.status, 503);
  EXPECT_EQ(readers->load(), 0u);
}

}  // namespace
}  // namespace trireme::web
