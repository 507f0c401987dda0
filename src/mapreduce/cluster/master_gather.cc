#include <algorithm>
#include <utility>

#include "io/log.h"
#include "mapreduce/cluster/master.h"

/// After a leader's end its workers come back one by one. What they run, and what they finished
/// while nobody could be told, is known only when all have said so; an attempt given out before
/// might do a finished task again.
namespace trireme::mapreduce::cluster {

void Master::BeginGathering(plan::TimeMs gather_ms) {
  keeps_roster_ = true;
  const std::vector<plan::JobId> jobs = planner_.Jobs();
  const bool running = std::any_of(jobs.begin(), jobs.end(), [this](plan::JobId job) {
    return !plan::HasEnded(planner_.Snapshot(job)->state);
  });
  if (!running) return;
  for (const auto& [id, worker] : roster_.workers()) awaited_.insert(id);
  if (!awaited_.empty()) gather_until_ms_ = hands_.now() + gather_ms;
}

void Master::Gather(const std::shared_ptr<Session>& session, v1::WorkerMessage message) {
  awaited_.erase(plan::WorkerId{message.register_().place().worker().id()});
  gathered_.emplace_back(session, std::move(message));
  if (awaited_.empty()) EndGathering();
}

/// Each is registered with as many slots as it lists attempts: all are taken over, and none is
/// given out, until its first heartbeat, which follows its reports, says how many it has. Attempts
/// that are over are listed, too, and are more than its slots.
void Master::EndGathering() {
  gather_until_ms_ = 0;
  for (const plan::WorkerId id : std::exchange(awaited_, {})) {
    io::Log(io::LogLevel::kWarn, "a worker of the last leader has not come back",
            {{"worker", std::to_string(static_cast<std::uint64_t>(id))}});
    StrikeOff(id);
  }
  for (auto& [session, message] : std::exchange(gathered_, {})) {
    v1::Register* body = message.mutable_register_();
    body->set_slots(static_cast<std::uint32_t>(body->running_size()));
    session->gathered_slots = body->slots();
    Receive(session, std::move(message));
  }
}

/// An attempt that it listed is over: its slot is not there for another.
void Master::CloseGatheredSlot(Session& session) {
  if (session.gathered_slots == 0) return;
  (void)Step(plan::WorkerHeartbeat{session.worker, --session.gathered_slots, {}});
}

void Master::Enrol(plan::WorkerRef worker) {
  if (keeps_roster_ && roster_.Add(worker)) records_.push_back(Roster::Attached(worker));
}

void Master::StrikeOff(plan::WorkerId worker) {
  if (keeps_roster_ && roster_.Remove(worker)) records_.push_back(Roster::Left(worker));
}

}  // namespace trireme::mapreduce::cluster
