#include "kv/server/leader_sequence.h"

#include "base/status_macros.h"
#include "kv/server/waiting_line.h"

namespace trireme::kv::inline engine {

absl::Status LeaderSequence::Restart(const ReadView& newest) {
  TRIREME_ASSIGN_OR_RETURN(const auto first, FirstInLine(newest, prefix_));
  leader_ = first ? first->key : "";
  next_ = newest.meta().revision + 1;
  if (first && first->mod_revision > told_) Say(*first);
  return absl::OkStatus();
}

absl::Status LeaderSequence::OnEvent(EventType type, const KeyValue& kv, const ReadView& newest) {
  if (kv.mod_revision < next_) return absl::OkStatus();  // the view that we began with had it
  if (type == EventType::kDelete) return kv.key == leader_ ? Restart(newest) : absl::OkStatus();
  if (leader_.empty()) leader_ = kv.key;
  if (kv.key == leader_) Say(kv);
  return absl::OkStatus();
}

void LeaderSequence::Say(const KeyValue& kv) {
  told_ = kv.mod_revision;
  tell_(kv);
}

}  // namespace trireme::kv::inline engine
