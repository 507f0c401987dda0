#include <string>

#include "fmt/format.h"
#include "io/log.h"
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
