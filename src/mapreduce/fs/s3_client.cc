#include "mapreduce/fs/s3_client.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <ctime>
#include <mutex>
#include <optional>
#include <random>
#include <thread>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/clock.h"
#include "io/log.h"
#include "mapreduce/fs/aws_signature.h"
#include "mapreduce/fs/text.h"

namespace trireme::mapreduce {
namespace {

constexpr char kCodePayload[] = "trireme/s3";
constexpr std::size_t kMessageBytesMax = 200;
constexpr char kEmptySha256[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr char kTokenHeader[] = "x-amz-meta-trireme-upload";
/// Uploads and objects that are completed, aborted or deleted at once.
constexpr std::size_t kAtOnce = 8;

std::int64_t UnixSeconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// As a message may show it: one line of printable characters, not too long.
std::string Shown(std::string_view text) {
  std::string shown(text.substr(0, kMessageBytesMax));
  std::replace_if(
      shown.begin(), shown.end(), [](char c) { return c < ' ' || c > '~'; }, ' ');
  return shown;
}

/// "Mon, 30 Nov 2026 13:36:57 GMT"
std::int64_t ParseHttpDate(const std::string& text) {
  std::tm parts{};
  if (::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts) == nullptr) return 0;
  return ::timegm(&parts);
}

bool IsTransient(int status, const std::string& code) {
  if (status >= 500 || status == 429 || status == 408) return true;
  for (const char* one : {"RequestTimeout", "SlowDown", "InternalError", "ServiceUnavailable",
                          "ThrottlingException", "OperationAborted", "RequestTimeTooSkewed"}) {
    if (code == one) return true;
  }
  return false;
}

/// The second is versitygw's, which has status 404.
bool IsBadKey(const std::string& code) {
  return code == "InvalidAccessKeyId" || code == "XAdminUserNotFound" ||
         code == "SignatureDoesNotMatch";
}

absl::StatusCode CodeFor(int status, const std::string& code) {
  // A name that is not there may be looked for elsewhere; a bucket that is not there ends all.
  if (code == "NoSuchBucket") return absl::StatusCode::kFailedPrecondition;
  if (IsBadKey(code)) return absl::StatusCode::kPermissionDenied;
  switch (status) {
    case 401:
    case 403:
      return absl::StatusCode::kPermissionDenied;
    case 404:
      return absl::StatusCode::kNotFound;
    case 409:
    case 412:
      return absl::StatusCode::kFailedPrecondition;
    case 416:
      return absl::StatusCode::kOutOfRange;
    default:
      return status >= 500 || status == 429 ? absl::StatusCode::kUnavailable
                                            : absl::StatusCode::kInvalidArgument;
  }
}

std::string RemedyFor(int status, const std::string& code, const S3Account& account,
                      const std::string& region) {
  if (code == "NoSuchBucket") return "create the bucket, or check its name and --s3-endpoint";
  if (IsBadKey(code))
    return "the credentials were not accepted: check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
           "or the profile";
  if (code == "ExpiredToken") return "get new temporary credentials";
  if (status / 100 == 3 || code == "AuthorizationHeaderMalformed")
    return fmt::format("the bucket is in another region than {}: set AWS_REGION{}", account.region,
                       region.empty() ? "" : " to " + Shown(region));
  if (status == 403 || status == 401)
    return account.credentials ? "check what these credentials may do with the bucket"
                               : "the store wants credentials: leave out --s3-anonymous";
  if (status == 404) return "check the name";
  if (status >= 500 || status == 429) return "the store is overloaded or ill: try again later";
  return "check --s3-endpoint";
}

}  // namespace

bool IsConditionFailed(const absl::Status& status) {
  const std::string code = S3CodeOf(status);
  return code == "PreconditionFailed" || code == "ConditionalRequestConflict" || code == "412";
}

std::string S3CodeOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kCodePayload);
  return payload ? std::string(*payload) : std::string();
}

struct S3Client::Call {
  S3Request request;
  Done done;
  std::string payload_sha256;
  std::uint32_t attempt = 0;
  std::int64_t began_ms = 0;
  bool clock_set = false, refreshed = false;
};

S3Client::S3Client(S3Options options, S3Account account, Refresh refresh)
    : options_(std::move(options)),
      account_(std::move(account)),
      refresh_(std::move(refresh)),
      credentials_(account_.credentials),
      loop_({options_.connections, options_.connect_timeout_ms, options_.stall_timeout_s,
             kS3AnswerBytesMax, account_.ca_bundle}) {}

// ---- One request

void S3Client::Start(S3Request request, Done done) {
  auto call = std::make_shared<Call>();
  call->payload_sha256 = request.body ? HexSha256(*request.body) : kEmptySha256;
  call->request = std::move(request);
  call->done = std::move(done);
  Try(std::move(call));
}

void S3Client::Try(std::shared_ptr<Call> call) {
  ++call->attempt;
  call->began_ms = io::SteadyMs();
  HttpRequest http = Sign(*call);
  loop_.Start(std::move(http),
              [this, call](HttpAnswer answer) { OnAnswer(call, std::move(answer)); });
}

HttpRequest S3Client::Sign(const Call& call) const {
  const S3Request& request = call.request;
  const std::string& bucket = request.path.bucket;
  const std::string host = account_.bucket_in_host
                               ? fmt::format("{}.{}", bucket, account_.authority)
                               : account_.authority;
  AwsRequest aws;
  aws.method = request.method;
  aws.path = "/" + (account_.bucket_in_host ? "" : bucket + (request.path.key.empty() ? "" : "/")) +
             UriEncode(request.path.key, true);
  aws.query = request.query;
  aws.headers = request.headers;
  aws.headers.emplace_back("host", host);
  aws.payload_sha256 = call.payload_sha256;
  std::optional<AwsCredentials> credentials;
  {
    const std::lock_guard lock(mutex_);
    credentials = credentials_;
  }
  if (credentials)
    SignRequest(*credentials, account_.region, "s3", UnixSeconds() + clock_offset_s_, &aws);
  HttpRequest http;
  http.method = request.method;
  const std::string query = CanonicalQuery(aws.query);
  http.url = fmt::format("{}://{}{}{}{}", account_.scheme, host, aws.path, query.empty() ? "" : "?",
                         query);
  for (const auto& [name, value] : aws.headers)
    http.headers.push_back(fmt::format("{}: {}", name, value));
  http.body = request.body;
  http.to = request.to;
  http.cancelled = request.cancelled;
  return http;
}

void S3Client::OnAnswer(const std::shared_ptr<Call>& call, HttpAnswer answer) {
  S3Error error;
  const bool ok = answer.transport.ok() && answer.status / 100 == 2;
  if (!ok) error = ParseError(answer.body);
  if (ok && call->request.method == "POST" && IsErrorXml(answer.body)) {
    error = ParseError(answer.body);  // S3 begins some answers before it knows how they end
    answer.status = error.code == "InternalError" ? 500 : 400;
  } else if (ok && call->request.check) {
    const absl::Status checked = call->request.check(answer);
    if (!checked.ok()) answer.transport = absl::UnavailableError(checked.message());
  }
  LogTry(*call, answer, error);
  if (answer.transport.ok() && answer.status / 100 == 2) return call->done(std::move(answer));
  if (Retry(call, answer, error)) return;
  call->done(Explain(*call, answer, error));
}

/// True when there are others than those that have run out.
bool S3Client::RefreshCredentials() {
  if (!refresh_) return false;
  const absl::StatusOr<S3Account> found = refresh_();
  if (!found.ok() || !found->credentials) return false;
  const std::lock_guard lock(mutex_);
  const bool fresh =
      !credentials_ || found->credentials->session_token != credentials_->session_token;
  credentials_ = found->credentials;
  return fresh;
}

/// True when it will be tried again.
bool S3Client::Retry(const std::shared_ptr<Call>& call, const HttpAnswer& answer,
                     const S3Error& error) {
  if (error.code == "ExpiredToken" && !std::exchange(call->refreshed, true) && RefreshCredentials())
    return Try(call), true;
  const bool transient = answer.transport.ok() ? IsTransient(answer.status, error.code)
                                               : absl::IsUnavailable(answer.transport);
  const bool cancelled = call->request.cancelled && *call->request.cancelled;
  if (!transient || cancelled || call->attempt >= options_.attempts_max) return false;
  if (error.code == "RequestTimeTooSkewed") {
    const std::int64_t theirs = ParseHttpDate(answer.Header("date"));
    if (theirs == 0 || std::exchange(call->clock_set, true)) return false;
    clock_offset_s_ = theirs - UnixSeconds();
  }
  loop_.After(Backoff(*call, answer), [this, call] { Try(call); });
  return true;
}

/// Doubles with each attempt; anything between half of it and all, so that many who failed together
/// do not come back together. What the store asks for is kept to.
std::int64_t S3Client::Backoff(const Call& call, const HttpAnswer& answer) const {
  thread_local std::minstd_rand random{std::random_device{}()};
  const std::uint64_t longest = options_.backoff_ms_max;
  const std::uint64_t full = std::min<std::uint64_t>(
      std::uint64_t{options_.backoff_ms} << std::min(call.attempt - 1, 20u), longest);
  std::uint64_t wait = full / 2 + random() % (full / 2 + 1);
  if (const auto seconds = ParseNumber64(answer.Header("retry-after")))
    wait = std::max(wait, *seconds > longest / 1'000 ? longest : *seconds * 1'000);
  return static_cast<std::int64_t>(wait);
}

absl::Status S3Client::Explain(const Call& call, const HttpAnswer& answer,
                               const S3Error& error) const {
  const std::string what = fmt::format("{} {}", call.request.method, call.request.path.ToString());
  const std::string tries =
      call.attempt > 1 ? fmt::format(" (tried {} times)", call.attempt) : std::string();
  if (!answer.transport.ok())
    return absl::Status(answer.transport.code(),
                        fmt::format("{}: {}{}: check the store at {}://{}", what,
                                    Shown(std::string(answer.transport.message())), tries,
                                    account_.scheme, account_.authority));
  std::string code = error.code.empty() ? fmt::format("{}", answer.status) : Shown(error.code);
  const std::string region =
      error.region.empty() ? answer.Header("x-amz-bucket-region") : error.region;
  absl::Status status(CodeFor(answer.status, code),
                      fmt::format("{}: status {}{}{}: {}", what, answer.status,
                                  error.code.empty() ? "" : " " + code, tries,
                                  RemedyFor(answer.status, code, account_, region)));
  status.SetPayload(kCodePayload, absl::Cord(code));
  return status;
}

void S3Client::LogTry(const Call& call, const HttpAnswer& answer, const S3Error& error) const {
  const bool good = answer.transport.ok() && answer.status / 100 == 2;
  const io::LogLevel level = io::LogLevel::kDebug;
  if (!io::Logs(level)) return;
  io::Log(level, good ? "s3" : "s3 failed",
          {{"method", call.request.method},
           {"path", call.request.path.ToString()},
           {"attempt", fmt::format("{}", call.attempt)},
           {"status", fmt::format("{}", answer.status)},
           {"code", error.code.empty() ? Shown(std::string(answer.transport.message()))
                                       : Shown(error.code)},
           {"ms", fmt::format("{}", io::SteadyMs() - call.began_ms)}});
}

namespace {

/// Lets a thread wait for what the loop's thread says.
template <typename T>
class Wait {
 public:
  void Set(T value) {
    const std::lock_guard lock(mutex_);
    value_.emplace(std::move(value));
    set_.notify_one();
  }
  T Take() {
    std::unique_lock lock(mutex_);
    set_.wait(lock, [this] { return value_.has_value(); });
    return *std::move(value_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable set_;
  std::optional<T> value_;
};

}  // namespace

absl::StatusOr<HttpAnswer> S3Client::Run(S3Request request) {
  auto wait = std::make_shared<Wait<absl::StatusOr<HttpAnswer>>>();
  Start(std::move(request),
        [wait](absl::StatusOr<HttpAnswer> answer) { wait->Set(std::move(answer)); });
  return wait->Take();
}

// ---- Objects

absl::StatusOr<S3Head> S3Client::Head(const S3Path& path) {
  TRIREME_ASSIGN_OR_RETURN(const HttpAnswer answer, Run({.method = "HEAD", .path = path}));
  S3Head head;
  const auto size = ParseNumber64(answer.Header("content-length"));
  if (!size)
    return absl::DataLossError(
        fmt::format("HEAD {}: the store does not say how large it is", path.ToString()));
  head.size_bytes = *size;
  head.etag = answer.Header("etag");
  head.upload_token = answer.Header(kTokenHeader);
  return head;
}

absl::StatusOr<S3ObjectPage> S3Client::List(const S3Path& path, std::string_view delimiter,
                                            const std::string& token, std::uint32_t keys_max) {
  S3Request request{.method = "GET", .path = {path.bucket, ""}};
  request.query = {{"list-type", "2"},
                   {"encoding-type", "url"},
                   {"max-keys", fmt::format("{}", keys_max)},
                   {"prefix", path.key}};
  if (!delimiter.empty()) request.query.emplace_back("delimiter", delimiter);
  if (!token.empty()) request.query.emplace_back("continuation-token", token);
  request.check = [](const HttpAnswer& answer) { return ParseObjectPage(answer.body).status(); };
  TRIREME_ASSIGN_OR_RETURN(const HttpAnswer answer, Run(std::move(request)));
  return ParseObjectPage(answer.body);
}

absl::StatusOr<std::string> S3Client::GetSmall(const S3Path& path, TextCheck check) {
  S3Request request{.method = "GET", .path = path};
  if (check)
    request.check = [check = std::move(check)](const HttpAnswer& a) { return check(a.body); };
  TRIREME_ASSIGN_OR_RETURN(HttpAnswer answer, Run(std::move(request)));
  return std::move(answer.body);
}

absl::Status S3Client::Put(const S3Path& path, std::string body, bool only_new) {
  S3Request request{.method = "PUT", .path = path};
  request.body = std::make_shared<const std::string>(std::move(body));
  if (only_new) request.headers.emplace_back("if-none-match", "*");
  return Run(std::move(request)).status();
}

absl::Status S3Client::Delete(const S3Path& path) {
  const absl::Status status = Run({.method = "DELETE", .path = path}).status();
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

absl::Status S3Client::DeleteAll(const std::string& bucket, const std::vector<std::string>& keys) {
  return ForEachAtOnce(keys.size(), kAtOnce, [&](std::size_t i) {
    return Delete({bucket, keys[i]});
  });
}

absl::Status S3Client::DeletePrefix(const S3Path& path) {
  std::string token;
  do {
    TRIREME_ASSIGN_OR_RETURN(const S3ObjectPage page, List(path, "", token));
    std::vector<std::string> keys;
    for (const S3ListedObject& object : page.objects) keys.push_back(object.key);
    TRIREME_RETURN_IF_ERROR(DeleteAll(path.bucket, keys));
    token = page.next_token;
  } while (!token.empty());
  return absl::OkStatus();
}

// ---- Uploads

absl::StatusOr<std::string> S3Client::StartUpload(const S3Path& path, const std::string& token) {
  S3Request request{.method = "POST", .path = path, .query = {{"uploads", ""}}};
  request.headers.emplace_back(kTokenHeader, token);
  request.check = [](const HttpAnswer& answer) { return ParseUploadId(answer.body).status(); };
  TRIREME_ASSIGN_OR_RETURN(const HttpAnswer answer, Run(std::move(request)));
  return ParseUploadId(answer.body);
}

void S3Client::SendPart(const S3Path& path, const std::string& upload, std::uint32_t number,
                        std::shared_ptr<const std::string> body,
                        std::shared_ptr<std::atomic<bool>> cancelled,
                        std::function<void(absl::StatusOr<std::string>)> done) {
  S3Request request{.method = "PUT", .path = path};
  request.query = {{"partNumber", fmt::format("{}", number)}, {"uploadId", upload}};
  request.body = std::move(body);
  request.cancelled = std::move(cancelled);
  request.check = [](const HttpAnswer& answer) {
    return answer.Header("etag").empty() ? absl::DataLossError("a part was given no ETag")
                                         : absl::OkStatus();
  };
  Start(std::move(request), [done = std::move(done)](const absl::StatusOr<HttpAnswer>& answer) {
    done(answer.ok() ? absl::StatusOr<std::string>(answer->Header("etag")) : answer.status());
  });
}

absl::Status S3Client::CompleteUpload(const S3Path& path, const std::string& upload,
                                      const std::string& token,
                                      const std::vector<std::string>& etags) {
  S3Request request{.method = "POST", .path = path, .query = {{"uploadId", upload}}};
  request.body = std::make_shared<const std::string>(CompleteUploadXml(etags));
  absl::Status status = Run(std::move(request)).status();
  if (S3CodeOf(status) != "NoSuchUpload") return status;
  const auto head = Head(path);
  if (head.ok() && head->upload_token == token) return absl::OkStatus();
  return head.ok() || absl::IsNotFound(head.status()) ? status : head.status();
}

absl::Status S3Client::AbortUpload(const S3Path& path, const std::string& upload) {
  const absl::Status status =
      Run({.method = "DELETE", .path = path, .query = {{"uploadId", upload}}}).status();
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

absl::Status S3Client::AbortUploads(const S3Path& path, const std::vector<std::string>& but) {
  std::string key, id;
  do {
    S3Request request{.method = "GET", .path = {path.bucket, ""}};
    request.query = {{"uploads", ""}, {"prefix", path.key}, {"encoding-type", "url"}};
    if (!key.empty()) request.query.emplace_back("key-marker", key);
    if (!id.empty()) request.query.emplace_back("upload-id-marker", id);
    request.check = [](const HttpAnswer& a) { return ParseUploadPage(a.body).status(); };
    TRIREME_ASSIGN_OR_RETURN(const HttpAnswer answer, Run(std::move(request)));
    TRIREME_ASSIGN_OR_RETURN(const S3UploadPage page, ParseUploadPage(answer.body));
    TRIREME_RETURN_IF_ERROR(ForEachAtOnce(page.uploads.size(), kAtOnce, [&](std::size_t i) {
      const S3ListedUpload& upload = page.uploads[i];
      if (!upload.key.starts_with(path.key) ||
          std::find(but.begin(), but.end(), upload.id) != but.end())
        return absl::OkStatus();
      return AbortUpload({path.bucket, upload.key}, upload.id);
    }));
    key = page.next_key;
    id = page.next_id;
  } while (!key.empty());
  return absl::OkStatus();
}

absl::Status ForEachAtOnce(std::size_t count, std::size_t at_once,
                           const std::function<absl::Status(std::size_t)>& work) {
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  absl::Status first;
  const auto run = [&] {
    for (std::size_t i = next++; i < count; i = next++) {
      absl::Status status = work(i);
      if (status.ok()) continue;
      const std::lock_guard lock(mutex);
      if (first.ok()) first = std::move(status);
      return;
    }
  };
  std::vector<std::thread> others;
  for (std::size_t i = 1; i < std::min(at_once, count); ++i) others.emplace_back(run);
  run();
  for (std::thread& other : others) other.join();
  return first;
}

}  // namespace trireme::mapreduce
