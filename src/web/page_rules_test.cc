#include "web/page_rules.h"

#include <gtest/gtest.h>

#include "web/assets.h"

namespace trireme::web {
namespace {

rpc::HttpRequest From(std::string peer, std::string host) {
  rpc::HttpRequest request;
  request.peer = std::move(peer);
  request.host = std::move(host);
  return request;
}

TEST(PageRules, LocalPeers) {
  for (const char* peer :
       {"127.0.0.1:5", "127.8.8.8:5", "[::1]:5", "[::ffff:127.0.0.1]:5", "unix:"})
    EXPECT_TRUE(IsLocalPeer(peer)) << peer;
  for (const char* peer : {"10.0.0.1:5", "[fe80::1]:5", "128.0.0.1:5", "[::ffff:10.0.0.1]:5", ""})
    EXPECT_FALSE(IsLocalPeer(peer)) << peer;
}

TEST(PageRules, NamesThatNoOtherSiteCanHave) {
  for (const char* host :
       {"", "localhost", "LOCALHOST:80", "127.0.0.1:7071", "[::1]:80", "10.0.0.1"})
    EXPECT_TRUE(IsOwnName(host)) << host;
  for (const char* host :
       {"evil.example", "evil.example:7071", "127.0.0.1.evil.example", "localhost.evil.example"})
    EXPECT_FALSE(IsOwnName(host)) << host;
}

TEST(PageRules, WhoIsShown) {
  const PageRules local, all{.viewers = Viewers::kAll}, none{.viewers = Viewers::kNobody};
  EXPECT_EQ(WhyNotShown(local, From("127.0.0.1:5", "127.0.0.1:80")), "");
  EXPECT_NE(WhyNotShown(local, From("10.0.0.1:5", "127.0.0.1:80")), "");
  // A site that has pointed its own name at 127.0.0.1 makes the browser ask so.
  EXPECT_NE(WhyNotShown(local, From("127.0.0.1:5", "evil.example:80")), "");
  EXPECT_EQ(WhyNotShown(all, From("10.0.0.1:5", "node1.example:80")), "");
  EXPECT_NE(WhyNotShown(none, From("127.0.0.1:5", "127.0.0.1:80")), "");
}

TEST(PageRules, WhoMayChangeSomething) {
  PageRules rules;
  rpc::HttpRequest request = From("127.0.0.1:5", "127.0.0.1:80");
  request.origin = "http://127.0.0.1:80";
  request.content_type = "application/json";
  EXPECT_NE(WhyNotChanged(rules, request).find("--http-admin"), std::string::npos);
  rules.admin = true;
  EXPECT_EQ(WhyNotChanged(rules, request), "");
  for (const char* origin : {"", "null", "http://evil.example", "http://127.0.0.1:81",
                             "https://127.0.0.1:80", "HTTP://127.0.0.1:80"}) {
    rpc::HttpRequest other = request;
    other.origin = origin;
    EXPECT_NE(WhyNotChanged(rules, other), "") << origin;
  }
  rpc::HttpRequest form = request;
  form.content_type = "text/plain";  // What a form of another site may send without asking.
  EXPECT_NE(WhyNotChanged(rules, form), "");
  rules.viewers = Viewers::kAll;
  rpc::HttpRequest rebound = From("10.0.0.1:5", "evil.example");
  rebound.origin = "http://evil.example";
  rebound.content_type = "application/json";
  EXPECT_NE(WhyNotChanged(rules, rebound), "");
}

TEST(PageRules, QueriesAreDecoded) {
  EXPECT_EQ(QueryValue("a=1&prefix=%00%2f+x&b", "prefix"), std::string("\0/ x", 4));
  EXPECT_EQ(QueryValue("a=1", "prefix"), "");
  EXPECT_EQ(QueryValue("prefix=%", "prefix"), "%");
  EXPECT_EQ(QueryValue("prefix=%4", "prefix"), "%4");
  EXPECT_EQ(QueryValue("prefix", "prefix"), "");
  EXPECT_EQ(QueryValue("", "prefix"), "");
}

/// What a browser is to load is there, and asks for nothing from elsewhere.
TEST(Assets, AreEmbeddedAndStayAtHome) {
  for (const char* name : {"base.css", "base.js", "chart.js", "mr.html", "mr.js", "mr_job.html",
                           "mr_job.js", "mr_parts.js", "kv.html", "kv.js", "kv_keys.js"}) {
    const Asset* asset = FindAsset(name);
    ASSERT_NE(asset, nullptr) << name;
    EXPECT_GT(asset->bytes.size(), 500u) << name;
    const std::string text(asset->bytes);
    std::size_t links = 0;
    for (std::size_t at = 0; (at = text.find("://", at)) != text.npos; ++at) ++links;
    // The name of a language, which nobody loads.
    EXPECT_EQ(links, text.find("http://www.w3.org/2000/svg") == text.npos ? 0u : 1u) << name;
    EXPECT_EQ(text.find("style=\""), text.npos) << name << ": the policy forbids it";
    EXPECT_EQ(text.find("innerHTML"), text.npos) << name;
  }
  EXPECT_EQ(FindAsset("../secret"), nullptr);
}

}  // namespace
}  // namespace trireme::web
