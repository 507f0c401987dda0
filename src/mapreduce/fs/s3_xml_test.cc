#include "mapreduce/fs/s3_xml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "mapreduce/fs/s3_manifest.h"
#include "mapreduce/fs/s3_path.h"
#include "mapreduce/fs/text.h"

namespace trireme::mapreduce {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kPage[] =
    R"(<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>
<NextContinuationToken>a&amp;b==</NextContinuationToken><Prefix>Key</Prefix>
<Contents><Key>a+b%2Bc%0A&lt;</Key><Size>12</Size><Owner><ID>x</ID></Owner></Contents>
<Contents><Key>d</Key><Size>0</Size></Contents>
<CommonPrefixes><Prefix>e%20/</Prefix></CommonPrefixes></ListBucketResult>)";

TEST(S3XmlTest, PagesOfObjects) {
  const auto page = ParseObjectPage(kPage);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->objects[0].key, "a b+c\n<");
  EXPECT_EQ(page->objects[0].size_bytes, 12u);
  EXPECT_EQ(page->objects[1].key, "d");
  EXPECT_THAT(page->prefixes, ElementsAre("e /"));
  EXPECT_EQ(page->next_token, "a&b==");
}

TEST(S3XmlTest, AnAnswerThatIsNoneIsDataLoss) {
  const std::string deep = [] {
    std::string text;
    for (int i = 0; i < 100; ++i) text += "<a>";
    return text;
  }();
  for (const std::string& xml :
       {std::string(), std::string("<html>"), std::string("<Error/>"), deep,
        std::string("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"),
        std::string("<ListBucketResult><Contents><Size>-1</Size></Contents></ListBucketResult>"),
        std::string("<ListBucketResult><EncodingType>url</EncodingType>"
                    "<Contents><Key>%4</Key><Size>1</Size></Contents></ListBucketResult>"),
        std::string(
            "<!DOCTYPE a [<!ENTITY b \"ccc\">]><ListBucketResult>&b;</ListBucketResult>")}) {
    EXPECT_TRUE(absl::IsDataLoss(ParseObjectPage(xml).status())) << xml;
    EXPECT_TRUE(absl::IsDataLoss(ParseUploadPage(xml).status())) << xml;
    EXPECT_TRUE(absl::IsDataLoss(ParseUploadId(xml).status())) << xml;
    EXPECT_EQ(ParseError(xml).code, "");
  }
}

TEST(S3XmlTest, DamagedPagesNeverCrash) {
  Random random(3);
  const std::string page(kPage);
  for (int i = 0; i < 3000; ++i) {
    std::string damaged = page;
    for (int j = 0; j < 3; ++j)
      damaged[random.Below(damaged.size())] = static_cast<char>(random.Below(256));
    damaged.resize(random.Below(damaged.size() + 1));
    (void)ParseObjectPage(damaged);
    (void)ParseError(damaged);
  }
}

TEST(S3XmlTest, Uploads) {
  const auto page = ParseUploadPage(
      "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker>"
      "<NextUploadIdMarker>u</NextUploadIdMarker><Upload><Key>a</Key><UploadId>1</UploadId></"
      "Upload>"
      "</ListMultipartUploadsResult>");
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(page->uploads[0].key + page->uploads[0].id, "a1");
  EXPECT_EQ(page->next_key + page->next_id, "ku");
  EXPECT_EQ(
      CompleteUploadXml({"\"a&b\""}),
      "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>\"a&amp;b\"</ETag></Part>"
      "</CompleteMultipartUpload>");
}

TEST(S3XmlTest, Errors) {
  const char xml[] = "<Error><Code>SlowDown</Code><Message>wait</Message></Error>";
  EXPECT_EQ(ParseError(xml).code, "SlowDown");
  EXPECT_TRUE(IsErrorXml(xml));
  EXPECT_FALSE(IsErrorXml("<Other><Code>x</Code></Other>"));
}

TEST(S3PathTest, BucketsAndKeys) {
  const auto path = ParseS3Path("s3://bkt/a//b c");
  ASSERT_TRUE(path.ok());
  EXPECT_EQ(path->bucket, "bkt");
  EXPECT_EQ(path->key, "a//b c");
  EXPECT_EQ(path->ToString(), "s3://bkt/a//b c");
  EXPECT_EQ(ParseS3Path("s3://bkt")->Prefix(), "");
  EXPECT_EQ(ParseS3Path("s3://bkt/a")->Prefix(), "a/");
  for (const std::string& wrong :
       {std::string("s3://"), std::string("s3:///k"), std::string("s3://a*b/k"),
        std::string("s3://a/../k"), std::string("s3://a..b/k"), std::string("s3://a@evil/k"),
        std::string("s3://-ab/k"), "s3://bkt/" + std::string(1025, 'k'), std::string("/local")})
    EXPECT_TRUE(absl::IsInvalidArgument(ParseS3Path(wrong).status())) << wrong;
}

TEST(S3PathTest, AnOutputIsNoWholeBucket) {
  EXPECT_TRUE(ParseS3Output("s3://bkt/a").ok());
  for (const char* wrong : {"s3://bkt", "s3://bkt/"}) {
    const absl::Status said = ParseS3Output(wrong).status();
    EXPECT_NE(said.message().find("whole bucket: name a place in it, s3://bkt/OUT"),
              std::string::npos)
        << said;
  }
}

TEST(S3PathTest, Encoding) {
  EXPECT_EQ(UriEncode("a/b c+=&*~\xc3\xa9", true), "a/b%20c%2B%3D%26%2A~%C3%A9");
  EXPECT_EQ(UriEncode("a/b", false), "a%2Fb");
  EXPECT_EQ(*UriDecode("a%2fb%C3"), "a/b\xc3");
  for (const char* wrong : {"%", "%4", "%zz", "a%"}) EXPECT_FALSE(UriDecode(wrong).ok()) << wrong;
}

TEST(TextTest, Words) {
  EXPECT_EQ(Trimmed(" \t a b\r\n"), "a b");
  EXPECT_EQ(Trimmed("  "), "");
  EXPECT_THAT(Split("a,,b,", ','), ElementsAre("a", "", "b", ""));
  EXPECT_EQ(ParseNumber64("18446744073709551615"), ~0ull);
  for (const char* wrong : {"", "-1", "1x", " 1", "18446744073709551616"})
    EXPECT_FALSE(ParseNumber64(wrong).has_value()) << wrong;
}

S3Manifest Example() {
  return {"00112233445566778899aabbccddeeff",
          {{"part-r-00000", {"id\t%", "token", {"\"e1\"", "\"e,2\""}, 77}},
           {"part-r-00001.zst", {"", "token2", {}, 0}}}};
}

TEST(S3ManifestTest, RoundTrip) {
  const std::string text = EncodeManifest(Example());
  const auto decoded = DecodeManifest(text);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(EncodeManifest(*decoded), text);
  EXPECT_EQ(decoded->parts[0].upload.id, "id\t%");
  EXPECT_THAT(decoded->parts[0].upload.etags, ElementsAre("\"e1\"", "\"e,2\""));
  EXPECT_EQ(DecodeManifest(EncodeManifest({"n", {}}))->parts.size(), 0u);
}

TEST(S3ManifestTest, DamageIsSeen) {
  const std::string text = EncodeManifest(Example());
  for (std::size_t cut = 0; cut < text.size(); ++cut)
    EXPECT_TRUE(absl::IsDataLoss(DecodeManifest(text.substr(0, cut)).status())) << cut;
  for (const char* wrong :
       {"trireme-s3-manifest 2 n\nend 0\n", "trireme-s3-manifest 1 n\nx\t1\tt\tu\te\nend 1\n",
        "trireme-s3-manifest 1 n\npart-/x\t1\tt\tu\te\nend 1\n",
        "trireme-s3-manifest 1 n\npart-x\t1\tt\t\te\nend 1\n",
        "trireme-s3-manifest 1 n\npart-x\tz\tt\tu\te\nend 1\n"})
    EXPECT_TRUE(absl::IsDataLoss(DecodeManifest(wrong).status())) << wrong;
}

}  // namespace
}  // namespace trireme::mapreduce
