#include "sim/sharded/server.h"

#include <utility>

#include "sim/describe.h"
#include "sim/panel.h"
#include "sim/sharded/core/clerk.h"

namespace trireme::sim::sharded {

using raft::Ticket;

ShardServer::ShardServer(GroupId group, Surroundings around, ServiceHost* host, Record* record)
    : group_(group), around_(around), host_(*host), record_(record) {
  Reset();
}

void ShardServer::Reset() {
  machine_ = group_ == kStore ? ShardMachine::WithEverything() : ShardMachine::WithNothing();
  waiting_.clear();
  shrunk_ = false;
}

bool ShardServer::Restore(std::string_view snapshot, raft::LogPosition) {
  return machine_.Decode(snapshot);
}

void ShardServer::OnMessage(Address from, Payload& payload) {
  Waiting waiting{
      from, std::dynamic_pointer_cast<const Ask>(std::get<std::shared_ptr<const Letter>>(payload))};
  const Ticket ticket = host_.NextTicket();
  const bool read = std::holds_alternative<Get>(waiting.ask->command) && !waiting.ask->through_log;
  const raft::Answer answer =
      read ? host_.Read(ticket)
           : host_.Propose(ticket, SharedBytes::Own(Encode(waiting.ask->command)));
  if (!answer.ok()) return Refuse(waiting);
  waiting_.emplace(ticket.value, std::move(waiting));
}

std::optional<ShardServer::Waiting> ShardServer::TakeWaiting(Ticket ticket) {
  auto taken = waiting_.extract(ticket.value);
  if (taken.empty()) return std::nullopt;
  return std::move(taken.mapped());
}

void ShardServer::OnRead(const raft::ReadState& read) {
  const std::optional<Waiting> waiting = TakeWaiting(read.ticket);
  if (!waiting) return;
  if (!read.granted) return Refuse(*waiting);
  Answer(*waiting, machine_.Read(std::get<Get>(waiting->ask->command)));
}

/// Of an unknown outcome nothing is said; who waits will ask again.
void ShardServer::OnLost(const raft::Lost& lost) {
  const std::optional<Waiting> waiting = TakeWaiting(lost.ticket);
  if (waiting && lost.kind != raft::LostKind::kUnknown) Refuse(*waiting);
}

void ShardServer::OnApplied(const raft::Entry& entry, Ticket ticket) {
  const std::optional<Waiting> waiting = TakeWaiting(ticket);
  const std::optional<Command> command = DecodeCommand(entry.data.view());
  if (!command) return around_.panel->Violation("an entry that is no command");
  Result result = machine_.Apply(*command);
  shrunk_ |= std::holds_alternative<Delete>(*command);
  if (around_.trace->on()) {
    around_.trace->Line("{} applies {} {} -> {}", Name(static_cast<Address>(host_.id().value)),
                        Describe(PositionOf(entry)), Text(*command), Text(result));
  }
  if (record_ != nullptr) record_->Applied(group_, entry.index, *command);
  if (!waiting) return;
  const auto* put = std::get_if<Put>(&*command);
  if (record_ != nullptr && put != nullptr && result.code == Code::kOk) {
    record_->Acknowledges(*put, result.version);
  }
  Answer(*waiting, std::move(result));
}

void ShardServer::Refuse(const Waiting& waiting) {
  host_.Send(waiting.from,
             std::make_shared<Reply>(waiting.ask->number, std::nullopt, host_.leader()));
}

void ShardServer::Answer(const Waiting& waiting, Result result) {
  host_.Send(waiting.from, std::make_shared<Reply>(waiting.ask->number, std::move(result), 0));
}

}  // namespace trireme::sim::sharded
