#include "mapreduce/cluster/coordinator.h"

#include <atomic>
#include <chrono>
#include <map>
#include <thread>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/clock.h"
#include "mapreduce/cluster/end_latch.h"
#include "mapreduce/cluster/live_pages.h"
#include "mapreduce/cluster/master.h"
#include "mapreduce/cluster/output_directory.h"
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

class StreamLink final : public WorkerLink {
 public:
  explicit StreamLink(rpc::ReplyWriter<v1::WorkerOrder> writer) : writer_(std::move(writer)) {}
  void Send(const v1::WorkerOrder& order) override {
    if (!writer_.finished()) writer_.Write(order);
  }
  void Close(absl::Status why) override {
    if (!writer_.finished()) writer_.Finish(std::move(why));
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
    if (!writer_.finished()) writer_.Finish(std::move(status));
  }

 private:
  rpc::ReplyWriter<v1::JobStatus> writer_;
};

}  // namespace

class Coordinator::Core final : public v1::CoordinatorService {
 public:
  explicit Core(CoordinatorOptions options)
      : options_(std::move(options)), server_(ServerOptions()), http_(rpc::ServerOptions()) {}
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

 private:
  class WorkerStream;

  static rpc::ServerOptions ServerOptions();
  absl::Status OpenMaster();
  absl::Status ListenAll();
  void ServePages();
  void Run();
  void RunFiles();
  Master::Hands MakeHands();
  /// Runs `work` on the owner thread; when that is impossible `refused` runs here.
  template <class Call, class Work>
  void OnOwner(Call call, Work work);
  template <class Read>
  void Page(const std::string& path, const char* type, Read read);

  const CoordinatorOptions options_;
  std::vector<std::string> warnings_;
  std::vector<rpc::Address> addresses_;
  std::optional<rpc::Address> http_address_;
  OwnerQueue inbox_, files_inbox_;
  std::map<std::string, OutputDirectory> outputs_;  // of running jobs; the files' thread's
  std::unique_ptr<Master> master_;                  // the owner thread's
  rpc::Server server_, http_;
  std::unique_ptr<LivePages> pages_;  // with http_
  std::thread owner_, files_thread_;
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
  TRIREME_RETURN_IF_ERROR(OpenMaster());
  server_.Register(*this);
  ServePages();
  TRIREME_RETURN_IF_ERROR(ListenAll());
  files_thread_ = std::thread([this] { RunFiles(); });
  owner_ = std::thread([this] { Run(); });
  TRIREME_RETURN_IF_ERROR(server_.Start());
  if (!http_address_) return absl::OkStatus();
  pages_->Start();
  return http_.Start();
}

absl::Status Coordinator::Core::OpenMaster() {
  Journal::Opened opened;
  if (options_.state_directory.empty()) {
    warnings_.push_back("without --state the jobs are forgotten when the coordinator stops");
  } else {
    TRIREME_ASSIGN_OR_RETURN(opened, Journal::Open(options_.state_directory));
    if (opened.torn_bytes > 0) {
      warnings_.push_back(fmt::format("{}: cut {} bytes of a batch that was being written",
                                      opened.journal->path(), opened.torn_bytes));
    }
  }
  TRIREME_ASSIGN_OR_RETURN(master_,
                           Master::Create(options_.limits, MakeHands(), std::move(opened)));
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
  absl::Status status = master_->EndTurn();  // the new epoch, before anything else
  while (status.ok() && !inbox_.closed()) {
    for (OwnerQueue::Task& task : inbox_.Take(std::chrono::milliseconds(kTickMs))) task();
    master_->Tick();
    status = master_->EndTurn();
  }
  inbox_.Close();
  ended_.Set(std::move(status));
}

void Coordinator::Core::RunFiles() {
  while (!files_inbox_.closed()) {
    for (OwnerQueue::Task& task : files_inbox_.Take(std::chrono::hours(1))) task();
  }
}

absl::Status Coordinator::Core::Wait() {
  return ended_.Wait();
}

void Coordinator::Core::Stop() {
  if (stopped_.exchange(true)) return;
  if (pages_ != nullptr) pages_->Stop();
  inbox_.Close();
  files_inbox_.Close();
  if (owner_.joinable()) owner_.join();
  if (files_thread_.joinable()) files_thread_.join();
  server_.Stop();
  http_.Stop();
}

Master::Hands Coordinator::Core::MakeHands() {
  Master::Hands hands;
  hands.now = io::SteadyMs;
  // A post that the full queue refuses leaves the job unfinished; the next start repeats the step.
  const auto work = [this](auto step, absl::AnyInvocable<void(absl::Status)> done) {
    (void)files_inbox_.Post([this, step, done = std::move(done)]() mutable {
      (void)inbox_.Post(
          [status = step(), done = std::move(done)]() mutable { done(std::move(status)); });
    });
  };
  io::FileSystem* files = options_.files;
  hands.check_output = [=](std::string directory, bool overwrite, auto done) {
    work(
        [=]() -> absl::Status {
          return OutputDirectory(files, directory, io::Durability::kPowerLoss).Check(overwrite);
        },
        std::move(done));
  };
  // From here on only the thread for files knows them.
  const auto open = [this, files](const std::string& directory) -> OutputDirectory& {
    return outputs_.try_emplace(directory, files, directory, io::Durability::kPowerLoss)
        .first->second;
  };
  hands.make_output = [=](std::string directory, auto done) {
    // Whether there may be an older output was asked by check_output, perhaps in an earlier life.
    work([=]() -> absl::Status { return open(directory).Prepare(/*overwrite=*/true); },
         std::move(done));
  };
  hands.finish_output = [=, this](std::string directory, std::string intermediate, bool keep,
                                  auto done) {
    work(
        [=, this]() -> absl::Status {
          OutputDirectory& output = open(directory);
          absl::Status status;
          if (keep) {
            status = output.Finish();
          } else {
            output.Abandon();
          }
          outputs_.erase(directory);
          if (!intermediate.empty()) files->RemoveTree(intermediate).IgnoreError();
          return status;
        },
        std::move(done));
  };
  return hands;
}

// ---- Workers

/// A worker's end of Attach on the io thread: hands everything to the owner.
class Coordinator::Core::WorkerStream final : public rpc::RequestHandler<v1::WorkerMessage> {
 public:
  WorkerStream(Core* core, std::unique_ptr<WorkerLink> link)
      : core_(core), session_(std::make_shared<Master::Session>(std::move(link))) {}

  void OnMessage(v1::WorkerMessage message) override {
    const bool queued = core_->inbox_.Post(
        [core = core_, session = session_, message = std::move(message)]() mutable {
          core->master_->Receive(session, std::move(message));
        });
    if (!queued) session_->link->Close(Overloaded());
  }
  void OnHalfClose() override { End(); }
  void OnCancel() override { End(); }

 private:
  void End() {
    (void)core_->inbox_.Post([core = core_, session = session_] {
      core->master_->Detach(session);
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
  if (!inbox_.Post([shared, work = std::move(work)]() mutable { work(*shared); })) {
    shared->Finish(Overloaded());
  }
}

void Coordinator::Core::SubmitJob(rpc::UnaryCall<v1::SubmitJobRequest, v1::SubmitJobReply> call) {
  auto shared = std::make_shared<decltype(call)>(std::move(call));
  const bool queued = inbox_.Post([this, shared] {
    master_->Submit(
        std::move(shared->request()),
        [shared](const absl::StatusOr<v1::SubmitJobReply>& reply) { shared->Finish(reply); });
  });
  if (!queued) shared->Finish(Overloaded());
}

void Coordinator::Core::GetJob(rpc::UnaryCall<v1::JobRequest, v1::JobStatus> call) {
  OnOwner(std::move(call),
          [this](auto& c) { c.Finish(master_->Status(JobId{c.request().job()})); });
}

void Coordinator::Core::ListJobs(rpc::UnaryCall<v1::ListJobsRequest, v1::ListJobsReply> call) {
  OnOwner(std::move(call), [this](auto& c) { c.Finish(master_->Jobs()); });
}

void Coordinator::Core::CancelJob(rpc::UnaryCall<v1::JobRequest, v1::JobStatus> call) {
  auto shared = std::make_shared<decltype(call)>(std::move(call));
  const bool queued = inbox_.Post([this, shared] {
    master_->Cancel(
        JobId{shared->request().job()},
        [shared](const absl::StatusOr<v1::JobStatus>& reply) { shared->Finish(reply); });
  });
  if (!queued) shared->Finish(Overloaded());
}

void Coordinator::Core::WaitJob(v1::JobRequest request, rpc::ReplyWriter<v1::JobStatus> replies) {
  auto watcher = std::make_shared<std::unique_ptr<JobWatcher>>(
      std::make_unique<StreamWatcher>(std::move(replies)));
  const bool queued = inbox_.Post(
      [this, watcher, job = request.job()] { master_->Watch(JobId{job}, std::move(*watcher)); });
  if (!queued) (*watcher)->Finish(Overloaded());
}

void Coordinator::Core::GetTimeline(rpc::UnaryCall<v1::JobRequest, v1::Timeline> call) {
  OnOwner(std::move(call),
          [this](auto& c) { c.Finish(master_->Timeline(JobId{c.request().job()})); });
}

void Coordinator::Core::ListWorkers(
    rpc::UnaryCall<v1::ListWorkersRequest, v1::ListWorkersReply> call) {
  OnOwner(std::move(call), [this](auto& c) { c.Finish(master_->Workers()); });
}

// ---- Pages

template <class Read>
void Coordinator::Core::Page(const std::string& path, const char* type, Read read) {
  http_.HandleGet(path, [this, type, read](const rpc::HttpRequest& request,
                                           std::shared_ptr<rpc::HttpResponder> to) {
    const bool queued = inbox_.Post([this, type, read, request, to] {
      const std::optional<std::string> body = read(*master_, request);
      body ? to->Send(200, type, *body) : to->Send(404, "text/plain", "no such page\n");
    });
    if (!queued) to->Send(503, "text/plain", "stopping\n");
  });
}

void Coordinator::Core::ServePages() {
  if (!options_.http) return;
  Page("/metrics", "text/plain; version=0.0.4", [](const Master& master, const rpc::HttpRequest&) {
    return std::optional(
        MetricsPage(master.Jobs(), master.Workers(), master.epoch(), master.journal_bytes()));
  });
  Page("/healthz", "text/plain",
       [](const Master&, const rpc::HttpRequest&) { return std::optional<std::string>("ok\n"); });
  // An address beyond this machine was asked for by name.
  const bool local = options_.http->kind == rpc::Address::Kind::kUnix ||
                     options_.http->host == "localhost" ||
                     web::IsLocalPeer(options_.http->ToString());
  pages_ = std::make_unique<LivePages>(
      http_, web::PageRules{local ? web::Viewers::kLocal : web::Viewers::kAll, options_.http_admin},
      [this](absl::AnyInvocable<void(Master&)> work) {
        return inbox_.Post([this, work = std::move(work)]() mutable { work(*master_); });
      });
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
absl::Status Coordinator::Wait() {
  return core_->Wait();
}
void Coordinator::Stop() {
  core_->Stop();
}

}  // namespace trireme::mapreduce::cluster
