#include "mapreduce/fs/s3_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"
#include "mapreduce/fs/fake_store.h"
#include "mapreduce/fs/s3_reader.h"
#include "mapreduce/fs/s3_writer.h"

namespace trireme::mapreduce {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using Request = FakeStore::Request;

S3Account AccountOf(const FakeStore& store) {
  S3Account account;
  account.credentials = AwsCredentials{"ACCESS", "SECRET", "TOKEN"};
  account.region = "us-east-1";
  account.scheme = "http";
  account.authority = store.endpoint().substr(7);
  return account;
}

S3Options Quick() {
  S3Options options;
  options.backoff_ms = 1;
  options.backoff_ms_max = 5;
  options.attempts_max = 4;
  return options;
}

std::string Failure(int status, const std::string& code) {
  return FakeStore::Reply(
      status, fmt::format("<Error><Code>{}</Code><Message>said SECRET</Message></Error>", code));
}

/// Serves one object by ranges; `spoil` may answer in its place.
struct ObjectStore {
  std::string object;
  std::function<std::string(const Request&, int count)> spoil = nullptr;
  std::atomic<int> count{0};

  std::string operator()(const Request& request) {
    const int number = ++count;
    if (spoil) {
      if (std::string spoilt = spoil(request, number); !spoilt.empty()) return spoilt;
    }
    const std::size_t at = request.head.find("range: bytes=");
    const std::string_view text = std::string_view(request.head).substr(at + 13);
    const std::uint64_t first = *ParseNumber64(text.substr(0, text.find('-')));
    const std::size_t dash = text.find('-') + 1;
    const std::uint64_t last = *ParseNumber64(text.substr(dash, text.find('\r') - dash));
    if (first >= object.size()) return Failure(416, "InvalidRange");
    const std::string part = object.substr(first, last - first + 1);
    return FakeStore::Reply(206, part,
                            fmt::format("ETag: \"v1\"\r\nContent-Range: bytes {}-{}/{}\r\n", first,
                                        first + part.size() - 1, object.size()));
  }
};

std::string RandomBytes(std::size_t size) {
  Random random(size);
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random.Next());
  return bytes;
}

std::string ReadAll(const io::ReadableFile& file, std::uint64_t offset, std::size_t step,
                    absl::Status* status) {
  std::string all, buffer(step, '\0');
  for (;;) {
    const auto n = file.ReadAt(offset + all.size(), buffer.data(), step);
    *status = n.status();
    if (!n.ok() || *n == 0) return all;
    all.append(buffer, 0, *n);
  }
}

TEST(S3ClientTest, TriesAgainWhatMayPass) {
  std::atomic<int> count{0};
  FakeStore store([&](const Request&) -> std::string {
    switch (++count) {
      case 1:
        return Failure(503, "SlowDown");
      case 2:
        return "";
      case 3:
        return "HTTP/1.1 200 x\r\nContent-Length: 9\r\nConnection: close\r\n\r\nhalf";
      default:
        return FakeStore::Reply(200, "whole");
    }
  });
  S3Client client(Quick(), AccountOf(store));
  EXPECT_EQ(*client.GetSmall({"bkt", "k"}), "whole");
  EXPECT_EQ(count, 4);
}

TEST(S3ClientTest, GivesUpAfterAllTriesAndSaysSo) {
  FakeStore store([](const Request&) { return Failure(500, "InternalError"); });
  S3Client client(Quick(), AccountOf(store));
  const absl::Status status = client.GetSmall({"bkt", "k"}).status();
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("GET s3://bkt/k"), HasSubstr("500 InternalError"),
                    HasSubstr("tried 4 times"), Not(HasSubstr("SECRET"))));
  EXPECT_EQ(store.requests().size(), 4u);
}

TEST(S3ClientTest, WhatIsFinalIsAskedOnce) {
  int status = 0;
  std::string code;
  FakeStore store([&](const Request&) { return Failure(status, code); });
  S3Client client(Quick(), AccountOf(store));
  std::size_t asked = 0;
  for (const auto& [number, name, kind] :
       std::vector<std::tuple<int, std::string, absl::StatusCode>>{
           {403, "AccessDenied", absl::StatusCode::kPermissionDenied},
           {404, "NoSuchKey", absl::StatusCode::kNotFound},
           {404, "NoSuchBucket", absl::StatusCode::kFailedPrecondition},
           {404, "XAdminUserNotFound", absl::StatusCode::kPermissionDenied},
           {301, "PermanentRedirect", absl::StatusCode::kInvalidArgument}}) {
    status = number;
    code = name;
    const absl::Status said = client.Put({"bkt", "k"}, "body");
    EXPECT_EQ(said.code(), kind) << said;
    EXPECT_EQ(S3CodeOf(said), name);
    EXPECT_EQ(store.requests().size(), ++asked);
  }
}

TEST(S3ClientTest, ATextThatIsCutIsReadAgain) {
  std::atomic<int> count{0};
  FakeStore store(
      [&](const Request&) { return FakeStore::Reply(200, ++count < 3 ? "ha" : "half"); });
  S3Client client(Quick(), AccountOf(store));
  const auto check = [](std::string_view text) {
    return text == "half" ? absl::OkStatus() : absl::DataLossError("it is cut");
  };
  EXPECT_EQ(*client.GetSmall({"bkt", "k"}, check), "half");
  count = -100;
  EXPECT_THAT(std::string(client.GetSmall({"bkt", "k"}, check).status().message()),
              AllOf(HasSubstr("s3://bkt/k: it is cut"), HasSubstr("tried 4 times")));
}

TEST(S3ClientTest, ConnectionsAreUsedAgain) {
  FakeStore store([](const Request&) { return FakeStore::Reply(200, "x"); });
  S3Client client(Quick(), AccountOf(store));
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(client.GetSmall({"bkt", "k"}).ok());
  EXPECT_EQ(store.connections(), 1);
}

TEST(S3ClientTest, AClockThatIsWrongIsPutRight) {
  FakeStore store([](const Request& request) {
    if (request.head.find("x-amz-date: 20200101t") != std::string::npos)
      return FakeStore::Reply(200, "fine");
    return FakeStore::Reply(403, "<Error><Code>RequestTimeTooSkewed</Code></Error>",
                            "Date: Wed, 01 Jan 2020 10:00:00 GMT\r\n");
  });
  S3Client client(Quick(), AccountOf(store));
  EXPECT_EQ(*client.GetSmall({"bkt", "k"}), "fine");
  EXPECT_EQ(*client.GetSmall({"bkt", "k"}), "fine");
  EXPECT_EQ(store.requests().size(), 3u);
}

TEST(S3ClientTest, TemporaryKeysThatHaveRunOutAreLookedForAgain) {
  FakeStore store([](const Request& request) {
    return request.head.find("x-amz-security-token: new\r\n") == std::string::npos
               ? Failure(400, "ExpiredToken")
               : FakeStore::Reply(200, "fine");
  });
  S3Account account = AccountOf(store);
  S3Client stale(Quick(), account, [&] { return account; });
  EXPECT_EQ(S3CodeOf(stale.GetSmall({"bkt", "k"}).status()), "ExpiredToken");
  S3Client client(Quick(), account, [account]() mutable {
    account.credentials->session_token = "new";
    return account;
  });
  EXPECT_EQ(*client.GetSmall({"bkt", "k"}), "fine");
  EXPECT_EQ(store.requests().size(), 3u);
}

TEST(S3ClientTest, AListThatIsCutIsAskedForAgain) {
  std::atomic<int> count{0};
  FakeStore store([&](const Request&) {
    return FakeStore::Reply(200, ++count == 1 ? "<ListBucketResult><Con"
                                              : "<ListBucketResult><Contents><Key>a</Key>"
                                                "<Size>1</Size></Contents></ListBucketResult>");
  });
  S3Client client(Quick(), AccountOf(store));
  const auto page = client.List({"bkt", "p"}, "", "");
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(page->objects.size(), 1u);
  EXPECT_THAT(store.requests()[0].target, HasSubstr("/bkt?encoding-type=url&list-type=2&"));
}

TEST(S3ClientTest, ACompletedUploadIsKnownByItsToken) {
  std::string token = "mine";
  FakeStore store([&](const Request& request) {
    if (request.method == "POST") return Failure(404, "NoSuchUpload");
    return fmt::format(
        "HTTP/1.1 200 x\r\nContent-Length: 3\r\nx-amz-meta-trireme-upload: {}\r\n\r\n", token);
  });
  S3Client client(Quick(), AccountOf(store));
  EXPECT_TRUE(client.CompleteUpload({"bkt", "k"}, "id", "mine", {"e"}).ok());
  token = "another's";
  EXPECT_EQ(S3CodeOf(client.CompleteUpload({"bkt", "k"}, "id", "mine", {"e"})), "NoSuchUpload");
}

TEST(S3ClientTest, ASuccessThatIsAnErrorIsOne) {
  std::atomic<int> count{0};
  FakeStore store([&](const Request&) {
    return ++count == 1 ? FakeStore::Reply(200, "<Error><Code>InternalError</Code></Error>")
                        : FakeStore::Reply(200, "<CompleteMultipartUploadResult/>");
  });
  S3Client client(Quick(), AccountOf(store));
  EXPECT_TRUE(client.CompleteUpload({"bkt", "k"}, "id", "mine", {"e"}).ok());
  EXPECT_EQ(count, 2);
}

class ReaderTest : public ::testing::Test {
 protected:
  std::unique_ptr<io::ReadableFile> Open(S3Options options = Quick()) {
    options.read_bytes = 10'000;
    store_ =
        std::make_unique<FakeStore>([this](const Request& request) { return objects_(request); });
    client_ = std::make_unique<S3Client>(options, AccountOf(*store_));
    return OpenS3Object(client_.get(), {"bkt", "k"});
  }
  void TearDown() override {
    client_.reset();
    store_.reset();
  }

  ObjectStore objects_;
  std::unique_ptr<FakeStore> store_;
  std::unique_ptr<S3Client> client_;
  absl::Status status_;
};

TEST_F(ReaderTest, EveryByteOnceInOrder) {
  objects_.object = RandomBytes(123'456);
  for (const std::uint64_t length : {0ull, 50'000ull, 123'456ull, 1'000'000ull}) {
    const auto file = Open();
    file->ExpectSequential(3, length);
    EXPECT_EQ(ReadAll(*file, 3, 7'777, &status_), objects_.object.substr(3)) << length;
    EXPECT_TRUE(status_.ok()) << status_;
  }
}

TEST_F(ReaderTest, ASplitIsNotReadBeyondItsEnd) {
  objects_.object = RandomBytes(500'000);
  const auto file = Open();
  file->ExpectSequential(100'000, 30'000);
  std::string buffer(30'000, '\0');
  EXPECT_EQ(*file->ReadAt(100'000, buffer.data(), buffer.size()), buffer.size());
  EXPECT_EQ(buffer, objects_.object.substr(100'000, 30'000));
  EXPECT_EQ(store_->requests().size(), 3u);
}

TEST_F(ReaderTest, OneRequestForASmallFile) {
  objects_.object = "small";
  const auto file = Open();
  file->ExpectSequential(0, 0);
  EXPECT_EQ(ReadAll(*file, 0, 4096, &status_), "small");
  EXPECT_EQ(store_->requests().size(), 1u);
}

TEST_F(ReaderTest, ReadsHereAndThere) {
  objects_.object = RandomBytes(5'000);
  const auto file = Open();
  char buffer[100];
  EXPECT_EQ(*file->ReadAt(4'950, buffer, 100), 50u);
  EXPECT_EQ(std::string_view(buffer, 50), objects_.object.substr(4'950));
  EXPECT_EQ(*file->ReadAt(10, buffer, 100), 100u);
  EXPECT_EQ(*file->ReadAt(5'000, buffer, 100), 0u);
  EXPECT_EQ(*file->Size(), 5'000u);
}

TEST_F(ReaderTest, AnEmptyObjectIsRead) {
  const auto file = Open();
  file->ExpectSequential(0, 0);
  EXPECT_EQ(ReadAll(*file, 0, 10, &status_), "");
  EXPECT_TRUE(status_.ok());
}

TEST_F(ReaderTest, AnswersThatCannotBeAreAskedForAgain) {
  objects_.object = RandomBytes(60'000);
  objects_.spoil = [](const Request&, int count) -> std::string {
    switch (count) {
      case 1:
        return FakeStore::Reply(206, "short", "Content-Range: bytes 0-9999/60000\r\n");
      case 3:
        return FakeStore::Reply(206, std::string(20'000, 'x'),
                                "Content-Range: bytes 0-19999/60000\r\n");
      case 5:
        return FakeStore::Reply(200, "whole");
      case 7:
        return FakeStore::Reply(206, "x", "Content-Range: nonsense\r\n");
      default:
        return "";
    }
  };
  const auto file = Open();
  file->ExpectSequential(0, 60'000);
  EXPECT_EQ(ReadAll(*file, 0, 5'000, &status_), objects_.object);
  EXPECT_TRUE(status_.ok()) << status_;
}

TEST_F(ReaderTest, AnObjectThatIsReplacedIsAnError) {
  objects_.object = RandomBytes(60'000);
  objects_.spoil = [](const Request& request, int) {
    return request.head.find("if-match: \"v1\"") == std::string::npos
               ? ""
               : Failure(412, "PreconditionFailed");
  };
  const auto file = Open();
  file->ExpectSequential(0, 0);
  (void)ReadAll(*file, 0, 5'000, &status_);
  EXPECT_THAT(std::string(status_.message()), HasSubstr("was replaced"));
}

TEST_F(ReaderTest, AReaderThatGoesLeavesItsRequests) {
  objects_.object = RandomBytes(200'000);
  for (int i = 0; i < 20; ++i) {
    const auto file = Open();
    file->ExpectSequential(0, 200'000);
    char buffer[10];
    EXPECT_EQ(*file->ReadAt(0, buffer, 10), 10u);
  }
}

/// Takes uploads apart again.
struct UploadStore {
  std::mutex mutex;
  std::map<std::string, std::string> parts;  // by number
  std::string put;
  int started = 0, aborted = 0;

  std::string operator()(const Request& request) {
    const std::lock_guard lock(mutex);
    const bool upload = request.target.find("uploadId=") != std::string::npos;
    if (request.method == "POST" && !upload) {
      ++started;
      return FakeStore::Reply(200,
                              "<InitiateMultipartUploadResult><UploadId>u</UploadId>"
                              "</InitiateMultipartUploadResult>");
    }
    if (request.method == "POST") return FakeStore::Reply(200, "<CompleteMultipartUploadResult/>");
    if (request.method == "DELETE") return ++aborted, FakeStore::Reply(204, "");
    const std::size_t at = request.target.find("partNumber=");
    if (at == std::string::npos) {
      put = request.body;
      return FakeStore::Reply(200, "");
    }
    const std::string number = request.target.substr(at + 11, request.target.find('&') - at - 11);
    parts[std::string(5 - number.size(), '0') + number] = request.body;
    return FakeStore::Reply(200, "", "ETag: \"e" + number + "\"\r\n");
  }
  std::string Whole() const {
    std::string whole;
    for (const auto& [number, body] : parts) whole += body;
    return whole;
  }
};

class WriterTest : public ::testing::Test {
 protected:
  WriterTest()
      : store_([this](const Request& request) { return uploads_(request); }),
        client_(Options(), AccountOf(store_)) {}
  static S3Options Options() {
    S3Options options = Quick();
    options.part_bytes = 5'000;
    return options;
  }
  UploadStore uploads_;
  FakeStore store_;
  S3Client client_;
};

TEST_F(WriterTest, SmallObjectsAreOnePut) {
  const auto file = CreateS3Object(&client_, {"bkt", "k"});
  EXPECT_TRUE(file->Append("ab").ok() && file->Append("c").ok() && file->Commit().ok());
  EXPECT_EQ(uploads_.put, "abc");
  EXPECT_EQ(uploads_.started, 0);
}

TEST_F(WriterTest, LargeOnesGoInParts) {
  const std::string bytes = RandomBytes(23'456);
  const auto file = CreateS3Object(&client_, {"bkt", "k"});
  for (std::size_t at = 0; at < bytes.size(); at += 1'111)
    EXPECT_TRUE(file->Append(std::string_view(bytes).substr(at, 1'111)).ok());
  EXPECT_TRUE(file->Commit().ok());
  EXPECT_EQ(uploads_.Whole(), bytes);
  EXPECT_EQ(uploads_.parts.size(), 5u);
  const std::string completion = store_.requests().back().body;
  EXPECT_THAT(completion, HasSubstr("<PartNumber>5</PartNumber><ETag>\"e5\"</ETag>"));
}

TEST_F(WriterTest, WhatIsNotCommittedIsAborted) {
  {
    const auto file = CreateS3Object(&client_, {"bkt", "k"});
    EXPECT_TRUE(file->Append(std::string(12'000, 'x')).ok());
  }
  EXPECT_EQ(uploads_.aborted, 1);
}

TEST_F(WriterTest, AFileWithoutAByteHasNoUpload) {
  S3Uploader uploader(&client_, {"bkt", "k"});
  EXPECT_TRUE(uploader.Finish(/*always=*/true).ok());
  EXPECT_EQ(uploader.upload().id, "");
  EXPECT_EQ(uploads_.started, 0);
}

TEST(ForEachTest, TheFirstErrorEndsIt) {
  std::atomic<int> sum{0};
  EXPECT_TRUE(ForEachAtOnce(100, 8, [&](std::size_t i) {
                sum += static_cast<int>(i);
                return absl::OkStatus();
              }).ok());
  EXPECT_EQ(sum, 4950);
  EXPECT_TRUE(absl::IsAborted(ForEachAtOnce(100, 8, [&](std::size_t i) {
    return i == 50 ? absl::AbortedError("x") : absl::OkStatus();
  })));
  EXPECT_TRUE(ForEachAtOnce(0, 8, [](std::size_t) { return absl::AbortedError("x"); }).ok());
}

}  // namespace
}  // namespace trireme::mapreduce
