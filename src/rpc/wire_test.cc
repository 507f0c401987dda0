#include "rpc/wire.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "rpc/headers.h"
#include "rpc/metadata.h"
#include "rpc/status.h"

namespace trireme::rpc {
namespace {

using std::chrono::nanoseconds;

std::string RandomBytes(Random& random, std::size_t size_max) {
  std::string bytes(random.Below(size_max + 1), '\0');
  for (char& byte : bytes) byte = static_cast<char>(random.Below(256));
  return bytes;
}

TEST(Percent, RoundTripsAnyBytes) {
  Random random(1);
  for (int i = 0; i < 2000; ++i) {
    const std::string bytes = RandomBytes(random, 40);
    const std::string encoded = PercentEncode(bytes);
    EXPECT_EQ(PercentDecode(encoded), bytes);
    for (const char c : encoded) EXPECT_TRUE(c >= 0x20 && c <= 0x7e);
  }
}

TEST(Percent, LeavesBrokenEscapesAlone) {
  EXPECT_EQ(PercentDecode("%"), "%");
  EXPECT_EQ(PercentDecode("%4"), "%4");
  EXPECT_EQ(PercentDecode("%zz%41%"), "%zzA%");
  EXPECT_EQ(PercentDecode("%e2%82%ac"), "€");
}

TEST(Timeout, Parses) {
  EXPECT_EQ(ParseTimeout("1n"), nanoseconds(1));
  EXPECT_EQ(ParseTimeout("20u"), nanoseconds(20'000));
  EXPECT_EQ(ParseTimeout("300m"), nanoseconds(300'000'000));
  EXPECT_EQ(ParseTimeout("4S"), std::chrono::seconds(4));
  EXPECT_EQ(ParseTimeout("5M"), std::chrono::minutes(5));
  EXPECT_EQ(ParseTimeout("6H"), std::chrono::hours(6));
  EXPECT_EQ(ParseTimeout("99999999H"), nanoseconds::max());
}

TEST(Timeout, RefusesMalformed) {
  for (const char* text : {"", "S", "1", "1s", "-1S", "1.5S", "123456789S", " 1S", "1S "}) {
    EXPECT_FALSE(ParseTimeout(text).has_value()) << text;
  }
}

TEST(Timeout, FormatsRoundedUpInThreeDigitsOfEight) {
  EXPECT_EQ(FormatTimeout(nanoseconds(-5)), "0n");
  EXPECT_EQ(FormatTimeout(nanoseconds(999)), "999n");
  EXPECT_EQ(FormatTimeout(nanoseconds(1'001)), "1010n");
  EXPECT_EQ(FormatTimeout(nanoseconds(99'899'999)), "99900000n");
  EXPECT_EQ(FormatTimeout(nanoseconds(100'000'001)), "101000u");
  EXPECT_EQ(FormatTimeout(std::chrono::seconds(30) - nanoseconds(1'234)), "30000000u");
  Random random(2);
  for (int i = 0; i < 2000; ++i) {
    const nanoseconds value(static_cast<std::int64_t>(random.Next() >> random.Below(63) >> 1));
    const std::string text = FormatTimeout(value);
    const auto parsed = ParseTimeout(text);
    ASSERT_TRUE(parsed.has_value()) << text;
    EXPECT_GE(*parsed, value);
    EXPECT_LE(static_cast<double>(parsed->count()), 1.02 * static_cast<double>(value.count()));
  }
}

TEST(Base64, RoundTripsWithoutPadding) {
  Random random(3);
  for (int i = 0; i < 2000; ++i) {
    const std::string bytes = RandomBytes(random, 40);
    const std::string encoded = Base64Encode(bytes);
    EXPECT_EQ(encoded.find('='), std::string::npos);
    EXPECT_EQ(Base64Decode(encoded), bytes);
  }
  EXPECT_EQ(Base64Decode("YQ=="), "a");
  EXPECT_EQ(Base64Decode("YQ"), "a");
  EXPECT_FALSE(Base64Decode("!").has_value());
}

TEST(StatusCodes, OfTextHttpAndReset) {
  EXPECT_EQ(ParseStatusCode("0"), absl::StatusCode::kOk);
  EXPECT_EQ(ParseStatusCode("16"), absl::StatusCode::kUnauthenticated);
  for (const char* text : {"", "17", "x", "-1", "001"}) {
    EXPECT_EQ(ParseStatusCode(text), absl::StatusCode::kUnknown) << text;
  }
  EXPECT_EQ(StatusCodeOfHttp(404), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(StatusCodeOfHttp(503), absl::StatusCode::kUnavailable);
  EXPECT_EQ(StatusCodeOfHttp(415), absl::StatusCode::kUnknown);
  EXPECT_EQ(StatusCodeOfReset(7), absl::StatusCode::kUnavailable);
  EXPECT_EQ(StatusCodeOfReset(8), absl::StatusCode::kCancelled);
}

TEST(ContentType, OfGrpc) {
  for (const char* text : {"application/grpc", "application/grpc+proto", "application/grpc;x"}) {
    EXPECT_TRUE(IsGrpcContentType(text)) << text;
  }
  for (const char* text : {"", "application/grpcx", "application/json", "text/html"}) {
    EXPECT_FALSE(IsGrpcContentType(text)) << text;
  }
}

TEST(MetadataPairs, Valid) {
  EXPECT_TRUE(ValidMetadata("key", "value"));
  EXPECT_TRUE(ValidMetadata("key-bin", std::string("\0\xff", 2)));
  EXPECT_FALSE(ValidMetadata("key", "a\nb"));
  for (const char* key : {"", "Key", "grpc-status", ":path", "a b", "te", "content-type"}) {
    EXPECT_FALSE(ValidMetadata(key, "x")) << key;
  }
}

TEST(MetadataPairs, ReceivedListsOfBase64AreSplit) {
  Metadata metadata;
  AppendReceivedMetadata("raw-bin", "YQ,YmM=,!", metadata);
  AppendReceivedMetadata("text", "a,b", metadata);
  EXPECT_EQ(metadata, (Metadata{{"raw-bin", "a"}, {"raw-bin", "bc"}, {"text", "a,b"}}));
  EXPECT_EQ(FindMetadata(metadata, "none"), nullptr);
}

TEST(Outcomes, TravelWithTheStatus) {
  const absl::Status error = absl::UnavailableError("x");
  EXPECT_EQ(OutcomeOf(error), Outcome::kAnswered);
  for (const Outcome outcome : {Outcome::kAnswered, Outcome::kNotExecuted, Outcome::kUnknown}) {
    EXPECT_EQ(OutcomeOf(WithOutcome(error, outcome)), outcome);
  }
  const absl::Status twice =
      WithOutcome(WithOutcome(error, Outcome::kUnknown), Outcome::kNotExecuted);
  EXPECT_EQ(OutcomeOf(twice), Outcome::kNotExecuted);
  EXPECT_TRUE(WithOutcome(absl::OkStatus(), Outcome::kUnknown).ok());
}

}  // namespace
}  // namespace trireme::rpc
