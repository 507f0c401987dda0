#include "mapreduce/cluster/coordinator.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/clock.h"
#include "io/log.h"
#include "io/metrics_page.h"
#include "mapreduce/cluster/candidate.h"
#include "mapreduce/cluster/coordinator_metrics.h"
#include "mapreduce/cluster/end_latch.h"
#include "mapreduce/cluster/file_journal.h"
#include "mapreduce/cluster/host_name.h"
#include "mapreduce/cluster/kv_journal.h"
#include "mapreduce/cluster/lead.h"
#include "mapreduce/cluster/leader_watch.h"
#include "mapreduce/cluster/live_pages.h"
#include "mapreduce/cluster/master.h"
#include "mapreduce/cluster/output_keeper.h"
#include "mapreduce/cluster/owner_queue.h"
#include "mapreduce/cluster/pages.h"
#include "rpc/server.h"
#include "trireme/mapreduce/v1/control.trireme.h"
#include "web/page_rules.h"

namespace trireme::mapreduce::cluster {
namespace {

using plan::JobId;

absl::Status Overloaded() {
  return absl::UnavailableError("the coordinator is overloaded or stopping; try again");
}

/// A call that is refused because another coordinator leads tells where that one is.
template <class Handle>
void FinishWithHint(Handle& handle, const absl::Status& status) {
  if (const auto hint = status.GetPayload(kLeaderMetadata)) {
    handle.call().AddTrailingMetadata(kLeaderMetadata, std::string(*hint));
  }
  handle.Finish(status);
}

class StreamLink final : public WorkerLink {
 public:
  explicit StreamLink(rpc::ReplyWriter<v1::WorkerOrder> writer) : writer_(std::move(writer)) {}
  void Send(const v1::WorkerOrder& order) override {
    if (!writer_.finished()) writer_.Write(order);
  }
  void Close(absl::Status why) override {
    if (!writer_.finished()) FinishWithHint(writer_, why);
  }

 private:
  rpc::ReplyWriter<v1::WorkerOrder> writer_;
};

class StreamWatcher final : public JobWatcher {
 public:
  explicit StreamWatcher(rpc::ReplyWriter<v1::JobStatus> writer) : writer_(std::move(writer)) {}
  bool Send(const v1::JobStatus& status) override {
    if (writer_.cancelled()) return false;
    writer_.Write(status);
    return true;
  }
  void Finish(absl::Status status) override {
    if (!writer_.finished()) FinishWithHint(writer_, status);
  }

 private:
  rpc::ReplyWriter<v1::JobStatus> writer_;
};

}  // namespace

class Coordinator::Core final : public v1::CoordinatorService {
 public:
  explicit Core(CoordinatorOptions options)
      : options_(std::move(options)),
        outputs_(options_.files, &inbox_),
        server_(ServerOptions()),
        http_(rpc::ServerOptions()) {}
  ~Core() override { Stop(); }

  absl::Status Start();
  void Stop();
  absl::Status Wait();

  // v1::CoordinatorService
  std::unique_ptr<rpc::RequestHandler<v1::WorkerMessage>> Attach(
      rpc::ReplyWriter<v1::WorkerOrder> replies) override;
  void SubmitJob(rpc::UnaryCall<v1::SubmitJobRequest, v1::SubmitJobReply> call) override;
  void GetJob(rpc::UnaryCall<v1::JobRequest, v1::JobStatus> call) override;
  void ListJobs(rpc::UnaryCall<v1::ListJobsRequest, v1::ListJobsReply> call) override;
  void CancelJob(rpc::UnaryCall<v1::JobRequest, v1::JobStatus> call) override;
  void WaitJob(v1::JobRequest request, rpc::ReplyWriter<v1::JobStatus> replies) override;
  void GetTimeline(rpc::UnaryCall<v1::JobRequest, v1::Timeline> call) override;
  void ListWorkers(rpc::UnaryCall<v1::ListWorkersRequest, v1::ListWorkersReply> call) override;

  const std::vector<rpc::Address>& addresses() const { return addresses_; }
  const std::optional<rpc::Address>& http_address() const { return http_address_; }
  const std::vector<std::string>& warnings() const { return warnings_; }
  std::uint64_t turns() const { return turns_.load(std::memory_order_relaxed); }

 private:
  class WorkerStream;

  static rpc::ServerOptions ServerOptions();
  absl::Status OpenMaster();
  absl::Status OpenKv();
  absl::Status StandForElection();
  absl::Status ListenAll();
  void ServePages();
  std::string MetricsText();
  ShownLeader LeaderForPages() const;
  std::string PageUrl() const;
  void Run();
  absl::Status Turn();
  Master::Hands MakeHands(std::shared_ptr<Lead> lead);

  // Of a coordinator with a KV, on the owner thread.
  void BeginTerm(Candidate::Term term);
  void EndTerm(const absl::Status& why);
  void EndTermIfOver();
  absl::Status StandingBy() const;

  /// Runs `work(master, call)` on the owner thread; when that is impossible the call is refused.
  template <class Call, class Work>
  void OnOwner(Call call, Work work);

  const CoordinatorOptions options_;
  std::vector<std::string> warnings_;
  std::vector<rpc::Address> addresses_;
  std::optional<rpc::Address> http_address_;
  OwnerQueue inbox_;
  OutputKeeper outputs_;
  std::shared_ptr<Master> master_;  // the owner thread's, as those that follow; null: it stands by
  std::shared_ptr<Lead> lead_;
  absl::Status failure_;
  std::uint64_t terms_ = 0, kv_writes_before_ = 0;
  std::unique_ptr<kv::Client> kv_;
  std::unique_ptr<LeaderWatch> leader_watch_;
  std::unique_ptr<Candidate> candidate_;
  TurnTimes times_;  // the owner thread's
  std::atomic<std::uint64_t> turns_{0};
  rpc::Server server_, http_;
  std::unique_ptr<LivePages> pages_;  // with http_
  std::thread owner_;
  EndLatch ended_;
  std::atomic<bool> stopped_{false};
};

// ---- Life

rpc::ServerOptions Coordinator::Core::ServerOptions() {
  rpc::ServerOptions options;
  options.receive_message_bytes_max = kSubmissionBytesMax;
  options.send_queue_bytes_max = kSubmissionBytesMax;
  return options;
}

absl::Status Coordinator::Core::Start() {
  TRIREME_RETURN_IF_ERROR(options_.kv ? OpenKv() : OpenMaster());
  server_.Register(*this);
  ServePages();
  TRIREME_RETURN_IF_ERROR(ListenAll());
  outputs_.Start();
  owner_ = std::thread([this] { Run(); });
  TRIREME_RETURN_IF_ERROR(server_.Start());
  if (http_address_) {
    pages_->Start();
    TRIREME_RETURN_IF_ERROR(http_.Start());
  }
  return options_.kv ? StandForElection() : absl::OkStatus();
}

absl::Status Coordinator::Core::OpenMaster() {
  Master::Past past;
  if (options_.state_directory.empty()) {
    warnings_.push_back("without --state the jobs are forgotten when the coordinator stops");
  } else {
    TRIREME_ASSIGN_OR_RETURN(auto opened, FileJournal::Open(options_.state_directory));
    if (opened.torn_bytes > 0) {
      warnings_.push_back(fmt::format("{}: cut {} bytes of a batch that was being written",
                                      opened.journal->path(), opened.torn_bytes));
    }
    past = {std::move(opened.journal), std::move(opened.batches)};
  }
  TRIREME_ASSIGN_OR_RETURN(master_,
                           Master::Create(options_.limits, MakeHands(nullptr), std::move(past)));
  return absl::OkStatus();
}

absl::Status Coordinator::Core::ListenAll() {
  for (const rpc::Address& address : options_.listen) {
    TRIREME_ASSIGN_OR_RETURN(const rpc::Address bound, server_.Listen(address));
    addresses_.push_back(bound);
  }
  if (!options_.http) return absl::OkStatus();
  TRIREME_ASSIGN_OR_RETURN(http_address_, http_.Listen(*options_.http));
  return absl::OkStatus();
}

void Coordinator::Core::Run() {
  absl::Status status = master_ ? master_->EndTurn() : absl::OkStatus();  // the new epoch first
  while (status.ok() && !inbox_.closed()) status = Turn();
  inbox_.Close();
  if (master_ && options_.kv) EndTerm(absl::UnavailableError("the coordinator stops"));
  ended_.Set(std::move(status));
}

absl::Status Coordinator::Core::Turn() {
  const plan::TimeMs patience = master_ ? master_->PatienceMs() : kTickMs;
  auto tasks = inbox_.Take(std::chrono::milliseconds(std::min<plan::TimeMs>(patience, kTickMs)));
  EndTermIfOver();
  const TurnTimes::Clock::time_point began = TurnTimes::Clock::now();
  for (OwnerQueue::Task& task : tasks) task();
  EndTermIfOver();
  turns_.fetch_add(1, std::memory_order_relaxed);
  if (!failure_.ok() || !master_) return failure_;
  master_->Tick();
  absl::Status status = master_->EndTurn();
  times_.End(began);
  if (!options_.kv || !absl::IsAborted(status)) return status;
  EndTerm(absl::UnavailableError(status.message()));
  candidate_->Resign();
  return absl::OkStatus();
}

absl::Status Coordinator::Core::Wait() {
  return ended_.Wait();
}

void Coordinator::Core::Stop() {
  if (stopped_.exchange(true)) return;
  if (candidate_) candidate_->Stop();
  if (pages_ != nullptr) pages_->Stop();
  inbox_.Close();
  if (owner_.joinable()) owner_.join();
  outputs_.Stop();
  server_.Stop();
  http_.Stop();
  leader_watch_.reset();
}

Master::Hands Coordinator::Core::MakeHands(std::shared_ptr<Lead> lead) {
  Master::Hands hands;
  hands.now = [past = UnixMs() - io::SteadyMs()] { return io::SteadyMs() + past; };
  hands.check_output = [this](std::string directory, bool overwrite, auto done) {
    outputs_.Check(std::move(directory), overwrite, std::move(done));
  };
  hands.make_output = [this, lead](JobOutput output, auto done) {
    outputs_.Make(std::move(output), lead, std::move(done));
  };
  hands.finish_output = [this, lead](JobOutput output, bool keep, auto done) {
    outputs_.Finish(std::move(output), keep, lead, std::move(done));
  };
  return hands;
}

// ---- With a KV

absl::Status Coordinator::Core::OpenKv() {
  kv::ClientOptions options = options_.kv->client;
  options.call_timeout = absl::Milliseconds(kKvReachPatienceMs);
  options.try_timeout = absl::Milliseconds(kKvWriteTimeoutMs);
  TRIREME_ASSIGN_OR_RETURN(kv_, kv::Client::Create(std::move(options)));
  TRIREME_ASSIGN_OR_RETURN(candidate_, Candidate::Create(*options_.kv, kv_.get()));
  return absl::OkStatus();
}

absl::Status Coordinator::Core::StandForElection() {
  TRIREME_ASSIGN_OR_RETURN(
      leader_watch_, LeaderWatch::Start(*options_.kv, [](const Leader& leader) {
        io::Log(io::LogLevel::kInfo, "a coordinator is elected",
                {{"id", leader.id}, {"address", JoinAddresses(leader.addresses)}});
      }));
  std::vector<rpc::Address> reachable;
  for (const rpc::Address& address : addresses_) reachable.push_back(Advertised(address));
  const auto post = [this](auto task) { (void)inbox_.Post(std::move(task)); };
  candidate_->Start(
      EncodeLeader(reachable, ProcessName(), PageUrl()),
      {[=, this](Candidate::Term term) {
         post([this, term = std::move(term)]() mutable { BeginTerm(std::move(term)); });
       },
       [=, this](absl::Status why) { post([=, this] { EndTerm(why); }); },
       [=, this](absl::Status why) { post([=, this] { failure_ = why; }); }});
  return absl::OkStatus();
}

void Coordinator::Core::BeginTerm(Candidate::Term term) {
  const ledger::Fence fence{term.leadership->key(), term.leadership->token().value};
  ledger::Limits limits;
  limits.write_interval_ms = options_.kv->write_interval_ms;
  KvJournal::Hands hands;
  hands.now_ms = io::SteadyMs;
  hands.post = [this](auto task) { (void)inbox_.Post(std::move(task)); };
  hands.commit = [this](const kv::Txn& txn, kv::Client::TxnDone done) {
    kv_->CommitAsync(txn, {.timeout = absl::Milliseconds(kKvWriteTimeoutMs)}, std::move(done));
  };
  const std::size_t batches = term.loaded.batches.size();
  Master::Past past{
      KvJournal::Create(options_.kv->prefix, fence, term.loaded.position, limits, std::move(hands)),
      std::move(term.loaded.batches), kGatherMs};
  lead_ = std::make_shared<Lead>(kv_.get(), std::move(term.leadership));
  auto master = Master::Create(options_.limits, MakeHands(lead_), std::move(past));
  if (!master.ok()) {
    failure_ = master.status();
    return;
  }
  master_ = *std::move(master);
  ++terms_;
  io::Log(io::LogLevel::kInfo, "leads",
          {{"epoch", std::to_string(master_->epoch())},
           {"fence", std::to_string(lead_->fence())},
           {"batches", std::to_string(batches)}});
}

void Coordinator::Core::EndTerm(const absl::Status& why) {
  if (!master_) return;
  io::Log(io::LogLevel::kInfo, "stands by", {{"reason", std::string(why.message())}});
  kv_writes_before_ += master_->journal_writes();
  master_->Close(why);
  master_.reset();
  lead_.reset();
  outputs_.Forget();
}

/// By this machine's clock: after a pause (SIGSTOP) nothing is answered before this.
void Coordinator::Core::EndTermIfOver() {
  if (lead_ && !lead_->Held()) {
    EndTerm(absl::UnavailableError("this coordinator does not lead any more"));
  }
}

/// UNAVAILABLE, with where the leader is.
absl::Status Coordinator::Core::StandingBy() const {
  const auto leader = leader_watch_ ? leader_watch_->Current() : std::nullopt;
  if (!leader || leader->id == ProcessName()) {
    return absl::UnavailableError("this coordinator stands by, and nobody leads yet");
  }
  const std::string where = JoinAddresses(leader->addresses);
  absl::Status status =
      absl::UnavailableError(fmt::format("this coordinator stands by: the one at {} leads", where));
  status.SetPayload(kLeaderMetadata, absl::Cord(where));
  return status;
}

// ---- Workers

/// A worker's end of Attach on the io thread: hands everything to the owner.
class Coordinator::Core::WorkerStream final : public rpc::RequestHandler<v1::WorkerMessage> {
 public:
  WorkerStream(Core* core, std::unique_ptr<WorkerLink> link)
      : core_(core), session_(std::make_shared<Master::Session>(std::move(link))) {}

  void OnMessage(v1::WorkerMessage message) override {
    const bool queued =
        core_->inbox_.Post([core = core_, session = session_, arrived = TurnTimes::Clock::now(),
                            message = std::move(message)]() mutable {
          core->times_.TakeUp(arrived);
          if (!core->master_) return session->link->Close(core->StandingBy());
          core->master_->Receive(session, std::move(message));
        });
    if (!queued) session_->link->Close(Overloaded());
  }
  void OnHalfClose() override { End(); }
  void OnCancel() override { End(); }

 private:
  void End() {
    (void)core_->inbox_.Post([core = core_, session = session_] {
      if (core->master_) core->master_->Detach(session);
      session->link->Close(absl::OkStatus());
    });
  }

  Core* const core_;
  const std::shared_ptr<Master::Session> session_;
};

std::unique_ptr<rpc::RequestHandler<v1::WorkerMessage>> Coordinator::Core::Attach(
    rpc::ReplyWriter<v1::WorkerOrder> replies) {
  return std::make_unique<WorkerStream>(this, std::make_unique<StreamLink>(std::move(replies)));
}

// ---- Users

template <class Call, class Work>
void Coordinator::Core::OnOwner(Call call, Work work) {
  auto shared = std::make_shared<Call>(std::move(call));
  const bool queued = inbox_.Post([this, shared, work = std::move(work)]() mutable {
    master_ ? work(*master_, shared) : FinishWithHint(*shared, StandingBy());
  });
  if (!queued) shared->Finish(Overloaded());
}

void Coordinator::Core::SubmitJob(rpc::UnaryCall<v1::SubmitJobRequest, v1::SubmitJobReply> call) {
  OnOwner(std::move(call), [](Master& master, auto c) {
    master.Submit(std::move(c->request()),
                  [c](const absl::StatusOr<v1::SubmitJobReply>& reply) { c->Finish(reply); });
  });
}

void Coordinator::Core::GetJob(rpc::UnaryCall<v1::JobRequest, v1::JobStatus> call) {
  OnOwner(std::move(call),
          [](Master& master, auto c) { c->Finish(master.Status(JobId{c->request().job()})); });
}

void Coordinator::Core::ListJobs(rpc::UnaryCall<v1::ListJobsRequest, v1::ListJobsReply> call) {
  OnOwner(std::move(call), [](Master& master, auto c) { c->Finish(master.Jobs()); });
}

void Coordinator::Core::CancelJob(rpc::UnaryCall<v1::JobRequest, v1::JobStatus> call) {
  OnOwner(std::move(call), [](Master& master, auto c) {
    master.Cancel(JobId{c->request().job()},
                  [c](const absl::StatusOr<v1::JobStatus>& reply) { c->Finish(reply); });
  });
}

void Coordinator::Core::WaitJob(v1::JobRequest request, rpc::ReplyWriter<v1::JobStatus> replies) {
  auto watcher = std::make_shared<std::unique_ptr<JobWatcher>>(
      std::make_unique<StreamWatcher>(std::move(replies)));
  const bool queued = inbox_.Post([this, watcher, job = request.job()] {
    if (!master_) return (*watcher)->Finish(StandingBy());
    master_->Watch(JobId{job}, std::move(*watcher));
  });
  if (!queued) (*watcher)->Finish(Overloaded());
}

void Coordinator::Core::GetTimeline(rpc::UnaryCall<v1::JobRequest, v1::Timeline> call) {
  OnOwner(std::move(call),
          [](Master& master, auto c) { c->Finish(master.Timeline(JobId{c->request().job()})); });
}

void Coordinator::Core::ListWorkers(
    rpc::UnaryCall<v1::ListWorkersRequest, v1::ListWorkersReply> call) {
  OnOwner(std::move(call), [](Master& master, auto c) { c->Finish(master.Workers()); });
}

// ---- Pages

void Coordinator::Core::ServePages() {
  if (!options_.http) return;
  http_.HandleGet("/metrics", [this](const rpc::HttpRequest&, auto to) {
    const bool queued =
        inbox_.Post([this, to] { to->Send(200, io::MetricsPage::kContentType, MetricsText()); });
    if (!queued) to->Send(503, "text/plain", "stopping\n");
  });
  http_.HandleGet("/healthz", [this](const rpc::HttpRequest&, auto to) {
    if (!inbox_.Post([to] { to->Send(200, "text/plain", "ok\n"); })) {
      to->Send(503, "text/plain", "stopping\n");
    }
  });
  // An address beyond this machine was asked for by name.
  const bool local = options_.http->kind == rpc::Address::Kind::kUnix ||
                     options_.http->host == "localhost" ||
                     web::IsLocalPeer(options_.http->ToString());
  pages_ = std::make_unique<LivePages>(
      http_, web::PageRules{local ? web::Viewers::kLocal : web::Viewers::kAll, options_.http_admin},
      [this](LivePages::Work work) {
        return inbox_.Post([this, work = std::move(work)]() mutable {
          work(master_.get(), master_ ? ShownLeader{} : LeaderForPages());
        });
      });
}

/// Whom a coordinator that stands by shows as the leader.
ShownLeader Coordinator::Core::LeaderForPages() const {
  const auto leader = leader_watch_ ? leader_watch_->Current() : std::nullopt;
  if (!leader || leader->id == ProcessName()) return {"nobody yet", ""};
  return {JoinAddresses(leader->addresses), leader->page};
}

/// Where others find this one's pages; empty: there are none, or only on this machine's file
/// system.
std::string Coordinator::Core::PageUrl() const {
  if (!http_address_ || http_address_->kind == rpc::Address::Kind::kUnix) return {};
  return fmt::format("http://{}/", Advertised(*http_address_).ToString());
}

std::string Coordinator::Core::MetricsText() {
  io::MetricsPage page;
  if (master_) master_->AppendMetrics(page);
  if (options_.kv) {
    LeadershipFacts facts;
    facts.leads = master_ != nullptr;
    facts.fence = lead_ ? static_cast<std::uint64_t>(lead_->fence()) : 0;
    facts.kv_writes = kv_writes_before_ + (master_ ? master_->journal_writes() : 0);
    facts.terms = terms_;
    AppendLeadership(page, facts);
  }
  times_.AppendTo(page);
  page.Process();
  return page.Take();
}

// ---- The handle

Coordinator::Coordinator(std::unique_ptr<Core> core) : core_(std::move(core)) {}
Coordinator::~Coordinator() = default;

absl::StatusOr<std::unique_ptr<Coordinator>> Coordinator::Start(CoordinatorOptions options) {
  auto core = std::make_unique<Core>(std::move(options));
  TRIREME_RETURN_IF_ERROR(core->Start());
  return std::unique_ptr<Coordinator>(new Coordinator(std::move(core)));
}

const std::vector<rpc::Address>& Coordinator::addresses() const {
  return core_->addresses();
}
const std::optional<rpc::Address>& Coordinator::http_address() const {
  return core_->http_address();
}
const std::vector<std::string>& Coordinator::warnings() const {
  return core_->warnings();
}
std::uint64_t Coordinator::turns() const {
  return core_->turns();
}
absl::Status Coordinator::Wait() {
  return core_->Wait();
}
void Coordinator::Stop() {
  core_->Stop();
}

}  // namespace trireme::mapreduce::cluster
