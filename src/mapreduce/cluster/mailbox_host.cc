#include "mapreduce/cluster/mailbox_host.h"

#include <utility>

namespace trireme::mapreduce {

bool MailboxHost::MayCommit(const TaskResult& result) {
  if (cancelled_) return false;
  AskCommit(result);
  for (;;) {
    const Word word = mailbox_.Pop();
    if (std::holds_alternative<CommitWord>(word)) return true;
    if (std::holds_alternative<CancelWord>(word)) return false;
  }
}

absl::StatusOr<MapInput> MailboxHost::FindMapOutput(std::uint32_t map) {
  if (!cancelled_) AskMapOutput(map);
  while (!cancelled_) {
    Word word = mailbox_.Pop();
    if (std::holds_alternative<CancelWord>(word)) cancelled_ = true;
    if (auto* provided = std::get_if<MapWord>(&word); provided && provided->map == map)
      return std::move(provided->input);
  }
  return absl::CancelledError("the attempt was cancelled");
}

}  // namespace trireme::mapreduce
