#include "mapreduce/cluster/output_keeper.h"

#include <chrono>
#include <optional>
#include <utility>

#include "base/status_macros.h"

namespace trireme::mapreduce::cluster {

void OutputKeeper::Start() {
  thread_ = std::thread([this] {
    while (!inbox_.closed()) {
      for (OwnerQueue::Task& task : inbox_.Take(std::chrono::hours(1))) task();
    }
  });
}

void OutputKeeper::Stop() {
  inbox_.Close();
  if (thread_.joinable()) thread_.join();
}

/// A post that the full queue refuses leaves the job unfinished; the next start repeats the step.
void OutputKeeper::Do(Step step, Done done) {
  (void)inbox_.Post([this, step = std::move(step), done = std::move(done)]() mutable {
    (void)owner_.Post(
        [status = step(), done = std::move(done)]() mutable { done(std::move(status)); });
  });
}

void OutputKeeper::Check(std::string directory, bool overwrite, Done done) {
  Do(
      [this, directory = std::move(directory), overwrite] {
        absl::Status checked =
            OutputDirectory(&files_, directory, io::Durability::kPowerLoss).Check(overwrite);
        // A client would take UNAVAILABLE for a coordinator that does not answer.
        return absl::IsUnavailable(checked) ? absl::FailedPreconditionError(checked.message())
                                            : checked;
      },
      std::move(done));
}

void OutputKeeper::Make(JobOutput output, std::shared_ptr<Lead> lead, Done done) {
  Do(
      [this, output = std::move(output), lead = std::move(lead)]() -> absl::Status {
        if (lead) TRIREME_RETURN_IF_ERROR(lead->Confirm());
        // Whether there may be an older output was asked by Check, perhaps in an earlier life.
        return Open(output, lead).Prepare(/*overwrite=*/true);
      },
      std::move(done));
}

void OutputKeeper::Finish(JobOutput output, bool keep, std::shared_ptr<Lead> lead, Done done) {
  Do([this, output = std::move(output), keep,
      lead = std::move(lead)] { return End(output, keep, lead); },
     std::move(done));
}

absl::Status OutputKeeper::End(const JobOutput& job, bool keep, const std::shared_ptr<Lead>& lead) {
  if (lead) TRIREME_RETURN_IF_ERROR(lead->Confirm());
  OutputDirectory& output = Open(job, lead);
  absl::Status status;
  if (keep) {
    status = output.Finish();
  } else {
    output.Abandon();
  }
  open_.erase(job.directory);
  if (!job.intermediate.empty()) files_.RemoveTree(job.intermediate).IgnoreError();
  return status;
}

void OutputKeeper::Forget() {
  (void)inbox_.Post([this] { open_.clear(); });
}

/// From here on only the thread knows it.
OutputDirectory& OutputKeeper::Open(const JobOutput& job, const std::shared_ptr<Lead>& lead) {
  std::optional<OutputOwner> owner;
  if (lead) owner.emplace(job.submission, lead->fence(), [lead] { return lead->Held(); });
  return open_
      .try_emplace(job.directory, &files_, job.directory, io::Durability::kPowerLoss,
                   std::move(owner))
      .first->second;
}

}  // namespace trireme::mapreduce::cluster
