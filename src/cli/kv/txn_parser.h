#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "etcd/rpc.pb.h"

/// The lines of `trireme kv txn`'s input. Pure.
///
///     compare   = target "(" quoted ")" relation quoted
///     target    = "ver" | "version" | "c" | "create" | "m" | "mod" | "val" | "value" | "lease"
///     relation  = "=" | "!=" | ">" | "<"        with spaces on both sides
///     request   = get | put | del, as on the command line
namespace trireme::kvcli {

/// A line as words: "double quoted" with escapes, 'single quoted' as it is, or without spaces.
/// kInvalidInput: an escape that is none.
absl::StatusOr<std::vector<std::string>> SplitWords(std::string_view line);

/// kInvalidInput says what is malformed.
absl::StatusOr<etcdserverpb::Compare> ParseCompare(std::string_view line);
absl::StatusOr<etcdserverpb::RequestOp> ParseRequest(std::string_view line);

}  // namespace trireme::kvcli
