#include "mapreduce/cluster/candidate.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/log.h"
#include "mapreduce/cluster/kv_journal.h"

namespace trireme::mapreduce::cluster {
namespace {

/// Whether the same may go well later.
bool MayPass(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kUnimplemented:
      return false;
    default:
      return true;
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Candidate>> Candidate::Create(const KvOptions& options,
                                                             kv::Client* client) {
  const absl::Status answer =
      client->Leader(options.ElectionName(), {.timeout = absl::Milliseconds(kKvReachPatienceMs)})
          .status();
  if (!answer.ok() && !absl::IsNotFound(answer)) {
    return absl::Status(answer.code(),
                        fmt::format("--kv {}: {}", absl::StrJoin(options.client.endpoints, ","),
                                    std::string(answer.message())));
  }
  return std::unique_ptr<Candidate>(new Candidate(options, client));
}

Candidate::~Candidate() {
  Stop();
}

void Candidate::Start(std::string value, Events events) {
  value_ = std::move(value);
  events_ = std::move(events);
  thread_ = std::thread([this] { Run(); });
}

void Candidate::Bell::Ring() {
  const std::lock_guard lock(mutex);
  resigns = true;
  rung.notify_all();
}

void Candidate::Resign() {
  bell_->Ring();
}

void Candidate::Stop() {
  stop_ = true;
  Resign();
  if (thread_.joinable()) thread_.join();
}

void Candidate::Run() {
  while (!stop_) {
    const absl::Status status = RunTerm();
    if (stop_ || status.ok()) continue;
    if (!MayPass(status)) return events_.on_failed(status);
    io::Log(io::LogLevel::kWarn, "cannot stand for election, trying again",
            {{"reason", std::string(status.message())}});
    Pause();
  }
}

absl::Status Candidate::RunTerm() {
  TRIREME_ASSIGN_OR_RETURN(kv::Leadership won, Campaign());
  const auto leadership = std::make_shared<kv::Leadership>(std::move(won));
  absl::StatusOr<ledger::Loaded> loaded = LoadLedger(client_, options_.prefix);
  if (!loaded.ok() && leadership->held()) return loaded.status();
  if (loaded.ok()) {
    events_.on_elected({leadership, *std::move(loaded)});
    AwaitEnd(leadership);
    events_.on_lost(absl::UnavailableError("this coordinator does not lead any more"));
  }
  return leadership->Resign({.timeout = absl::Milliseconds(options_.leader_ttl_ms)});
}

absl::StatusOr<kv::Leadership> Candidate::Campaign() {
  {
    const std::lock_guard lock(bell_->mutex);
    bell_->resigns = false;
  }
  kv::LockOptions lock;
  lock.ttl = absl::Milliseconds(options_.leader_ttl_ms);
  lock.cancelled = &stop_;
  return client_.Campaign(options_.ElectionName(), value_, lock);
}

void Candidate::AwaitEnd(const std::shared_ptr<kv::Leadership>& leadership) {
  leadership->OnLost([bell = bell_] { bell->Ring(); });
  std::unique_lock lock(bell_->mutex);
  bell_->rung.wait(lock, [this] { return bell_->resigns || stop_; });
}

void Candidate::Pause() {
  std::unique_lock lock(bell_->mutex);
  bell_->rung.wait_for(lock, std::chrono::milliseconds(kCandidateRetryMs),
                       [this] { return stop_.load(); });
}

}  // namespace trireme::mapreduce::cluster
