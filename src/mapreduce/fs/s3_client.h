#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mapreduce/fs/aws_account.h"
#include "mapreduce/fs/http_loop.h"
#include "mapreduce/fs/s3_options.h"
#include "mapreduce/fs/s3_path.h"
#include "mapreduce/fs/s3_xml.h"

/// Requests to an S3 store, signed and tried again. Thread-safe.
namespace trireme::mapreduce {

/// The store's own code of an error ("NoSuchUpload", or the status, "404", when it gave none);
/// empty when the store did not answer.
std::string S3CodeOf(const absl::Status& status);

/// A condition of the request (`if-match`, `if-none-match`) did not hold.
bool IsConditionFailed(const absl::Status& status);

struct S3Request {
  std::string method;
  S3Path path;
  std::vector<std::pair<std::string, std::string>> query;
  std::vector<std::pair<std::string, std::string>> headers;  ///< lower-case names
  std::shared_ptr<const std::string> body;
  std::shared_ptr<HttpBuffer> to;                ///< as HttpRequest has it
  std::shared_ptr<std::atomic<bool>> cancelled;  ///< as HttpRequest has it
  /// Looks at an answer 2xx; one that cannot be is tried again. May be null.
  std::function<absl::Status(const HttpAnswer&)> check = nullptr;
};

struct S3Head {
  std::uint64_t size_bytes = 0;
  std::string etag;
  std::string upload_token;  ///< what StartUpload was given
};

class S3Client {
 public:
  /// `refresh` finds the account anew when its temporary credentials have run out; may be null.
  using Refresh = std::function<absl::StatusOr<S3Account>()>;
  S3Client(S3Options options, S3Account account, Refresh refresh = nullptr);

  using Done = std::function<void(absl::StatusOr<HttpAnswer>)>;
  /// Tries until it has an answer that more tries would not better. `done` runs on the loop's
  /// thread and must not block. NOT_FOUND, PERMISSION_DENIED, FAILED_PRECONDITION (a condition that
  /// does not hold, no such bucket), UNAVAILABLE (after all tries); one line for the user.
  void Start(S3Request request, Done done);
  [[nodiscard]] absl::StatusOr<HttpAnswer> Run(S3Request request);

  [[nodiscard]] absl::StatusOr<S3Head> Head(const S3Path& path);
  /// One page of what begins with `path`'s key.
  [[nodiscard]] absl::StatusOr<S3ObjectPage> List(const S3Path& path, std::string_view delimiter,
                                                  const std::string& token,
                                                  std::uint32_t keys_max = kS3ListKeysMax);
  /// A text that `check` refuses is read again: it may have been cut on its way. May be null.
  using TextCheck = std::function<absl::Status(std::string_view)>;
  [[nodiscard]] absl::StatusOr<std::string> GetSmall(const S3Path& path, TextCheck check = nullptr);
  /// `only_new`: IsConditionFailed when there is one of that name, if the store knows conditions.
  [[nodiscard]] absl::Status Put(const S3Path& path, std::string body, bool only_new = false);
  /// What is not there counts as deleted.
  [[nodiscard]] absl::Status Delete(const S3Path& path);
  [[nodiscard]] absl::Status DeleteAll(const std::string& bucket,
                                       const std::vector<std::string>& keys);
  /// All that begins with `path`'s key.
  [[nodiscard]] absl::Status DeletePrefix(const S3Path& path);

  /// The id of a new multipart upload. `token` names it in the object's metadata.
  [[nodiscard]] absl::StatusOr<std::string> StartUpload(const S3Path& path,
                                                        const std::string& token);
  /// `done` gets the part's ETag.
  void SendPart(const S3Path& path, const std::string& upload, std::uint32_t number,
                std::shared_ptr<const std::string> body,
                std::shared_ptr<std::atomic<bool>> cancelled,
                std::function<void(absl::StatusOr<std::string>)> done);
  /// Also OK when an earlier try has done it, of which the token tells.
  [[nodiscard]] absl::Status CompleteUpload(const S3Path& path, const std::string& upload,
                                            const std::string& token,
                                            const std::vector<std::string>& etags);
  [[nodiscard]] absl::Status AbortUpload(const S3Path& path, const std::string& upload);
  /// Every upload under way of what begins with `path`'s key but those of `but`.
  [[nodiscard]] absl::Status AbortUploads(const S3Path& path,
                                          const std::vector<std::string>& but = {});

  const S3Options& options() const { return options_; }

 private:
  struct Call;

  void Try(std::shared_ptr<Call> call);
  void OnAnswer(const std::shared_ptr<Call>& call, HttpAnswer answer);
  bool RefreshCredentials();
  bool Retry(const std::shared_ptr<Call>& call, const HttpAnswer& answer, const S3Error& error);
  HttpRequest Sign(const Call& call) const;
  absl::Status Explain(const Call& call, const HttpAnswer& answer, const S3Error& error) const;
  std::int64_t Backoff(const Call& call, const HttpAnswer& answer) const;
  void LogTry(const Call& call, const HttpAnswer& answer, const S3Error& error) const;

  const S3Options options_;
  const S3Account account_;  ///< where the store is, and the first credentials
  const Refresh refresh_;
  mutable std::mutex mutex_;
  std::optional<AwsCredentials> credentials_;    // Guarded by mutex_.
  std::atomic<std::int64_t> clock_offset_s_{0};  ///< of the store's clock
  HttpLoop loop_;                                ///< last: its thread uses the rest
};

/// Runs `work(i)` for all i below `count`, some at a time; the first error of them.
[[nodiscard]] absl::Status ForEachAtOnce(std::size_t count, std::size_t at_once,
                                         const std::function<absl::Status(std::size_t)>& work);

}  // namespace trireme::mapreduce
