#include "cli/demo/lookout.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/status_macros.h"
#include "etcd/rpc.trireme.h"
#include "fmt/format.h"
#include "mapreduce/cluster/kv_options.h"
#include "rpc/channel.h"
#include "trireme/mapreduce/v1/control.trireme.h"

namespace trireme::demo {
namespace {

namespace v1 = mapreduce::v1;

rpc::CallOptions Soon() {
  rpc::CallOptions options;
  options.timeout = absl::Milliseconds(kQuestionMs);
  return options;
}

absl::StatusOr<std::vector<std::shared_ptr<rpc::Channel>>> ChannelsTo(
    const std::vector<std::string>& addresses) {
  rpc::ChannelOptions options;
  options.reconnect_delay_max = absl::Milliseconds(kQuestionMs);
  std::vector<std::shared_ptr<rpc::Channel>> channels;
  for (const std::string& text : addresses) {
    TRIREME_ASSIGN_OR_RETURN(const rpc::Address address, rpc::ParseAddress(text));
    TRIREME_ASSIGN_OR_RETURN(auto channel, rpc::Channel::Create(address, options));
    channels.push_back(std::move(channel));
  }
  return channels;
}

}  // namespace

double Sight::Share(std::size_t jobs_expected) const {
  double share = 0;
  for (const v1::JobStatus& job : jobs) {
    const double tasks = job.maps().total() + job.reduces().total();
    if (tasks > 0) share += (job.maps().succeeded() + job.reduces().succeeded()) / tasks;
  }
  return share / static_cast<double>(std::max(jobs_expected, jobs.size()));
}

const v1::WorkerStatus* Sight::Worker(pid_t pid) const {
  const std::string suffix = fmt::format(":{}", pid);
  const auto found = std::ranges::find_if(
      workers, [&](const v1::WorkerStatus& worker) { return worker.host().ends_with(suffix); });
  return found == workers.end() ? nullptr : &*found;
}

absl::StatusOr<std::unique_ptr<Lookout>> Lookout::Create(const Stage& stage) {
  std::unique_ptr<Lookout> lookout(new Lookout(stage));
  TRIREME_ASSIGN_OR_RETURN(lookout->members_, ChannelsTo(stage.endpoints));
  TRIREME_ASSIGN_OR_RETURN(lookout->coordinators_, ChannelsTo(stage.coordinating));
  kv::ClientOptions options;
  options.endpoints = stage.endpoints;
  options.call_timeout = options.try_timeout = absl::Milliseconds(kQuestionMs);
  TRIREME_ASSIGN_OR_RETURN(lookout->client_, kv::Client::Create(options));
  return lookout;
}

Sight Lookout::Look() {
  Sight sight;
  sight.leading_member = LeadingMember();
  const auto leader = LeadingCoordinator();
  if (!leader) return sight;
  const v1::CoordinatorStub stub(coordinators_[*leader]);
  const auto jobs = stub.ListJobs(v1::ListJobsRequest(), Soon());
  const auto workers = stub.ListWorkers(v1::ListWorkersRequest(), Soon());
  if (!jobs.ok() || !workers.ok()) return sight;
  sight.leading_coordinator = leader;
  sight.jobs.assign(jobs->jobs().begin(), jobs->jobs().end());
  sight.workers.assign(workers->workers().begin(), workers->workers().end());
  return sight;
}

std::optional<std::size_t> Lookout::LeadingMember() {
  std::map<std::uint64_t, std::size_t> votes;
  std::map<std::uint64_t, std::size_t> who;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    const auto reply =
        etcdserverpb::MaintenanceStub(members_[i]).Status(etcdserverpb::StatusRequest(), Soon());
    if (!reply.ok()) continue;
    ++votes[reply->leader()];
    who[reply->header().member_id()] = i;
  }
  for (const auto& [leader, count] : votes) {
    if (2 * count > members_.size() && who.contains(leader)) return who[leader];
  }
  return std::nullopt;
}

std::optional<std::size_t> Lookout::LeadingCoordinator() {
  const auto leader = client_->Leader(mapreduce::cluster::KvOptions().ElectionName());
  if (!leader.ok()) return std::nullopt;
  for (std::size_t i = 0; i < stage_.coordinating.size(); ++i) {
    if (leader->value.find(stage_.coordinating[i]) != std::string::npos) return i;
  }
  return std::nullopt;
}

}  // namespace trireme::demo
