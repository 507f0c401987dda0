#include "cli/kv/flag_set.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "cli/kv/go_text.h"
#include "fmt/format.h"
#include "fmt/ranges.h"

namespace trireme::kvcli {
namespace {

std::vector<std::string> SplitList(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    parts.emplace_back(text.substr(0, comma));
    text.remove_prefix(comma == text.npos ? text.size() : comma + 1);
  }
  return parts;
}

/// What Parse's store functions are made of: `parse` gives a StatusOr of `*value`'s type.
template <class Value, class Parser>
auto Into(Value* value, Parser parse) {
  return [value, parse](std::string_view text) {
    const auto parsed = parse(text);
    if (parsed.ok()) *value = *parsed;
    return parsed.status();
  };
}

}  // namespace

void FlagSet::Add(Flag flag) {
  flags_.push_back(std::move(flag));
}

void FlagSet::Bool(std::string name, bool* value, std::string help, char letter) {
  Add({std::move(name),
       letter,
       *value ? "true" : "false",
       std::move(help),
       true,
       {},
       Into(value, ParseBool)});
}

void FlagSet::Text(std::string name, std::string* value, std::string help, char letter) {
  Add({std::move(name),
       letter,
       fmt::format("\"{}\"", *value),
       std::move(help),
       false,
       {},
       [value](std::string_view text) {
         *value = text;
         return absl::OkStatus();
       }});
}

void FlagSet::Number(std::string name, std::int64_t* value, std::string help) {
  Add({std::move(name),
       0,
       fmt::format("{}", *value),
       std::move(help),
       false,
       {},
       Into(value, [](std::string_view text) { return ParseInt(text, 0); })});
}

void FlagSet::Duration(std::string name, absl::Duration* value, std::string help) {
  Add({std::move(name),
       0,
       ShowGoDuration(*value),
       std::move(help),
       false,
       {},
       Into(value, ParseGoDuration)});
}

void FlagSet::List(std::string name, std::vector<std::string>* value, std::string help) {
  Add({std::move(name),
       0,
       fmt::format("[{}]", fmt::join(*value, ",")),
       std::move(help),
       false,
       {},
       [value, first = true](std::string_view text) mutable {
         if (std::exchange(first, false)) value->clear();
         for (std::string& part : SplitList(text)) value->push_back(std::move(part));
         return absl::OkStatus();
       }});
}

Flag* FlagSet::Find(std::string_view name) {
  const auto at = std::ranges::find(flags_, name, &Flag::name);
  return at == flags_.end() ? nullptr : &*at;
}

Flag* FlagSet::Find(char letter) {
  const auto at = std::ranges::find(flags_, letter, &Flag::letter);
  return at == flags_.end() ? nullptr : &*at;
}

bool FlagSet::Given(std::string_view name) const {
  const auto at = std::ranges::find(flags_, name, &Flag::name);
  return at != flags_.end() && at->given;
}

absl::Status FlagSet::Store(Flag& flag, std::string_view shown, std::string_view value) {
  const absl::Status status = flag.store(value);
  if (!status.ok()) {
    return absl::InvalidArgumentError(fmt::format("invalid argument {} for \"{}\" flag: {}",
                                                  Quote(value), shown,
                                                  std::string(status.message())));
  }
  flag.given = true;
  return status;
}

absl::Status FlagSet::TakeLong(const std::vector<std::string>& arguments, std::size_t* at) {
  const std::string_view text = arguments[*at];
  const std::size_t equals = text.find('=');
  const std::string name(text.substr(2, equals == text.npos ? text.npos : equals - 2));
  if (name == "help") {
    help_ = true;
    return absl::OkStatus();
  }
  Flag* flag = Find(name);
  if (flag == nullptr) return absl::InvalidArgumentError(fmt::format("unknown flag: --{}", name));
  const std::string shown =
      flag->letter != 0 ? fmt::format("-{}, --{}", flag->letter, name) : fmt::format("--{}", name);
  if (equals != text.npos) return Store(*flag, shown, text.substr(equals + 1));
  if (flag->is_bool) return Store(*flag, shown, "true");
  if (*at + 1 == arguments.size())
    return absl::InvalidArgumentError(fmt::format("flag needs an argument: --{}", name));
  return Store(*flag, shown, arguments[++*at]);
}

absl::Status FlagSet::TakeShort(const std::vector<std::string>& arguments, std::size_t* at) {
  const std::string_view all = arguments[*at];
  for (std::string_view rest = all.substr(1); !rest.empty();) {
    const char letter = rest[0];
    rest.remove_prefix(1);
    if (letter == 'h') {
      help_ = true;
      return absl::OkStatus();
    }
    Flag* flag = Find(letter);
    if (flag == nullptr) {
      return absl::InvalidArgumentError(
          fmt::format("unknown shorthand flag: '{}' in {}", letter, all));
    }
    const std::string shown = fmt::format("-{}, --{}", letter, flag->name);
    if (rest.size() > 1 && rest[0] == '=') return Store(*flag, shown, rest.substr(1));
    if (flag->is_bool) {
      TRIREME_RETURN_IF_ERROR(Store(*flag, shown, "true"));
      continue;
    }
    if (!rest.empty()) return Store(*flag, shown, rest);
    if (*at + 1 == arguments.size()) {
      return absl::InvalidArgumentError(
          fmt::format("flag needs an argument: '{}' in {}", letter, all));
    }
    return Store(*flag, shown, arguments[++*at]);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> FlagSet::Parse(const std::vector<std::string>& arguments) {
  std::vector<std::string> positional;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "--") {
      before_dashes_ = positional.size();
      positional.insert(positional.end(), arguments.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                        arguments.end());
      break;
    }
    if (argument.starts_with("--")) {
      TRIREME_RETURN_IF_ERROR(TakeLong(arguments, &i));
    } else if (argument.size() > 1 && argument[0] == '-') {
      TRIREME_RETURN_IF_ERROR(TakeShort(arguments, &i));
    } else {
      positional.push_back(argument);
    }
  }
  return positional;
}

bool FlagSet::TakesNext(std::string_view text) const {
  if (text.find('=') != text.npos) return false;
  for (const Flag& flag : flags_) {
    const bool is_it = text.starts_with("--")
                           ? text.substr(2) == flag.name
                           : text.size() == 2 && flag.letter != 0 && text[1] == flag.letter;
    if (is_it) return !flag.is_bool;
  }
  return false;
}

std::string FlagSet::HelpText() const {
  std::string text;
  for (const Flag& flag : flags_) {
    std::string left = flag.letter != 0 ? fmt::format("  -{}, --{}", flag.letter, flag.name)
                                        : fmt::format("      --{}", flag.name);
    left +=
        flag.is_bool ? fmt::format("[={}]", flag.otherwise) : fmt::format("={}", flag.otherwise);
    text += fmt::format("{:<42} {}\n", left, flag.help);
  }
  return text;
}

}  // namespace trireme::kvcli
