#include "cli/kv/watch_words.h"

#include <algorithm>

#include "cli/kv/failure.h"
#include "cli/kv/kv_requests.h"

namespace trireme::kvcli {

void WatchWords::AddFlags(FlagSet& flags) {
  flags.Bool("prefix", &prefix_, "Watch on a prefix if prefix is set");
  flags.Bool("prev-kv", &previous_, "get the previous key-value pair before the event happens");
  flags.Bool("progress-notify", &progress_, "get periodic watch progress notification from server");
  flags.Number("rev", &revision_, "Revision to start watching");
}

absl::Status WatchWords::Read(const std::vector<std::string>& words, std::size_t before_dashes,
                              const std::string& key_variable, const std::string& end_variable) {
  const bool dashes = before_dashes != std::string::npos;
  const std::size_t keys = dashes ? before_dashes : words.size();
  if (dashes && keys == words.size())
    return BadArguments("bad number of arguments (found separator --, but no commands)");
  if (keys > 0 && !key_variable.empty())
    return BadArguments("bad number of arguments (found conflicting environment key)");
  std::vector<std::string> range(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(keys));
  program.assign(words.begin() + static_cast<std::ptrdiff_t>(keys), words.end());
  if (!key_variable.empty()) range.push_back(key_variable);
  if (!key_variable.empty() && !end_variable.empty()) range.push_back(end_variable);
  if (range.empty() || range.size() > 2) return BadArguments("bad number of arguments");
  if (range.size() == 2 && prefix_)
    return BadArguments("`range_end` and `--prefix` are mutually exclusive");
  const bool all = prefix_ && range[0].empty();
  request.set_key(all ? std::string(1, '\0') : range[0]);
  if (range.size() == 2) request.set_range_end(range[1]);
  if (prefix_) request.set_range_end(PrefixEnd(range[0]));
  request.set_start_revision(revision_);
  request.set_prev_kv(previous_);
  request.set_progress_notify(progress_);
  return absl::OkStatus();
}

}  // namespace trireme::kvcli
