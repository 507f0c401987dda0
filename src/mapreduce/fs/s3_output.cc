#include "mapreduce/fs/s3_output.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"

namespace trireme::mapreduce {
namespace {

constexpr std::size_t kAtOnce = 8;
constexpr char kTemporary[] = "_temporary/";
constexpr char kJob[] = "_temporary/_job";
constexpr char kManifest[] = "_temporary/_manifest";
constexpr char kSuccess[] = "_SUCCESS";

S3Path Under(const S3Path& root, std::string_view name) {
  return {root.bucket, root.Prefix() + std::string(name)};
}

absl::Status CheckNonce(std::string_view text) {
  if (text.size() == 33 && text.find_first_not_of("0123456789abcdef") == 32 && text[32] == '\n')
    return absl::OkStatus();
  return absl::DataLossError("it is not what a job writes: run the job again with --overwrite");
}

absl::StatusOr<std::string> ReadNonce(S3Client& client, const S3Path& root) {
  TRIREME_ASSIGN_OR_RETURN(std::string text, client.GetSmall(Under(root, kJob), CheckNonce));
  text.pop_back();
  return text;
}

absl::StatusOr<S3Manifest> ReadManifest(S3Client& client, const S3Path& path) {
  TRIREME_ASSIGN_OR_RETURN(const std::string text, client.GetSmall(path, [](std::string_view t) {
    return DecodeManifest(t).status();
  }));
  return DecodeManifest(text);
}

class StagedPart final : public io::FileWriter {
 public:
  StagedPart(S3Client* client, S3Path root, std::string name, std::string nonce)
      : client_(*client),
        root_(std::move(root)),
        name_(std::move(name)),
        nonce_(std::move(nonce)),
        uploader_(client, Under(root_, name_)) {}

  absl::Status Append(std::string_view bytes) override { return uploader_.Append(bytes); }

  absl::Status Commit() override {
    TRIREME_RETURN_IF_ERROR(uploader_.Finish(/*always=*/true));
    const S3Manifest record{nonce_, {{name_, uploader_.upload()}}};
    const absl::Status put = client_.Put(
        Under(root_, fmt::format("{}{}/{}", kTemporary, nonce_, name_)), EncodeManifest(record));
    // Whether a put that failed has arrived nobody knows: the job's end aborts what it does not
    // name.
    uploader_.Release();
    return put;
  }

  void Abort() override { uploader_.Abort(); }

 private:
  S3Client& client_;
  const S3Path root_;
  const std::string name_, nonce_;
  S3Uploader uploader_;
};

class ImpossibleOutput final : public io::StagedOutput {
 public:
  explicit ImpossibleOutput(absl::Status why) : why_(std::move(why)) {}
  absl::Status Prepare(bool) override { return why_; }
  absl::Status Finish() override { return why_; }
  void Abandon() override {}

 private:
  const absl::Status why_;
};

}  // namespace

std::unique_ptr<io::StagedOutput> NoOutput(absl::Status why) {
  return std::make_unique<ImpossibleOutput>(std::move(why));
}

absl::StatusOr<std::unique_ptr<io::FileWriter>> StageS3Part(S3Client* client, S3Path root,
                                                            std::string name) {
  TRIREME_ASSIGN_OR_RETURN(std::string nonce, ReadNonce(*client, root));
  return std::make_unique<StagedPart>(client, std::move(root), std::move(name), std::move(nonce));
}

S3Path S3Output::Below(std::string_view name) const {
  return Under(root_, name);
}

absl::Status S3Output::Prepare(bool overwrite) {
  const std::string nonce = RandomToken();
  if (!overwrite) {
    const absl::Status put = client_.Put(Below(kJob), nonce + "\n", /*only_new=*/true);
    const auto there =
        IsConditionFailed(put) ? ReadNonce(client_, root_) : absl::StatusOr<std::string>("");
    if (!put.ok() && (!there.ok() || *there != nonce))  // a try before may have put ours
      return IsConditionFailed(put)
                 ? absl::AlreadyExistsError(fmt::format(
                       "output {}: another job is writing there: wait for it, name another place, "
                       "or give --overwrite",
                       root_.ToString()))
                 : put;
    nonce_ = nonce;
    return absl::OkStatus();
  }
  TRIREME_RETURN_IF_ERROR(client_.Delete(Below(kJob)));
  TRIREME_RETURN_IF_ERROR(client_.AbortUploads(Below("part-")));
  TRIREME_RETURN_IF_ERROR(client_.DeletePrefix(Below(kTemporary)));
  TRIREME_RETURN_IF_ERROR(client_.Put(Below(kJob), nonce + "\n"));
  nonce_ = nonce;
  return absl::OkStatus();
}

absl::Status S3Output::Finish() {
  const auto written = ReadManifest(client_, Below(kManifest));
  if (written.ok()) {
    if (nonce_.empty() || written->nonce == nonce_) return Publish(*written);
  } else if (!absl::IsNotFound(written.status())) {
    return written.status();
  }
  const auto nonce = ReadNonce(client_, root_);
  if (absl::IsNotFound(nonce.status()) && nonce_.empty()) return absl::OkStatus();  // had finished
  if (!nonce.ok() && !absl::IsNotFound(nonce.status())) return nonce.status();
  if (!nonce.ok() || (!nonce_.empty() && *nonce != nonce_))
    return absl::AbortedError(
        fmt::format("output {}: another job has taken it over: give each job an output of its own",
                    root_.ToString()));
  nonce_ = *nonce;
  TRIREME_ASSIGN_OR_RETURN(const S3Manifest manifest, Gather());
  TRIREME_RETURN_IF_ERROR(PutManifest(manifest));
  return Publish(manifest);
}

/// Not one that could not be read again: whoever goes on after our death does.
absl::Status S3Output::PutManifest(const S3Manifest& manifest) {
  std::string text = EncodeManifest(manifest);
  if (manifest.parts.size() > kManifestPartsMax || text.size() > kManifestBytesMax)
    return absl::ResourceExhaustedError(fmt::format(
        "output {}: its manifest would have {} parts (at most {}) and {} bytes (at most {}): give "
        "fewer --reduces or a larger --s3-part-size",
        root_.ToString(), manifest.parts.size(), kManifestPartsMax, text.size(),
        kManifestBytesMax));
  return client_.Put(Below(kManifest), std::move(text));
}

/// The pending records of this job, in the order of names.
absl::StatusOr<S3Manifest> S3Output::Gather() {
  const S3Path records = Below(fmt::format("{}{}/", kTemporary, nonce_));
  std::vector<std::string> keys;
  std::string token;
  do {
    TRIREME_ASSIGN_OR_RETURN(const S3ObjectPage page, client_.List(records, "", token));
    for (const S3ListedObject& object : page.objects) keys.push_back(object.key);
    token = page.next_token;
  } while (!token.empty());
  std::sort(keys.begin(), keys.end());
  S3Manifest manifest{nonce_, std::vector<S3PendingPart>(keys.size())};
  TRIREME_RETURN_IF_ERROR(ForEachAtOnce(keys.size(), kAtOnce, [&](std::size_t i) -> absl::Status {
    TRIREME_ASSIGN_OR_RETURN(const S3Manifest record,
                             ReadManifest(client_, {root_.bucket, keys[i]}));
    if (record.parts.size() != 1 || record.nonce != nonce_ ||
        records.key + record.parts[0].name != keys[i])
      return absl::DataLossError(fmt::format("{}{}/{} is no record of a part of this job",
                                             kS3Scheme, root_.bucket, keys[i]));
    manifest.parts[i] = record.parts[0];
    return absl::OkStatus();
  }));
  return manifest;
}

absl::Status S3Output::Publish(const S3Manifest& manifest) {
  TRIREME_RETURN_IF_ERROR(client_.Delete(Below(kSuccess)));
  TRIREME_RETURN_IF_ERROR(ForEachAtOnce(manifest.parts.size(), kAtOnce, [&](std::size_t i) {
    return CompletePart(manifest.parts[i]);
  }));
  TRIREME_RETURN_IF_ERROR(RemoveOldParts(manifest));
  TRIREME_RETURN_IF_ERROR(client_.Put(Below(kSuccess), EncodeManifest(manifest)));
  return CleanUp(manifest);
}

absl::Status S3Output::CompletePart(const S3PendingPart& part) {
  const S3Path path = Below(part.name);
  if (part.upload.id.empty()) return client_.Put(path, "");
  return client_.CompleteUpload(path, part.upload.id, part.upload.token, part.upload.etags);
}

absl::Status S3Output::RemoveOldParts(const S3Manifest& manifest) {
  std::set<std::string> ours;
  for (const S3PendingPart& part : manifest.parts) ours.insert(Below(part.name).key);
  std::vector<std::string> old;
  const S3Path parts = Below("part-");
  std::string token;
  do {
    TRIREME_ASSIGN_OR_RETURN(const S3ObjectPage page, client_.List(parts, "/", token));
    for (const S3ListedObject& object : page.objects) {
      if (!ours.contains(object.key)) old.push_back(object.key);
    }
    token = page.next_token;
  } while (!token.empty());
  return client_.DeleteAll(root_.bucket, old);
}

absl::Status S3Output::CleanUp(const S3Manifest& manifest) {
  TRIREME_RETURN_IF_ERROR(client_.AbortUploads(Below("part-")));
  TRIREME_RETURN_IF_ERROR(
      client_.DeletePrefix(Below(fmt::format("{}{}/", kTemporary, manifest.nonce))));
  TRIREME_RETURN_IF_ERROR(client_.Delete(Below(kJob)));
  return client_.Delete(Below(kManifest));
}

void S3Output::Abandon() {
  // Of a job that has taken the output over nothing is touched.
  if (!nonce_.empty()) {
    const auto there = ReadNonce(client_, root_);
    if (there.ok() && *there != nonce_) return;
  }
  client_.Delete(Below(kJob)).IgnoreError();
  client_.AbortUploads(Below("part-")).IgnoreError();
  client_.DeletePrefix(Below(kTemporary)).IgnoreError();
}

}  // namespace trireme::mapreduce
