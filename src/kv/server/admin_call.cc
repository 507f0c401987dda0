#include "kv/server/admin_call.h"

#include <chrono>
#include <future>
#include <memory>
#include <thread>
#include <utility>

#include "base/status_macros.h"
#include "kv/server/roster.h"
#include "kv/server/urls.h"
#include "rpc/address.h"
#include "rpc/channel.h"
#include "rpc/status.h"

namespace trireme::kv::inline engine {
namespace {

using Clock = std::chrono::steady_clock;

constexpr char kForwarded[] = "trireme-forwarded";
/// Between two looks for a leader that takes the call.
constexpr std::chrono::milliseconds kLeaderPause{20};

absl::StatusOr<std::shared_ptr<rpc::Channel>> ChannelTo(Member& member, const std::string& url) {
  auto address = AddressOfUrl(url);
  if (!address.ok()) return address.status();
  auto parsed = rpc::ParseAddress(*address);
  if (!parsed.ok()) return parsed.status();
  rpc::ChannelOptions options;
  if (const auto& tls = member.options().client_tls; tls && url.starts_with("https://")) {
    options.tls.emplace();
    options.tls->ca_pem = tls->client_ca_pem;
    options.tls->certificate_chain_pem = tls->certificate_chain_pem;
    options.tls->private_key_pem = tls->private_key_pem;
  }
  return rpc::Channel::Create(*std::move(parsed), options);
}

/// One try. Blocks.
absl::StatusOr<std::string> AskLeader(Member& member, const char* method,
                                      const std::string& message, Clock::duration timeout) {
  const raft::ReplicaStatus status = member.replica().Status();
  TRIREME_ASSIGN_OR_RETURN(const auto roster, RosterOf(status.members, *member.published().view()));
  const RosterEntry* leader = FindIn(roster, status.leader.value);
  if (leader == nullptr || leader->client_urls.empty() || leader->id == member.id())
    return NoLeader();
  TRIREME_ASSIGN_OR_RETURN(const auto channel, ChannelTo(member, leader->client_urls.front()));
  rpc::CallOptions options;
  options.timeout = absl::FromChrono(timeout);
  options.metadata.emplace_back(kForwarded, "1");
  auto answer = std::make_shared<std::promise<absl::StatusOr<std::string>>>();
  std::future<absl::StatusOr<std::string>> result = answer->get_future();
  channel->StartUnary(method, message, options,
                      [answer](absl::StatusOr<std::string> got, const rpc::ReplyMetadata&) {
                        answer->set_value(std::move(got));
                      });
  return result.get();
}

/// Nobody looked at the call, or who did leads no more: another may be asked.
bool WasNotExecuted(const absl::Status& status) {
  return !status.ok() && (rpc::OutcomeOf(status) == rpc::Outcome::kNotExecuted ||
                          status.message() == NoLeader().message());
}

}  // namespace

void FillHeader(Member& member, etcdserverpb::ResponseHeader* header) {
  const auto view = member.published().view();
  header->set_cluster_id(member.cluster_id());
  header->set_member_id(member.id());
  header->set_revision(view->meta().revision);
  header->set_raft_term(member.replica().Status().term.value);
}

bool AnsweredByLeader(Member& member, rpc::ServerCall& call, const char* method,
                      const std::string& message) {
  const bool came_so = rpc::FindMetadata(call.request_metadata(), kForwarded) != nullptr;
  const Clock::time_point deadline = Clock::now() + kAdminTimeout;
  while (!member.replica().leads()) {
    absl::StatusOr<std::string> answer =
        came_so ? NoLeader() : AskLeader(member, method, message, deadline - Clock::now());
    const bool again = !came_so && WasNotExecuted(answer.status()) &&
                       Clock::now() + kLeaderPause < deadline && !member.workers().stopping();
    if (!again) {
      answer.ok() ? call.FinishWith(*std::move(answer)) : call.Finish(answer.status());
      return true;
    }
    std::this_thread::sleep_for(kLeaderPause);
  }
  return false;
}

}  // namespace trireme::kv::inline engine
