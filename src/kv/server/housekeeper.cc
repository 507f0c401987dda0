#include "kv/server/housekeeper.h"

#include <algorithm>
#include <filesystem>
#include <future>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/log.h"
#include "kv/server/member.h"
#include "kv/server/membership.h"
#include "kv/server/urls.h"

namespace trireme::kv::inline engine {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPeriod{100};
constexpr std::chrono::milliseconds kProposalTimeout{2000};
/// Between two measurements of the store's files.
constexpr std::chrono::seconds kMeasurePause{1};
/// Between two compactions by revisions, as etcd has it; those by time come ten in an interval.
constexpr std::chrono::minutes kRevisionCompactionPause{5};
constexpr int kCompactionsPerInterval = 10;

/// A member without a leader for so many election timeouts asks whether it is one at all.
constexpr int kLeaderlessTimeouts = 3;
constexpr std::chrono::milliseconds kQuestionPause{1000}, kQuestionTimeout{500};

absl::Status Removed() {
  return absl::FailedPreconditionError(
      "the member has been permanently removed from the cluster; its data directory is of no more "
      "use");
}

}  // namespace

std::uint64_t BytesUnder(const std::string& path) {
  namespace fs = std::filesystem;
  std::uint64_t bytes = 0;
  std::error_code error;
  for (auto at = fs::recursive_directory_iterator(path, error);
       !error && at != fs::recursive_directory_iterator(); at.increment(error)) {
    std::error_code gone;  // a file that went while we looked counts nothing
    const std::uint64_t size = at->is_regular_file(gone) ? at->file_size(gone) : 0;
    if (!gone) bytes += size;
  }
  return bytes;
}

void Housekeeper::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Housekeeper::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Housekeeper::SetClientUrls(std::vector<std::string> urls) {
  const std::lock_guard lock(mutex_);
  client_urls_ = std::move(urls);
}

std::string Housekeeper::Answer(std::string_view question) const {
  const std::lock_guard lock(mutex_);
  return question == kMembersQuestion  ? members_answer_
         : question == kStatusQuestion ? status_answer_
                                       : std::string();
}

std::vector<Alarm> Housekeeper::alarms() const {
  const std::lock_guard lock(mutex_);
  return alarms_;
}

void Housekeeper::Run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    Round();
    lock.lock();
    changed_.wait_for(lock, kPeriod, [this] { return stopping_; });
  }
}

void Housekeeper::Round() {
  const raft::ReplicaStatus status = member_.replica().Status();
  if (status.removed) return member_.Fail(Removed());
  NoteLeader(status);
  const auto view = member_.published().view();
  const auto roster = RosterOf(status.members, *view);
  auto alarms = AlarmsIn(*view);
  if (!roster.ok() || !alarms.ok())
    return member_.Fail(roster.ok() ? alarms.status() : roster.status());
  NoteRoom(status.disk_full || view->store().disk_full());
  if (disk_full_) alarms->push_back({member_.id(), AlarmKind::kNoSpace});
  no_space_ = std::ranges::find(*alarms, AlarmKind::kNoSpace, &Alarm::kind) != alarms->end();
  {
    const std::lock_guard lock(mutex_);
    alarms_ = *std::move(alarms);
    members_answer_ =
        EncodeMembersAnswer(member_.cluster_id(), view->meta().applied_index, *roster);
    status_answer_ = Encode(SelfStatus(status, *view));
  }
  FindPeers(*roster);
  if (status.leader == raft::kNobody) return AskWhetherRemoved(status, *roster);
  led_ = Clock::now();
  (void)PublishSelf(*roster);  // what did not come through is said again in the next round
  if (status.role == raft::RoleName::kLeader) PromoteOne(status, *roster);
  WatchSpace(status);
  CompactByItself(status);
}

/// What a member's page on another one shows of this one.
PeerStatus Housekeeper::SelfStatus(const raft::ReplicaStatus& status, const ReadView& view) const {
  PeerStatus self = {.cluster_id = member_.cluster_id(), .member = member_.id()};
  self.role = status.role;
  self.term = status.term.value;
  self.leader = status.leader.value;
  self.commit = status.commit.value;
  self.applied = view.meta().applied_index;
  self.revision = view.meta().revision;
  self.store_bytes = store_bytes_;
  self.elections = member_.elections().Newest(kPeerElectionsMax);
  return self;
}

/// Nobody talks to a member that was removed while it was away. Those who have applied as much as
/// it has know whether it is one of them.
void Housekeeper::AskWhetherRemoved(const raft::ReplicaStatus& status,
                                    const std::vector<RosterEntry>& roster) {
  const Clock::time_point now = Clock::now();
  if (now < led_ + kLeaderlessTimeouts * member_.options().election_timeout || now < next_question_)
    return;
  next_question_ = now + kQuestionPause;
  const std::uint64_t applied = member_.published().view()->meta().applied_index;
  for (const RosterEntry& entry : roster) {
    if (entry.id == member_.id() || entry.peer_urls.empty()) continue;
    const auto address = AddressOfUrl(entry.peer_urls.front());
    if (!address.ok()) continue;
    const auto bytes =
        raft::AskNode(*address, member_.options().peer_tls, kMembersQuestion, kQuestionTimeout);
    const auto answer = bytes.ok() ? DecodeMembersAnswer(*bytes) : std::nullopt;
    if (!answer || answer->cluster_id != member_.cluster_id() ||
        answer->applied_index < std::max(status.commit.value, applied) || answer->members.empty())
      continue;
    if (std::ranges::find(answer->members, member_.id(), &MembersAnswer::One::id) ==
        answer->members.end())
      return member_.Fail(Removed());
  }
}

void Housekeeper::NoteLeader(const raft::ReplicaStatus& status) {
  if (status.leader == leader_) return;
  leader_ = status.leader;
  if (leader_ != raft::kNobody) ++leader_changes_;
}

void Housekeeper::NoteRoom(bool disk_full) {
  if (disk_full_.exchange(disk_full) == disk_full) return;
  const auto level = disk_full ? io::LogLevel::kWarn : io::LogLevel::kInfo;
  io::Log(level, disk_full ? "the disk is full" : "the disk has room again",
          {{"data_dir", member_.options().data_dir},
           {"puts", disk_full ? "refused until there is room" : "taken"}});
}

absl::Status Housekeeper::PublishSelf(const std::vector<RosterEntry>& roster) {
  const RosterEntry* self = FindIn(roster, member_.id());
  if (self == nullptr) return absl::OkStatus();
  AttributesNote own = {.name = member_.options().name};
  {
    const std::lock_guard lock(mutex_);
    own.client_urls = client_urls_;
  }
  if (own.client_urls.empty()) return absl::OkStatus();  // it does not listen yet
  const auto notes = member_.published().view()->Notes(PeerNoteName(member_.id()));
  if (notes.ok() && notes->empty()) {
    const std::string name = PeerNoteName(member_.id()),
                      value =
                          Encode(PeerNote{false, member_.options().initial_advertise_peer_urls});
    TRIREME_RETURN_IF_ERROR(
        member_.ProposeAndWait({.body = NoteRequest{name, value}}, kProposalTimeout));
  }
  if (self->name == own.name && self->client_urls == own.client_urls) return absl::OkStatus();
  const std::string name = AttributesNoteName(member_.id()), value = Encode(own);
  return member_.ProposeAndWait({.body = NoteRequest{name, value}}, kProposalTimeout);
}

/// One that was added to vote does when it has caught up, so that nobody's quorum grew before.
void Housekeeper::PromoteOne(const raft::ReplicaStatus& status,
                             const std::vector<RosterEntry>& roster) {
  for (const RosterEntry& entry : roster) {
    if (!entry.awaits_vote || !InSync(status, entry.id)) continue;
    const std::unique_lock lock(membership_, std::try_to_lock);
    if (!lock.owns_lock()) return;
    std::vector<raft::Member> members = status.members;
    for (raft::Member& member : members)
      if (member.id.value == entry.id) member.kind = raft::MemberKind::kVoter;
    const absl::Status changed =
        ChangeMembersAndWait(member_.replica(), std::move(members), kProposalTimeout);
    io::Log(io::LogLevel::kInfo, "kv_member_votes",
            {{"member", fmt::format("{:x}", entry.id)}, {"status", changed.ToString()}});
    return;
  }
}

/// Where the others are, when they have moved.
void Housekeeper::FindPeers(const std::vector<RosterEntry>& roster) {
  for (const RosterEntry& entry : roster) {
    if (entry.id == member_.id() || entry.peer_urls.empty()) continue;
    const auto address = AddressOfUrl(entry.peer_urls.front());
    if (!address.ok()) continue;
    const auto found =
        std::ranges::find(addresses_, entry.id, &std::pair<std::uint64_t, std::string>::first);
    if (found != addresses_.end() && found->second == *address) continue;
    const bool known = found != addresses_.end() || entry.raft_address == *address;
    if (found != addresses_.end()) {
      found->second = *address;
    } else {
      addresses_.emplace_back(entry.id, *address);
    }
    if (!known || found != addresses_.end())
      (void)member_.node().host().SetPeer(raft::NodeId{entry.id}, *address);
  }
}

void Housekeeper::WatchSpace(const raft::ReplicaStatus&) {
  const ServerOptions& options = member_.options();
  if (options.data_dir.empty() || Clock::now() < next_measure_) return;
  next_measure_ = Clock::now() + kMeasurePause;
  store_bytes_ = BytesUnder(options.data_dir + "/kv");
  if (options.quota_backend_bytes == 0 || store_bytes_ <= options.quota_backend_bytes) return;
  const Alarm alarm = {member_.id(), AlarmKind::kNoSpace};
  const std::vector<Alarm> raised = alarms();
  if (std::ranges::find(raised, alarm) != raised.end()) return;
  const std::string name = AlarmNoteName(alarm);
  (void)member_.ProposeAndWait({.body = NoteRequest{name, "1"}}, kProposalTimeout);
}

/// 0: none.
std::int64_t Housekeeper::CompactionTarget(std::int64_t revision) {
  const ServerOptions& options = member_.options();
  const Clock::time_point now = Clock::now();
  if (options.compaction_revisions > 0) {
    if (now < next_compaction_) return 0;
    next_compaction_ = now + kRevisionCompactionPause;
    return revision - options.compaction_revisions;
  }
  if (options.compaction_retention.count() == 0) return 0;
  const auto pause = options.compaction_retention / kCompactionsPerInterval;
  if (now < next_compaction_) return 0;
  next_compaction_ = now + pause;
  revisions_.emplace_back(now, revision);
  std::int64_t target = 0;
  while (!revisions_.empty() && revisions_.front().first + options.compaction_retention <= now) {
    target = revisions_.front().second;
    revisions_.pop_front();
  }
  return target;
}

void Housekeeper::CompactByItself(const raft::ReplicaStatus& status) {
  const Meta meta = member_.published().view()->meta();
  const std::int64_t target = CompactionTarget(meta.revision);
  if (status.role != raft::RoleName::kLeader || target <= meta.compacted || target <= 0) return;
  const absl::Status done =
      member_.ProposeAndWait({.body = CompactRequest{target}}, kProposalTimeout);
  io::Log(io::LogLevel::kInfo, "kv_compacted",
          {{"revision", fmt::format("{}", target)}, {"status", done.ToString()}});
}

}  // namespace trireme::kv::inline engine
