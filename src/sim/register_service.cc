#include "sim/register_service.h"

#include <utility>

#include "sim/describe.h"
#include "sim/panel.h"

namespace trireme::sim {

using raft::Ticket;

void RegisterService::Reset() {
  machine_.Clear();
  waiting_.clear();
}

bool RegisterService::Restore(std::string_view snapshot, raft::LogPosition) {
  return machine_.Restore(snapshot);
}

void RegisterService::OnMessage(Address from, Payload& payload) {
  auto& request = std::get<Request>(payload);
  const Ticket ticket = host_.NextTicket();
  const bool read = request.command.kind == KvKind::kGet && !request.through_log;
  raft::Answer answer;
  if (read && host_.witness()) {  // has nothing to read
    answer.outcome = raft::Outcome::kNotLeader;
  } else if (read) {
    answer = host_.Read(ticket);
  } else {
    answer = host_.Propose(ticket, Encode(request.command));
  }
  Waiting waiting{from, std::move(request.command)};
  if (!answer.ok()) return Refuse(waiting);
  waiting_.emplace(ticket.value, std::move(waiting));
}

std::optional<RegisterService::Waiting> RegisterService::TakeWaiting(Ticket ticket) {
  auto taken = waiting_.extract(ticket.value);
  if (taken.empty()) return std::nullopt;
  return std::move(taken.mapped());
}

void RegisterService::OnRead(const raft::ReadState& read) {
  const std::optional<Waiting> waiting = TakeWaiting(read.ticket);
  if (!waiting) return;
  if (!read.granted) return Refuse(*waiting);
  Answer(*waiting, machine_.Get(waiting->command.key));
}

/// Of an unknown outcome the client hears nothing; it will ask again.
void RegisterService::OnLost(const raft::Lost& lost) {
  const std::optional<Waiting> waiting = TakeWaiting(lost.ticket);
  if (waiting && lost.kind != raft::LostKind::kUnknown) Refuse(*waiting);
}

void RegisterService::OnApplied(const raft::Entry& entry, Ticket ticket) {
  const std::optional<Waiting> waiting = TakeWaiting(ticket);
  const std::optional<Command> command = Decode(entry.data.view());
  if (!command) return;
  const KvMachine::Applied applied = machine_.Apply(*command);
  if (applied.fresh) around_.panel->Tell(&Oracle::Executes, host_.id(), entry.index, *command);
  if (around_.trace->on()) {
    around_.trace->Line("{} applies {} {}{}", Name(static_cast<Address>(host_.id().value)),
                        Describe(PositionOf(entry)), Text(*command), applied.fresh ? "" : " again");
  }
  if (!waiting || applied.stale) return;
  around_.panel->Tell(&Oracle::Acknowledges, entry.index, waiting->command);
  Answer(*waiting, applied.result);
}

void RegisterService::Refuse(const Waiting& waiting) {
  host_.Send(waiting.client,
             Reply{waiting.command.sequence, ReplyKind::kNotExecuted, {}, host_.leader()});
}

void RegisterService::Answer(const Waiting& waiting, KvResult result) {
  host_.Send(waiting.client,
             Reply{waiting.command.sequence, ReplyKind::kDone, std::move(result), 0});
}

namespace {

class RegisterCast final : public Cast {
 public:
  explicit RegisterCast(Surroundings around) : around_(around) {}

  std::unique_ptr<Service> MakeService(Surroundings around, ServiceHost* host) override {
    return std::make_unique<RegisterService>(around, host);
  }
  std::unique_ptr<Customer> MakeCustomer(std::uint64_t number, Surroundings around) override {
    return std::make_unique<Client>(number, around, &history_);
  }
  SharedBytes Nudge() override { return SharedBytes::Copy("nudge"); }
  std::string End() override {
    around_.panel->Tell(&Oracle::EndsHistory, history_);
    return {};
  }
  std::uint64_t operations() const override { return history_.size(); }

 private:
  Surroundings around_;
  std::vector<linear::KvCall> history_;
};

}  // namespace

std::unique_ptr<Cast> MakeRegisterCast(Surroundings around) {
  return std::make_unique<RegisterCast>(around);
}

}  // namespace trireme::sim
