#include "mapreduce/fs/aws_account.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mapreduce/fs/aws_signature.h"

namespace trireme::mapreduce {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class AccountTest : public ::testing::Test {
 protected:
  AccountTest() {
    variables_["HOME"] = "/h";
    around_.variable = [this](const char* name) { return variables_[name]; };
    around_.file = [this](const std::string& path) -> std::optional<std::string> {
      const auto found = files_.find(path);
      return found == files_.end() ? std::nullopt : std::optional(found->second);
    };
  }

  S3Account Find() {
    const auto account = FindS3Account(options_, around_);
    EXPECT_TRUE(account.ok()) << account.status();
    return account.ok() ? *account : S3Account();
  }
  std::string Error() { return std::string(FindS3Account(options_, around_).status().message()); }
  void SetKeys() {
    variables_["AWS_ACCESS_KEY_ID"] = "AK";
    variables_["AWS_SECRET_ACCESS_KEY"] = "SK";
  }

  std::map<std::string, std::string> variables_, files_;
  AwsSurroundings around_;
  S3Options options_;
};

TEST_F(AccountTest, KeysFromTheEnvironmentGoBeforeTheProfile) {
  files_["/h/.aws/credentials"] =
      "[default]\naws_access_key_id = P\naws_secret_access_key=Q=R\naws_session_token = T\n";
  EXPECT_EQ(Find().credentials->access_key, "P");
  EXPECT_EQ(Find().credentials->secret_key, "Q=R");
  EXPECT_EQ(Find().credentials->session_token, "T");
  SetKeys();
  EXPECT_EQ(Find().credentials->access_key, "AK");
  EXPECT_EQ(Find().credentials->session_token, "");
}

TEST_F(AccountTest, ProfilesOfBothFiles) {
  variables_["AWS_PROFILE"] = "mine";
  variables_["AWS_SHARED_CREDENTIALS_FILE"] = "/c";
  variables_["AWS_CONFIG_FILE"] = "/f";
  files_["/c"] = "# x\r\n[other]\r\naws_access_key_id=X\n[ mine ]\naws_access_key_id = A\r\n";
  files_["/f"] =
      "[profile mine]\nAWS_SECRET_ACCESS_KEY = S\nregion = eu-north-1\n"
      "s3 =\n  addressing_style = virtual\nendpoint_url = https://h:443/\nca_bundle=/ca\n";
  const S3Account account = Find();
  EXPECT_EQ(account.credentials->access_key, "A");
  EXPECT_EQ(account.credentials->secret_key, "S");
  EXPECT_EQ(account.region, "eu-north-1");
  EXPECT_EQ(account.scheme + "://" + account.authority, "https://h");
  EXPECT_TRUE(account.bucket_in_host);
  EXPECT_EQ(account.ca_bundle, "/ca");
}

TEST_F(AccountTest, WhereTheStoreIs) {
  SetKeys();
  EXPECT_EQ(Find().authority, "s3.us-east-1.amazonaws.com");
  EXPECT_TRUE(Find().bucket_in_host);
  variables_["AWS_DEFAULT_REGION"] = "a";
  variables_["AWS_REGION"] = "b";
  EXPECT_EQ(Find().authority, "s3.b.amazonaws.com");
  variables_["AWS_ENDPOINT_URL"] = "http://one:9000";
  EXPECT_EQ(Find().authority, "one:9000");
  EXPECT_FALSE(Find().bucket_in_host);
  variables_["AWS_ENDPOINT_URL_S3"] = "http://TWO:80";
  EXPECT_EQ(Find().authority, "two");
  options_.endpoint = "https://three";
  options_.region = "c";
  options_.addressing = S3Options::Addressing::kVirtual;
  EXPECT_EQ(Find().scheme, "https");
  EXPECT_EQ(Find().region, "c");
  EXPECT_TRUE(Find().bucket_in_host);
}

TEST_F(AccountTest, ErrorsSayWhereWasLookedAndNothingSecret) {
  EXPECT_THAT(Error(), AllOf(HasSubstr("AWS_ACCESS_KEY_ID"), HasSubstr("/h/.aws/config")));
  variables_["AWS_PROFILE"] = "x";
  EXPECT_THAT(Error(), HasSubstr("no such profile"));
  variables_["AWS_PROFILE"] = "";
  SetKeys();
  variables_["AWS_SECRET_ACCESS_KEY"] = "se\r\ncret";
  EXPECT_THAT(Error(), AllOf(HasSubstr("credentials"), Not(HasSubstr("cret\n"))));
  options_.anonymous = true;
  EXPECT_FALSE(Find().credentials.has_value());
}

TEST_F(AccountTest, EndpointsThatAreNone) {
  SetKeys();
  for (const char* endpoint : {"x", "ftp://x", "http://", "http://a/b", "http://u:p@h",
                               "http://h?x", "http://h h", "://h"}) {
    options_.endpoint = endpoint;
    EXPECT_THAT(Error(), HasSubstr("--s3-endpoint")) << endpoint;
  }
}

TEST_F(AccountTest, DamagedProfilesAreReadAsFarAsTheyGo) {
  for (const char* text : {"", "[", "[]", "]=[", "=", "a=b", "[x]\n=\n", "[x\nk=v", "\n\n[x]\nk"}) {
    (void)ParseProfiles(text);
  }
  const AwsProfiles profiles = ParseProfiles("k=lost\n[x\nk = v\nno equals\n[y]\n = 1\n");
  EXPECT_EQ(profiles.at("x").at("k"), "v");
}

/// The examples of "Signature Calculations for the Authorization Header" in Amazon's reference.
class SignatureTest : public ::testing::Test {
 protected:
  std::string SignatureOf(AwsRequest request) {
    const AwsCredentials credentials{"AKIAIOSFODNN7EXAMPLE",
                                     "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", token_};
    request.headers.emplace_back("host", "examplebucket.s3.amazonaws.com");
    if (request.payload_sha256.empty()) request.payload_sha256 = HexSha256("");
    SignRequest(credentials, "us-east-1", "s3", 1369353600, &request);
    const std::string& header = request.headers.back().second;
    return header.substr(header.rfind('=') + 1);
  }
  std::string token_;
};

TEST_F(SignatureTest, PublishedExamples) {
  EXPECT_EQ(AwsDate(1369353600), "20130524T000000Z");
  EXPECT_EQ(SignatureOf({"GET", "/test.txt", {}, {{"range", "bytes=0-9"}}, ""}),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  EXPECT_EQ(SignatureOf({"PUT",
                         "/test%24file.text",
                         {},
                         {{"date", "Fri, 24 May 2013 00:00:00 GMT"},
                          {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
                         HexSha256("Welcome to Amazon S3.")}),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
  EXPECT_EQ(SignatureOf({"GET", "/", {{"lifecycle", ""}}, {}, ""}),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
  EXPECT_EQ(SignatureOf({"GET", "/", {{"prefix", "J"}, {"max-keys", "2"}}, {}, ""}),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST_F(SignatureTest, TheTokenIsSigned) {
  const std::string without = SignatureOf({"GET", "/", {}, {}, ""});
  token_ = "token";
  EXPECT_NE(SignatureOf({"GET", "/", {}, {}, ""}), without);
}

TEST_F(SignatureTest, QueriesAreOrderedAsTheyAreSent) {
  EXPECT_EQ(CanonicalQuery({{"b", "1"}, {"a b", "*~/"}, {"a", "2"}, {"uploads", ""}}),
            "a=2&a%20b=%2A~%2F&b=1&uploads=");
}

}  // namespace
}  // namespace trireme::mapreduce
