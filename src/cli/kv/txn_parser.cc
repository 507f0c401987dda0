#include "cli/kv/txn_parser.h"

#include <array>
#include <cctype>
#include <optional>
#include <utility>

#include "base/status_macros.h"
#include "cli/kv/failure.h"
#include "cli/kv/flag_set.h"
#include "cli/kv/go_text.h"
#include "cli/kv/kv_requests.h"
#include "fmt/format.h"

namespace trireme::kvcli {
namespace {

using etcdserverpb::Compare;
using etcdserverpb::RequestOp;

bool IsSpace(char c) {
  return std::isspace(static_cast<unsigned char>(c)) != 0;
}

/// Spaces off the front; false when there was none.
bool SkipSpaces(std::string_view* text) {
  const std::size_t before = text->size();
  while (!text->empty() && IsSpace(text->front())) text->remove_prefix(1);
  return text->size() < before;
}

std::string_view TakeWord(std::string_view* text) {
  std::size_t size = 0;
  while (size < text->size() && !IsSpace((*text)[size])) ++size;
  const std::string_view word = text->substr(0, size);
  text->remove_prefix(size);
  return word;
}

/// The length of a string in `quote`s at the front, quotes included; 0: it does not end.
std::size_t QuotedLength(std::string_view text, char quote) {
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == quote) return i + 1;
    if (quote == '"' && text[i] == '\\') ++i;
  }
  return 0;
}

struct Parts {
  std::string key, relation, operand;
  bool complete = false;
};

/// `"key") relation "operand"`, as far as it goes.
Parts TakeParts(std::string_view text) {
  Parts parts;
  SkipSpaces(&text);
  const auto key = TakeQuoted(&text);
  if (!key) return parts;
  parts.key = *key;
  if (!text.starts_with(')')) return parts;
  text.remove_prefix(1);
  if (!SkipSpaces(&text)) return parts;
  parts.relation = TakeWord(&text);
  if (!SkipSpaces(&text)) return parts;
  const auto operand = TakeQuoted(&text);
  if (operand) parts.operand = *operand;
  parts.complete = operand.has_value();
  return parts;
}

std::optional<Compare::CompareResult> RelationOf(std::string_view text) {
  if (text == "=") return Compare::EQUAL;
  if (text == "!=") return Compare::NOT_EQUAL;
  if (text == ">") return Compare::GREATER;
  if (text == "<") return Compare::LESS;
  return std::nullopt;
}

std::optional<Compare::CompareTarget> TargetOf(std::string_view text) {
  if (text == "ver" || text == "version") return Compare::VERSION;
  if (text == "c" || text == "create") return Compare::CREATE;
  if (text == "m" || text == "mod") return Compare::MOD;
  if (text == "val" || text == "value") return Compare::VALUE;
  if (text == "lease") return Compare::LEASE;
  return std::nullopt;
}

absl::Status SetOperand(Compare* compare, const std::string& text) {
  if (compare->target() == Compare::VALUE) {
    compare->set_value(text);
    return absl::OkStatus();
  }
  TRIREME_ASSIGN_OR_RETURN(const std::int64_t number,
                           ParseInt(text, compare->target() == Compare::LEASE ? 16 : 10));
  if (compare->target() == Compare::VERSION) compare->set_version(number);
  if (compare->target() == Compare::CREATE) compare->set_create_revision(number);
  if (compare->target() == Compare::MOD) compare->set_mod_revision(number);
  if (compare->target() == Compare::LEASE) compare->set_lease(number);
  return absl::OkStatus();
}

absl::Status Malformed(std::string_view line, const std::string& why) {
  return Fail(kInvalidInput, fmt::format("malformed comparison: {}{}", line, why));
}

/// The words that are no flags, or kInvalidInput.
absl::StatusOr<std::vector<std::string>> Positional(FlagSet& flags,
                                                    const std::vector<std::string>& words,
                                                    std::string_view line) {
  auto rest = flags.Parse({words.begin() + 1, words.end()});
  if (rest.ok() && !flags.help_asked()) return rest;
  const std::string why = rest.ok() ? "help" : std::string(rest.status().message());
  return Fail(kInvalidInput, fmt::format("invalid txn request: {} ({})", line, why));
}

}  // namespace

absl::StatusOr<std::vector<std::string>> SplitWords(std::string_view line) {
  std::vector<std::string> words;
  while (!line.empty()) {
    const char first = line.front();
    if (first != '"' && first != '\'') {
      if (!SkipSpaces(&line)) words.emplace_back(TakeWord(&line));
      continue;
    }
    const std::size_t size = QuotedLength(line, first);
    std::string_view quoted = line.substr(0, size);
    line.remove_prefix(size == 0 ? 1 : size);  // A quote that is never closed counts for nothing.
    if (size == 0) continue;
    if (first == '\'') {
      words.emplace_back(quoted.substr(1, size - 2));
      continue;
    }
    auto word = TakeQuoted(&quoted);
    if (!word) return Fail(kInvalidInput, fmt::format("invalid quoted string {}", quoted));
    words.push_back(*std::move(word));
  }
  return words;
}

absl::StatusOr<Compare> ParseCompare(std::string_view line) {
  const std::size_t open = line.find('(');
  if (open == line.npos) return Malformed(line, "");
  const std::string_view target = line.substr(0, open);
  const Parts parts = TakeParts(line.substr(open + 1));
  if (!parts.complete) {
    return Malformed(line, fmt::format("; got {}({}) {} {}", target, Quote(parts.key),
                                       parts.relation, Quote(parts.operand)));
  }
  const auto kind = TargetOf(target);
  if (!kind) return Malformed(line, fmt::format(" (unknown target {})", target));
  const auto relation = RelationOf(parts.relation);
  if (!relation) return Malformed(line, fmt::format(" (unknown relation {})", parts.relation));
  Compare compare;
  compare.set_key(parts.key);
  compare.set_target(*kind);
  compare.set_result(*relation);
  if (const absl::Status status = SetOperand(&compare, parts.operand); !status.ok()) {
    return Fail(kInvalidInput, fmt::format("invalid txn compare request: {} ({})", line,
                                           std::string(status.message())));
  }
  return compare;
}

absl::StatusOr<RequestOp> ParseRequest(std::string_view line) {
  TRIREME_ASSIGN_OR_RETURN(const std::vector<std::string> words, SplitWords(line));
  if (words.size() < 2)
    return Fail(kInvalidInput, fmt::format("invalid txn compare request: {}", line));
  RequestOp request;
  FlagSet flags;
  if (words[0] == "get") {
    GetWords get;
    get.AddFlags(flags);
    TRIREME_ASSIGN_OR_RETURN(const auto rest, Positional(flags, words, line));
    TRIREME_ASSIGN_OR_RETURN(*request.mutable_request_range(), get.Request(rest));
  } else if (words[0] == "put") {
    PutWords put;
    put.AddFlags(flags);
    TRIREME_ASSIGN_OR_RETURN(const auto rest, Positional(flags, words, line));
    TRIREME_ASSIGN_OR_RETURN(*request.mutable_request_put(),
                             put.Request(rest, [] { return std::string(); }));
  } else if (words[0] == "del") {
    DeleteWords del;
    del.AddFlags(flags);
    TRIREME_ASSIGN_OR_RETURN(const auto rest, Positional(flags, words, line));
    TRIREME_ASSIGN_OR_RETURN(*request.mutable_request_delete_range(), del.Request(rest));
  } else {
    return Fail(kInvalidInput, fmt::format("invalid txn request: {}", line));
  }
  return request;
}

}  // namespace trireme::kvcli
