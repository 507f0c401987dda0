#pragma once

#include <memory>
#include <string>

#include "io/file_system.h"
#include "mapreduce/fs/s3_manifest.h"

/// A job's output below a prefix: the steps of docs/formats/s3-output.md.
namespace trireme::mapreduce {

class S3Output final : public io::StagedOutput {
 public:
  /// `root` is the output's path as the user gave it.
  S3Output(S3Client* client, S3Path root) : client_(*client), root_(std::move(root)) {}

  absl::Status Prepare(bool overwrite) override;
  absl::Status Finish() override;
  void Abandon() override;

 private:
  S3Path Below(std::string_view name) const;
  absl::StatusOr<S3Manifest> Gather();
  absl::Status PutManifest(const S3Manifest& manifest);
  absl::Status Publish(const S3Manifest& manifest);
  absl::Status CompletePart(const S3PendingPart& part);
  absl::Status RemoveOldParts(const S3Manifest& manifest);
  absl::Status CleanUp(const S3Manifest& manifest);

  S3Client& client_;
  const S3Path root_;
  std::string nonce_;  ///< that Prepare put; empty in a later life
};

/// An output that cannot be: says so when it is to be prepared.
std::unique_ptr<io::StagedOutput> NoOutput(absl::Status why);

/// The writer of a part: its upload waits for the job to finish.
[[nodiscard]] absl::StatusOr<std::unique_ptr<io::FileWriter>> StageS3Part(S3Client* client,
                                                                          S3Path root,
                                                                          std::string name);

}  // namespace trireme::mapreduce
