#include "mapreduce/fs/s3_writer.h"

#include <openssl/rand.h>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "fmt/format.h"

namespace trireme::mapreduce {

std::string RandomToken() {
  unsigned char bytes[16];
  TRIREME_CHECK(RAND_bytes(bytes, sizeof bytes) == 1);
  std::string token;
  for (const unsigned char byte : bytes) token += fmt::format("{:02x}", byte);
  return token;
}

struct S3Uploader::Shared {
  std::mutex mutex;
  std::condition_variable answered;
  std::size_t under_way = 0;                 // Guarded by mutex, as the rest.
  std::map<std::size_t, std::string> etags;  // by place
  absl::Status status;
  const std::shared_ptr<std::atomic<bool>> cancelled = std::make_shared<std::atomic<bool>>(false);
};

S3Uploader::S3Uploader(S3Client* client, S3Path path)
    : client_(*client), path_(std::move(path)), shared_(std::make_shared<Shared>()) {
  upload_.token = RandomToken();
}

S3Uploader::~S3Uploader() {
  Abort();
}

std::size_t S3Uploader::PartBytes() const {
  const std::uint64_t doubled = upload_.etags.size() / kS3PartsPerSize;
  return static_cast<std::size_t>(client_.options().part_bytes
                                  << std::min<std::uint64_t>(doubled, 16));
}

absl::Status S3Uploader::Append(std::string_view bytes) {
  upload_.size_bytes += bytes.size();
  while (!bytes.empty()) {
    const std::size_t part = PartBytes();
    const std::size_t n = std::min(bytes.size(), part - buffer_.size());
    // So that growth by doubling does not end beyond a part.
    if (buffer_.size() + n > part / 2) buffer_.reserve(part);
    buffer_.append(bytes.substr(0, n));
    bytes.remove_prefix(n);
    if (buffer_.size() == part) TRIREME_RETURN_IF_ERROR(SendBuffer());
  }
  return absl::OkStatus();
}

absl::Status S3Uploader::SendBuffer() {
  if (upload_.id.empty()) {
    TRIREME_ASSIGN_OR_RETURN(upload_.id, client_.StartUpload(path_, upload_.token));
  }
  if (upload_.etags.size() == kS3PartsMax)
    return absl::ResourceExhaustedError(fmt::format(
        "{}: larger than {} parts: give a larger --s3-part-size", path_.ToString(), kS3PartsMax));
  TRIREME_RETURN_IF_ERROR(Await(client_.options().upload_ahead - 1));
  const std::size_t place = upload_.etags.size();
  upload_.etags.emplace_back();
  {
    const std::lock_guard lock(shared_->mutex);
    ++shared_->under_way;
  }
  auto body = std::make_shared<const std::string>(std::exchange(buffer_, {}));
  client_.SendPart(path_, upload_.id, static_cast<std::uint32_t>(place + 1), std::move(body),
                   shared_->cancelled, [shared = shared_, place](absl::StatusOr<std::string> etag) {
                     const std::lock_guard lock(shared->mutex);
                     --shared->under_way;
                     if (etag.ok()) {
                       shared->etags[place] = *std::move(etag);
                     } else if (shared->status.ok()) {
                       shared->status = etag.status();
                     }
                     shared->answered.notify_all();
                   });
  return absl::OkStatus();
}

absl::Status S3Uploader::Await(std::size_t under_way_max) {
  std::unique_lock lock(shared_->mutex);
  shared_->answered.wait(lock, [&] { return shared_->under_way <= under_way_max; });
  return shared_->status;
}

absl::Status S3Uploader::Finish(bool always) {
  if (!buffer_.empty() && (always || !upload_.id.empty())) TRIREME_RETURN_IF_ERROR(SendBuffer());
  TRIREME_RETURN_IF_ERROR(Await(0));
  const std::lock_guard lock(shared_->mutex);
  for (auto& [place, etag] : shared_->etags) upload_.etags[place] = std::move(etag);
  return absl::OkStatus();
}

void S3Uploader::Abort() {
  if (std::exchange(released_, true)) return;
  *shared_->cancelled = true;
  (void)Await(0);  // a part that arrives after the abort could stay
  // What cannot be aborted now is when the job ends.
  if (!upload_.id.empty()) client_.AbortUpload(path_, upload_.id).IgnoreError();
}

namespace {

class S3ObjectWriter final : public io::FileWriter {
 public:
  S3ObjectWriter(S3Client* client, S3Path path)
      : client_(*client), uploader_(client, std::move(path)) {}

  absl::Status Append(std::string_view bytes) override { return uploader_.Append(bytes); }

  absl::Status Commit() override {
    TRIREME_RETURN_IF_ERROR(uploader_.Finish(/*always=*/false));
    const S3Upload& upload = uploader_.upload();
    const absl::Status status =
        upload.id.empty()
            ? client_.Put(uploader_.path(), uploader_.TakeRest())
            : client_.CompleteUpload(uploader_.path(), upload.id, upload.token, upload.etags);
    if (status.ok()) uploader_.Release();
    return status;
  }

  void Abort() override { uploader_.Abort(); }

 private:
  S3Client& client_;
  S3Uploader uploader_;
};

}  // namespace

std::unique_ptr<io::FileWriter> CreateS3Object(S3Client* client, S3Path path) {
  return std::make_unique<S3ObjectWriter>(client, std::move(path));
}

}  // namespace trireme::mapreduce
