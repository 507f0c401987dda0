#include "cli/man_page.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <vector>

#include "base/status_macros.h"
#include "cli/command_table.h"
#include "cli/run_command.h"
#include "cli/say.h"
#include "fmt/format.h"

namespace trireme::cli {
namespace {

/// `text` for a line of text: nothing in it is markup, and a flag's dashes stay dashes.
std::string Escaped(std::string_view text) {
  std::string escaped = text.starts_with(".") || text.starts_with("'") ? "\\&" : "";
  char before = ' ';
  for (const char c : text) {
    if (c == '\\') {
      escaped += "\\e";
    } else if (c == '-' && (before == ' ' || before == '-' || before == '`' || before == '(')) {
      escaped += "\\-";
    } else {
      escaped += c;
    }
    before = c;
  }
  return escaped;
}

/// A word of a macro's line that must not be taken for another macro, or for a sign.
std::string Argument(std::string_view text) {
  return "\\&" + Escaped(text);
}

std::string Head(const FlagRow& flag) {
  if (flag.positional()) return ".It Ar " + Argument(flag.name) + "\n";
  std::string head = ".It ";
  if (!flag.letter.empty()) head += "Fl " + flag.letter.substr(1) + " , ";
  head += "Fl " + flag.name.substr(1);
  if (flag.optional_value) {
    head += fmt::format(" Ns Op = Ns Ar {}", fmt::join(flag.choices, "|"));
  } else if (!flag.value.empty()) {
    head += " Ar " + Argument(flag.value);
  }
  return head + "\n";
}

std::string List(const std::vector<FlagRow>& flags) {
  std::string text, minor;
  for (const FlagRow& flag : flags) {
    if (flag.minor) {
      minor += Head(flag) + Escaped(flag.help) + "\n";
    } else {
      text += Head(flag) + Escaped(flag.help) + (flag.required ? " (required)\n" : "\n");
    }
  }
  if (!text.empty()) text = ".Bl -tag -width Ds\n" + text + ".El\n";
  if (minor.empty()) return text;
  return text + ".Pp\nTaken for the sake of scripts, or refused in words:\n.Bl -tag -width Ds\n" +
         minor + ".El\n";
}

/// Each sentence on a line of its own, as mdoc has it.
std::string Sentences(std::string_view text) {
  std::string lines = Escaped(text);
  for (std::size_t at = 0; (at = lines.find(". ", at)) != std::string::npos;) lines[++at] = '\n';
  return lines;
}

std::string Section(const CommandRow& row) {
  return fmt::format(".Ss trireme {}\n.Dl trireme {} {}\n.Pp\n{}\n{}", row.path, row.path,
                     Escaped(row.usage), Sentences(row.summary), List(row.flags));
}

class Page {
 public:
  explicit Page(std::string_view hand_written) : hand_written_(hand_written) {}

  absl::StatusOr<std::string> Make() {
    for (std::string_view rest = hand_written_; !rest.empty();) {
      const std::size_t end = std::min(rest.find('\n'), rest.size());
      TRIREME_RETURN_IF_ERROR(Add(std::string(rest.substr(0, end))));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return std::move(text_);
  }

 private:
  absl::Status Add(const std::string& line) {
    if (!line.starts_with("@")) {
      text_ += line + "\n";
      return absl::OkStatus();
    }
    const std::size_t blank = std::min(line.find(' '), line.size());
    const std::string what = line.substr(0, blank);
    const std::string path = line.substr(std::min(blank + 1, line.size()));
    if (what == "@version") {
      text_ += ".Os trireme " TRIREME_VERSION "\n";
      return absl::OkStatus();
    }
    if (what == "@commands" && !CommandsBelow(path).empty()) return AddBelow(path);
    const CommandRow* row = FindCommand(path);
    if (row != nullptr && (what == "@command" || what == "@flags")) {
      text_ += what == "@flags" ? List(row->flags) : Section(*row);
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError(fmt::format("no such line or command: '{}'", line));
  }

  absl::Status AddBelow(const std::string& path) {
    for (const CommandRow& row : CommandTable()) {
      if (!row.path.starts_with(path + " ") || HasItsOwn(row.path)) continue;
      const std::string above = row.path.substr(0, row.path.rfind(' '));
      if (above == path || FindCommand(above) == nullptr) text_ += Section(row);
    }
    return absl::OkStatus();
  }

  bool HasItsOwn(const std::string& path) const {
    return hand_written_.find("\n@command " + path + "\n") != std::string_view::npos;
  }

  const std::string_view hand_written_;
  std::string text_;
};

}  // namespace

absl::StatusOr<std::string> ManPage(std::string_view hand_written) {
  return Page(hand_written).Make();
}

int RunManPage(const std::string& file) {
  std::ifstream in(file);
  const std::string hand_written{std::istreambuf_iterator<char>(in), {}};
  if (!in) {
    return WrongUse(
        absl::InvalidArgumentError(fmt::format("--man '{}': give a file that can be read", file)));
  }
  const auto page = ManPage(hand_written);
  if (!page.ok()) {
    return WrongUse(absl::InvalidArgumentError(
        fmt::format("--man '{}': {}", file, std::string(page.status().message()))));
  }
  Say(stdout, "{}", *page);
  return FlushOutput(kDone);
}

}  // namespace trireme::cli
