#include "mapreduce/fs/aws_signature.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <ctime>

#include "base/check.h"
#include "fmt/format.h"
#include "io/sha256.h"
#include "mapreduce/fs/s3_path.h"

namespace trireme::mapreduce {
namespace {

std::string Hex(std::string_view bytes) {
  std::string hex;
  for (const char c : bytes) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return hex;
}

std::string Hmac(std::string_view key, std::string_view text) {
  unsigned char mac[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  const auto* made =
      HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac, &size);
  TRIREME_CHECK(made != nullptr);
  return {reinterpret_cast<const char*>(mac), size};
}

std::string SignedHeaders(const AwsRequest& request) {
  std::string names;
  for (const auto& [name, value] : request.headers) {
    names += names.empty() ? "" : ";";
    names += name;
  }
  return names;
}

}  // namespace

std::string CanonicalQuery(const std::vector<std::pair<std::string, std::string>>& query) {
  std::vector<std::pair<std::string, std::string>> encoded;
  for (const auto& [name, value] : query)
    encoded.emplace_back(UriEncode(name, false), UriEncode(value, false));
  std::sort(encoded.begin(), encoded.end());
  std::string text;
  for (const auto& [name, value] : encoded)
    text += fmt::format("{}{}={}", text.empty() ? "" : "&", name, value);
  return text;
}

std::string CanonicalRequest(const AwsRequest& request) {
  std::string headers;
  for (const auto& [name, value] : request.headers) headers += fmt::format("{}:{}\n", name, value);
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}", request.method, request.path,
                     CanonicalQuery(request.query), headers, SignedHeaders(request),
                     request.payload_sha256);
}

std::string HexSha256(std::string_view bytes) {
  io::Sha256 hash;
  hash.Add(bytes);
  return Hex(hash.Finish());
}

std::string AwsDate(std::int64_t unix_s) {
  const std::time_t time = unix_s;
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &parts)};
}

void SignRequest(const AwsCredentials& credentials, std::string_view region,
                 std::string_view service, std::int64_t unix_s, AwsRequest* request) {
  const std::string date = AwsDate(unix_s);
  const std::string day = date.substr(0, 8);
  request->headers.emplace_back("x-amz-content-sha256", request->payload_sha256);
  request->headers.emplace_back("x-amz-date", date);
  if (!credentials.session_token.empty())
    request->headers.emplace_back("x-amz-security-token", credentials.session_token);
  std::sort(request->headers.begin(), request->headers.end());
  const std::string scope = fmt::format("{}/{}/{}/aws4_request", day, region, service);
  const std::string text = fmt::format("AWS4-HMAC-SHA256\n{}\n{}\n{}", date, scope,
                                       HexSha256(CanonicalRequest(*request)));
  const std::string key =
      Hmac(Hmac(Hmac(Hmac("AWS4" + credentials.secret_key, day), region), service), "aws4_request");
  request->headers.emplace_back(
      "authorization",
      fmt::format("AWS4-HMAC-SHA256 Credential={}/{},SignedHeaders={},Signature={}",
                  credentials.access_key, scope, SignedHeaders(*request), Hex(Hmac(key, text))));
}

}  // namespace trireme::mapreduce
