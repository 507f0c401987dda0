#include "kv/store/flusher.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"

namespace trireme::kv::inline engine {
namespace {

/// Between two tries on a full disk.
constexpr std::chrono::milliseconds kDiskFullPause{200};
/// Of the thread: who answers clients goes first, but it gets a fair part of a busy processor,
/// since whoever waits for room waits for it.
constexpr int kFlushNice = 5;

}  // namespace

Checkpoint::~Checkpoint() {
  std::error_code gone;
  if (!directory.empty()) std::filesystem::remove_all(directory, gone);
}

Flusher::Flusher(RocksFiles& files) : files_(files), state_(files.State()) {
  thread_ = std::thread([this] { Run(); });
}

Flusher::~Flusher() {
  {
    const std::scoped_lock lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

std::uint64_t Flusher::Start(Job job) {
  std::uint64_t number = 0;
  {
    const std::scoped_lock lock(mutex_);
    TRIREME_CHECK(jobs_.size() < kTreesMax);
    jobs_.push_back(std::move(job));
    number = written_ + jobs_.size();
    changed_ = true;
  }
  wake_.notify_one();
  return number;
}

std::uint64_t Flusher::last() const {
  const std::scoped_lock lock(mutex_);
  return written_ + jobs_.size();
}

bool Flusher::idle() const {
  const std::scoped_lock lock(mutex_);
  return jobs_.empty();
}

absl::Status Flusher::status() const {
  const std::scoped_lock lock(mutex_);
  return failed() ? status_ : files_.background_error();
}

absl::Status Flusher::WaitForRoom(std::size_t jobs_max) {
  std::unique_lock lock(mutex_);
  done_.wait(lock, [&] { return jobs_.size() <= jobs_max || !status_.ok(); });
  return status_;
}

absl::Status Flusher::WaitFor(std::uint64_t number) {
  std::unique_lock lock(mutex_);
  done_.wait(lock, [&] { return written_ >= number || !status_.ok(); });
  return written_ >= number ? absl::OkStatus() : status_;
}

std::uint64_t Flusher::WrittenNow() const {
  const std::scoped_lock lock(mutex_);
  return written_;
}

Flusher::Layers Flusher::Current() {
  const std::uint64_t written = WrittenNow();
  std::shared_ptr<const FilesState> merged;
  if (files_.merged()) merged = files_.State();
  const std::scoped_lock lock(mutex_);
  changed_ = false;
  // A tree that was written meanwhile may not be in it.
  if (merged != nullptr && written == written_) state_.swap(merged);
  Layers layers{{}, state_};
  std::size_t trees = 0;
  for (auto job = jobs_.rbegin(); job != jobs_.rend(); ++job)
    if (job->tree != nullptr) layers.trees[trees++] = job->tree;
  return layers;
}

/// After a failure the trees stay what they are: readable, and not in the files.
void Flusher::Run() {
  ::pthread_setname_np(::pthread_self(), "kv-flush");
  // Linux has a priority for each thread; without it the thread is as good as any.
  (void)::setpriority(PRIO_PROCESS, static_cast<::id_t>(::gettid()), kFlushNice);
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stop_ || (!jobs_.empty() && !failed()); });
    if (jobs_.empty() || failed()) return;
    WriteOne(lock);
    if (disk_full_ && wake_.wait_for(lock, kDiskFullPause, [this] { return stop_; })) return;
  }
}

/// A tree and a state that go take their time: outside of the lock.
void Flusher::WriteOne(std::unique_lock<std::mutex>& lock) {
  Job job = jobs_.front();
  lock.unlock();
  const absl::Status status = Write(job);
  auto state = status.ok() ? files_.State() : nullptr;
  lock.lock();
  status_ = status;
  disk_full_ = absl::IsResourceExhausted(status);
  if (status.ok()) {
    jobs_.pop_front();
    state_.swap(state);
    ++written_;
    changed_ = true;
  }
  done_.notify_all();
  lock.unlock();
  job = {};
  state.reset();
  lock.lock();
}

absl::Status Flusher::Write(const Job& job) {
  if (job.tree != nullptr) TRIREME_RETURN_IF_ERROR(files_.Ingest(job.tree->root()));
  files_.SetFloor(job.drop_below);
  if (job.checkpoint != nullptr) job.checkpoint->status = files_.Copy(&job.checkpoint->directory);
  return absl::OkStatus();
}

}  // namespace trireme::kv::inline engine
