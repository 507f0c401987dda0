#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mapreduce/fs/aws_account.h"

/// AWS Signature Version 4, docs.aws.amazon.com "Authenticating Requests (AWS Signature Version
/// 4)".
namespace trireme::mapreduce {

/// What of a request is signed.
struct AwsRequest {
  std::string method;
  std::string path;  ///< as sent: percent-encoded, from the first slash on
  std::vector<std::pair<std::string, std::string>> query;    ///< not encoded
  std::vector<std::pair<std::string, std::string>> headers;  ///< lower-case names; with host
  std::string payload_sha256;                                ///< hexadecimal
};

/// The query as it is sent and signed: encoded, in order.
std::string CanonicalQuery(const std::vector<std::pair<std::string, std::string>>& query);
std::string CanonicalRequest(const AwsRequest& request);
std::string HexSha256(std::string_view bytes);
/// 20130524T000000Z
std::string AwsDate(std::int64_t unix_s);

/// Adds x-amz-content-sha256, x-amz-date, x-amz-security-token and authorization.
void SignRequest(const AwsCredentials& credentials, std::string_view region,
                 std::string_view service, std::int64_t unix_s, AwsRequest* request);

}  // namespace trireme::mapreduce
