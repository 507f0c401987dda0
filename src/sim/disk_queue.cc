#include "sim/disk_queue.h"

#include "base/status_macros.h"

namespace trireme::sim {

absl::Status DiskQueue::Begin(Storage* storage) {
  busy_ = true;
  full_ = false;
  while (!waiting_.empty()) {
    const absl::Status status = Write(storage, waiting_.front());
    full_ = absl::IsResourceExhausted(status);
    if (full_ && std::holds_alternative<raft::Persist>(waiting_.front())) break;
    if (full_) {
      waiting_.pop_front();
      continue;
    }
    TRIREME_RETURN_IF_ERROR(status);
    waiting_.pop_front();
  }
  return absl::OkStatus();
}

absl::Status DiskQueue::Write(Storage* storage, Item& item) {
  if (auto* batch = std::get_if<raft::Persist>(&item)) {
    const absl::Status stored = storage->StoreChunks(batch);
    written_.snapshot_refused |= absl::IsResourceExhausted(stored);
    if (!absl::IsResourceExhausted(stored)) TRIREME_RETURN_IF_ERROR(stored);
    TRIREME_RETURN_IF_ERROR(storage->Write(*batch));
    written_.token = batch->token;
    return absl::OkStatus();
  }
  auto& own = std::get<OwnSnapshot>(item);
  TRIREME_RETURN_IF_ERROR(storage->WriteSnapshot(own.meta, own.bytes, own.drop_to));
  written_.snapshots.push_back(std::move(own));
  return absl::OkStatus();
}

absl::StatusOr<DiskQueue::Durable> DiskQueue::End(Storage* storage) {
  busy_ = false;
  TRIREME_RETURN_IF_ERROR(storage->Sync());
  return std::exchange(written_, {});
}

}  // namespace trireme::sim
