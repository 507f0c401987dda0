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

/// What each lists is taken over, attempts that are over, too, which are more than its slots; and
/// nothing is given to it until its first heartbeat, which follows its reports. So nothing is given
/// out before all lists are read.
void Master::EndGathering() {
  gather_until_ms_ = 0;
  for (const plan::WorkerId id : std::exchange(awaited_, {})) {
    io::Log(io::LogLevel::kWarn, "a worker of the last leader has not come back",
            {{"worker", std::to_string(static_cast<std::uint64_t>(id))}});
    StrikeOff(id);
  }
  for (auto& [session, message] : std::exchange(gathered_, {})) {
    session->catches_up = true;
    Receive(session, std::move(message));
  }
}

bool Master::Gathered(plan::WorkerId worker) const {
  return std::any_of(gathered_.begin(), gathered_.end(), [worker](const auto& each) {
    return plan::WorkerId{each.second.register_().place().worker().id()} == worker;
  });
}

/// The stream of a gathered registration has ended: its worker comes again.
void Master::AwaitAgain(const std::shared_ptr<Session>& session) {
  const auto found = std::find_if(gathered_.begin(), gathered_.end(),
                                  [&](const auto& each) { return each.first == session; });
  if (found == gathered_.end()) return;
  const plan::WorkerId worker{found->second.register_().place().worker().id()};
  gathered_.erase(found);
  if (roster_.workers().contains(worker) && !Gathered(worker)) awaited_.insert(worker);
}

/// True: the worker is not on record yet, and is registered once it is. Only who is on record is
/// given anything: the next leader waits for nobody else's reports.
bool Master::Enrol(const std::shared_ptr<Session>& session, const v1::WorkerMessage& message) {
  if (!keeps_roster_) return false;
  const plan::WorkerRef worker = FromWire(message.register_().place().worker());
  const std::string& host = message.register_().place().host();
  if (roster_.Add(worker, host)) {
    records_.push_back(Roster::Attached(worker, host));
    enrolling_.insert(worker.id);
  }
  if (!enrolling_.contains(worker.id)) return false;
  Promise([this, session, message, worker](const absl::Status& closed) {
    if (!closed.ok()) return session->link->Close(closed);
    enrolling_.erase(worker.id);
    if (!session->ended) Receive(session, message);
  });
  return true;
}

void Master::StrikeOff(plan::WorkerId worker) {
  if (keeps_roster_ && roster_.Remove(worker)) records_.push_back(Roster::Left(worker));
}

}  // namespace trireme::mapreduce::cluster
