#include <string>
#include <utility>

#include "fmt/format.h"
#include "io/log.h"
#include "raft/core/configuration.h"
#include "raft/replica/host_loop.h"

/// Who is where. The book is kept in the store under the group number that no group has, as the
/// configuration which that group begins with.
namespace trireme::raft {

void HostLoop::LoadAddresses() {
  const auto kept = recovered_.find(kHostSection.value);
  if (kept == recovered_.end()) return;
  if (const auto lines = AddressBook::Decode(kept->second.snapshot.configuration.view())) {
    for (const AddressBook::Line& line : *lines) {
      // One that this transport does not understand was written by another configuration.
      if (absl::Status status = LearnAddress(line); !status.ok()) {
        io::Log(io::LogLevel::kWarn, "raft_address_refused", {{"why", status.ToString()}});
      }
    }
  }
  addresses_kept_ = addresses_.revision();
  recovered_.erase(kept);
}

absl::Status HostLoop::LearnAddress(const AddressBook::Line& line) {
  const std::optional<std::string> before = addresses_.Find(line.node);
  if (line.address.empty() || !addresses_.Learn(line)) return absl::OkStatus();
  if (options_.transport == nullptr || line.node == self()) return absl::OkStatus();
  if (before == line.address) return absl::OkStatus();
  return options_.transport->SetPeer(line.node, line.address);
}

void HostLoop::TakeAddresses(const SharedBytes& section) {
  const auto lines = AddressBook::Decode(section.view());
  if (!lines) {
    counters_.frames_damaged.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  for (const AddressBook::Line& line : *lines) {
    // Who I am, nobody else knows better; but one may have been told to move me.
    if (line.node == self() && !options_.advertised_address.empty()) continue;
    if (absl::Status status = LearnAddress(line); !status.ok()) {
      io::Log(io::LogLevel::kWarn, "raft_address_refused", {{"why", status.ToString()}});
    }
  }
}

void HostLoop::KeepAddresses() {
  if (addresses_kept_ == addresses_.revision()) return;
  addresses_kept_ = addresses_.revision();
  WalItem item;
  item.group = kHostSection;
  item.snapshot = LogSnapshot{{}, 0, SharedBytes::Own(addresses_.Encode())};
  to_write_.push_back(std::move(item));
}

/// Peers that no group has any more are forgotten after a while, those that one has again are not.
void HostLoop::ReviewPeers() {
  reviewed_ = ticked_;
  if (options_.transport == nullptr) return;
  for (const Group* group : in_order_) {
    for (const NodeId member : Members(group->core->Membership())) {
      if (member != self()) Remember(member);
    }
  }
  for (auto& [id, peer] : member_peers_) {
    if (peer.forgotten || ticked_ - peer.last_member < options_.forget_peer_after) continue;
    peer.forgotten = true;
    options_.transport->RemovePeer(NodeId{id});
    io::Log(io::LogLevel::kInfo, "raft_peer_forgotten", {{"node", std::to_string(id)}});
  }
}

/// It is a member of a group, or about to be.
void HostLoop::Remember(NodeId id) {
  MemberPeer& peer = member_peers_[id.value];
  peer.last_member = ticked_;
  if (!std::exchange(peer.forgotten, false)) return;
  const std::optional<std::string> address = addresses_.Find(id);
  if (!address || id == self()) return;
  if (absl::Status status = options_.transport->SetPeer(id, *address); !status.ok()) {
    io::Log(io::LogLevel::kWarn, "raft_address_refused", {{"why", status.ToString()}});
  }
}

/// With the first frame to a peer after something new.
void HostLoop::TellAddresses() {
  KeepAddresses();
  for (const NodeId peer : outbox_.peers()) {
    std::uint64_t& told = addresses_told_[peer.value];
    if (told == addresses_.revision()) continue;
    told = addresses_.revision();
    outbox_.AddSection(peer, kHostSection, addresses_.Encode());
  }
}

}  // namespace trireme::raft
