#include "mapreduce/cluster/reduce_inputs.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "io/log.h"
#include "mapreduce/cluster/shuffle.h"

namespace trireme::mapreduce::cluster {

ReduceInputs::ReduceInputs(plan::WorkerRef self, std::string directory, bool always_fetch,
                           Fetcher* fetcher, OwnerQueue* owner, Hands hands)
    : self_(self),
      directory_(std::move(directory)),
      always_fetch_(always_fetch),
      fetcher_(fetcher),
      owner_(owner),
      hands_(std::move(hands)) {}

void ReduceInputs::Start(std::uint64_t attempt, const OpenJob* job, std::uint32_t partition) {
  Reduce& reduce = reduces_[attempt];
  reduce.job = job;
  reduce.partition = partition;
  LookAhead(attempt, reduce, kFetchAheadMax);
}

void ReduceInputs::Stop(std::uint64_t attempt) {
  reduces_.erase(attempt);
}

void ReduceInputs::Want(std::uint64_t attempt, std::uint32_t map) {
  const auto found = reduces_.find(attempt);
  if (found == reduces_.end() || map >= found->second.job->maps) return;
  Reduce& reduce = found->second;
  reduce.wanted.insert(map);
  Try(attempt, reduce, map);
  LookAhead(attempt, reduce, map + 1 + kFetchAheadMax);
}

void ReduceInputs::LookAhead(std::uint64_t attempt, Reduce& reduce, std::uint32_t until) {
  until = std::min(until, reduce.job->maps);
  for (; reduce.ahead < until; ++reduce.ahead) Try(attempt, reduce, reduce.ahead);
}

void ReduceInputs::LearnPlace(const v1::WorkerPlace& place) {
  places_[plan::WorkerId{place.worker().id()}] = place;
}

void ReduceInputs::Retry(const OpenJob* job, std::optional<std::uint32_t> map) {
  for (auto& [attempt, reduce] : reduces_) {
    if (job != nullptr && reduce.job != job) continue;
    const std::set<std::uint32_t> wanted = reduce.wanted;
    for (const std::uint32_t one : wanted) {
      if (map && one != *map) continue;
      if (const auto known = reduce.fetches.find(one); known != reduce.fetches.end()) {
        known->second.retry_ms = 0;
      }
      Try(attempt, reduce, one);
    }
  }
}

void ReduceInputs::Tick(std::int64_t now_ms) {
  now_ms_ = now_ms;
  for (auto& [attempt, reduce] : reduces_) {
    const std::set<std::uint32_t> wanted = reduce.wanted;
    for (const std::uint32_t map : wanted) Try(attempt, reduce, map);
  }
}

/// Gives the output to the attempt if it waits for it and it is at hand; fetches it if it is not.
void ReduceInputs::Try(std::uint64_t attempt, Reduce& reduce, std::uint32_t map) {
  const auto& output = reduce.job->outputs[map];
  if (!output) return;
  const bool wanted = reduce.wanted.contains(map);
  if (!reduce.job->setup->intermediate.empty()) return TryFetch(attempt, reduce, map, nullptr);
  if (output->worker == self_) {
    if (wanted) ReadInPlace(attempt, reduce, map, directory_, output->attempt);
    return;
  }
  const auto place = places_.find(output->worker.id);
  if (place == places_.end() || FromWire(place->second.worker()) != output->worker) return;
  if (!always_fetch_ && neighbours_.CanRead(place->second)) {
    if (wanted) ReadInPlace(attempt, reduce, map, place->second.directory(), output->attempt);
    return;
  }
  TryFetch(attempt, reduce, map, &place->second);
}

/// From the worker there or, without one, from the store.
void ReduceInputs::TryFetch(std::uint64_t attempt, Reduce& reduce, std::uint32_t map,
                            const v1::WorkerPlace* place) {
  const plan::MapOutput& output = *reduce.job->outputs[map];
  Fetch& fetch = reduce.fetches[map];
  if (fetch.source != output.attempt) fetch = {output.attempt, false, nullptr, 0};
  if (fetch.got != nullptr) {
    if (reduce.wanted.contains(map)) Give(attempt, reduce, map, fetch.got->input);
    return;
  }
  if (fetch.under_way || now_ms_ < fetch.retry_ms) return;
  fetch.under_way = true;
  if (place == nullptr) return StartStoredFetch(attempt, reduce, map, output);
  StartFetch(attempt, reduce, map, place->shuffle_address(), output.attempt);
}

void ReduceInputs::Give(std::uint64_t attempt, Reduce& reduce, std::uint32_t map, MapInput input) {
  reduce.wanted.erase(map);
  reduce.given[map] = reduce.job->outputs[map]->attempt;
  hands_.provide(attempt, map, std::move(input));
}

void ReduceInputs::ReadInPlace(std::uint64_t attempt, Reduce& reduce, std::uint32_t map,
                               const std::string& directory, plan::AttemptId source) {
  Fetch& fetch = reduce.fetches[map];
  if (fetch.source == source && now_ms_ < fetch.retry_ms) return;
  fetch.source = source;
  std::string path = MapOutputPath(directory, {reduce.job->id, map, source});
  if (::access(path.c_str(), R_OK) == 0) {
    return Give(attempt, reduce, map, MapInput{std::move(path), std::nullopt});
  }
  Fail(attempt, reduce, map, source, false);
}

void ReduceInputs::StartFetch(std::uint64_t attempt, Reduce& reduce, std::uint32_t map,
                              const std::string& address, plan::AttemptId source) {
  v1::FetchRequest request;
  request.set_job(static_cast<std::uint64_t>(reduce.job->id));
  request.set_map(map);
  request.set_map_attempt(static_cast<std::uint64_t>(source));
  request.set_partition(reduce.partition);
  fetcher_->Fetch(address, request, [this, attempt, map, source](auto got) {
    (void)owner_->Post([this, attempt, map, source, got = std::move(got)]() mutable {
      OnFetched(attempt, map, source, std::move(got));
    });
  });
}

void ReduceInputs::StartStoredFetch(std::uint64_t attempt, Reduce& reduce, std::uint32_t map,
                                    const plan::MapOutput& output) {
  const plan::AttemptId source = output.attempt;
  const std::string path =
      StoredMapOutput(*reduce.job->setup, map, static_cast<std::uint64_t>(source));
  fetcher_->FetchStored(
      path, output.size_bytes, reduce.partition, [this, attempt, map, source](auto got) {
        (void)owner_->Post([this, attempt, map, source, got = std::move(got)]() mutable {
          OnFetched(attempt, map, source, std::move(got));
        });
      });
}

void ReduceInputs::OnFetched(std::uint64_t attempt, std::uint32_t map, plan::AttemptId source,
                             absl::StatusOr<std::shared_ptr<const FetchedPartition>> got) {
  const auto found = reduces_.find(attempt);
  if (found == reduces_.end()) return;
  Reduce& reduce = found->second;
  Fetch& fetch = reduce.fetches[map];
  if (fetch.source != source) return;
  fetch.under_way = false;
  if (!got.ok()) {
    const bool corrupt = absl::IsDataLoss(got.status());
    io::Log(corrupt ? io::LogLevel::kWarn : io::LogLevel::kInfo, "a map output cannot be fetched",
            {{"map", fmt::format("{}", map)}, {"reason", got.status().ToString()}});
    return Fail(attempt, reduce, map, source, corrupt);
  }
  fetch.got = *std::move(got);
  Try(attempt, reduce, map);
}

void ReduceInputs::Fail(std::uint64_t attempt, Reduce& reduce, std::uint32_t map,
                        plan::AttemptId source, bool corrupt) {
  reduce.fetches[map].retry_ms = now_ms_ + kFetchRetryMs;
  hands_.report(attempt, {map, source, corrupt});
}

plan::AttemptId ReduceInputs::GivenFrom(std::uint64_t attempt, std::uint32_t map) const {
  const auto found = reduces_.find(attempt);
  if (found == reduces_.end()) return {};
  const auto given = found->second.given.find(map);
  return given == found->second.given.end() ? plan::AttemptId{} : given->second;
}

std::uint64_t ReduceInputs::ExpectedBytes(std::uint64_t attempt) const {
  const auto found = reduces_.find(attempt);
  if (found == reduces_.end()) return 0;
  std::uint64_t sum = 0;
  for (const auto& output : found->second.job->outputs) sum += output ? output->size_bytes : 0;
  return sum / std::max<std::uint32_t>(found->second.job->reduces, 1);
}

}  // namespace trireme::mapreduce::cluster
