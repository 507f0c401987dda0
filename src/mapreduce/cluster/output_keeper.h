#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "io/file_system.h"
#include "mapreduce/cluster/lead.h"
#include "mapreduce/cluster/output_directory.h"
#include "mapreduce/cluster/owner_queue.h"

namespace trireme::mapreduce::cluster {

/// Where a job's output goes, and the job's own number: no other has it.
struct JobOutput {
  std::string directory;
  std::uint64_t submission = 0;
  std::string intermediate;  ///< a directory that goes with the job's end; empty: none
};

/// What a coordinator does to output directories, on a thread of its own. The methods are the owner
/// thread's, and so are the calls of `done`. A `lead` that is not null is asked before a step
/// changes anything; the step ends with CANCELLED when another coordinator leads.
class OutputKeeper {
 public:
  using Done = absl::AnyInvocable<void(absl::Status)>;

  OutputKeeper(io::FileSystem* files, OwnerQueue* owner) : files_(*files), owner_(*owner) {}
  ~OutputKeeper() { Stop(); }

  void Start();
  /// Joins the thread; what waits is dropped.
  void Stop();

  /// Writes nothing.
  void Check(std::string directory, bool overwrite, Done done);
  void Make(JobOutput output, std::shared_ptr<Lead> lead, Done done);
  void Finish(JobOutput output, bool keep, std::shared_ptr<Lead> lead, Done done);
  /// Leaves all directories as they are, to whoever leads now.
  void Forget();

 private:
  using Step = std::function<absl::Status()>;
  void Do(Step step, Done done);
  OutputDirectory& Open(const JobOutput& job, const std::shared_ptr<Lead>& lead);
  absl::Status End(const JobOutput& job, bool keep, const std::shared_ptr<Lead>& lead);

  io::FileSystem& files_;
  OwnerQueue& owner_;
  OwnerQueue inbox_;
  std::map<std::string, OutputDirectory> open_;  // of running jobs; the thread's
  std::thread thread_;
};

}  // namespace trireme::mapreduce::cluster
