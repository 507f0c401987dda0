#include "kv/server/admin_call.h"

#include <utility>

#include "kv/server/roster.h"
#include "kv/server/urls.h"
#include "rpc/address.h"
#include "rpc/channel.h"

namespace trireme::kv::inline engine {
namespace {

constexpr char kForwarded[] = "trireme-forwarded";

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

}  // namespace

void FillHeader(Member& member, etcdserverpb::ResponseHeader* header) {
  const auto view = member.published().view();
  header->set_cluster_id(member.cluster_id());
  header->set_member_id(member.id());
  header->set_revision(view->meta().revision);
  header->set_raft_term(member.replica().Status().term.value);
}

void ForwardToLeader(Member& member, std::shared_ptr<rpc::ServerCall> call, const char* method,
                     const std::string& message) {
  const raft::ReplicaStatus status = member.replica().Status();
  const auto roster = RosterOf(status.members, *member.published().view());
  const RosterEntry* leader = roster.ok() ? FindIn(*roster, status.leader.value) : nullptr;
  const bool came_so = rpc::FindMetadata(call->request_metadata(), kForwarded) != nullptr;
  if (leader == nullptr || leader->client_urls.empty() || came_so || leader->id == member.id())
    return call->Finish(NoLeader());
  auto channel = ChannelTo(member, leader->client_urls.front());
  if (!channel.ok()) return call->Finish(NoLeader());
  rpc::CallOptions options;
  options.timeout = absl::FromChrono(kAdminTimeout);
  options.metadata.emplace_back(kForwarded, "1");
  (*channel)->StartUnary(
      method, message, options,
      [call, keep = *channel](absl::StatusOr<std::string> answer, const rpc::ReplyMetadata&) {
        answer.ok() ? call->FinishWith(*std::move(answer)) : call->Finish(answer.status());
      });
}

}  // namespace trireme::kv::inline engine
