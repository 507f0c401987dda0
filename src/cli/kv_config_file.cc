#include "cli/kv_config_file.h"

#include <yaml.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>

#include "base/status_macros.h"
#include "cli/kv_serve_table.h"
#include "fmt/format.h"

namespace trireme::cli {
namespace {

constexpr std::string_view kClientTls = "client-transport-security",
                           kPeerTls = "peer-transport-security", kFlag = "--config-file";

absl::Status Bad(const yaml_mark_t& at, std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("line {}: {}", at.line + 1, what));
}

std::string_view TextOf(const yaml_node_t& node) {
  return {reinterpret_cast<const char*>(node.data.scalar.value), node.data.scalar.length};
}

bool IsNull(const yaml_node_t& node) {
  return node.type == YAML_SCALAR_NODE && node.data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
         (TextOf(node).empty() || TextOf(node) == "~" || TextOf(node) == "null");
}

/// The flag of a key in one of the two sections for TLS.
std::string TlsFlag(std::string_view section, std::string_view key) {
  const bool peer = section == kPeerTls;
  if (key == "crl-file") return peer ? "--peer-crl-file" : "--client-crl-file";
  if (key == "allowed-cn") return peer ? "--peer-cert-allowed-cn" : "--client-cert-allowed-cn";
  if (key == "allowed-hostname")
    return peer ? "--peer-cert-allowed-hostname" : "--client-cert-allowed-hostname";
  return fmt::format("--{}{}", peer ? "peer-" : "", key);
}

class Document {
 public:
  ~Document() {
    if (loaded_) yaml_document_delete(&document_);
    yaml_parser_delete(&parser_);
  }
  explicit Document(std::string_view text) {
    yaml_parser_initialize(&parser_);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()),
                                 text.size());
    loaded_ = yaml_parser_load(&parser_, &document_) != 0;
  }
  Document(const Document&) = delete;
  Document& operator=(const Document&) = delete;

  absl::StatusOr<std::vector<std::string>> Flags() {
    if (!loaded_) return Bad(parser_.problem_mark, parser_.problem);
    const yaml_node_t* root = yaml_document_get_root_node(&document_);
    if (root == nullptr) return flags_;  // nothing but comments
    TRIREME_RETURN_IF_ERROR(AddSection("", *root));
    return flags_;
  }

 private:
  const yaml_node_t& At(int item) { return *yaml_document_get_node(&document_, item); }

  absl::Status AddSection(std::string_view section, const yaml_node_t& map) {
    if (map.type != YAML_MAPPING_NODE)
      return Bad(map.start_mark, "give keys with values, as `name: m1`");
    for (auto* pair = map.data.mapping.pairs.start; pair < map.data.mapping.pairs.top; ++pair) {
      const yaml_node_t &key = At(pair->key), &value = At(pair->value);
      if (key.type != YAML_SCALAR_NODE) return Bad(key.start_mark, "a key is one word");
      const std::string_view name = TextOf(key);
      const bool nested = section.empty() && (name == kClientTls || name == kPeerTls);
      if (IsNull(value)) continue;
      TRIREME_RETURN_IF_ERROR(nested ? AddSection(name, value) : AddFlag(section, key, value));
    }
    return absl::OkStatus();
  }

  absl::Status AddFlag(std::string_view section, const yaml_node_t& key, const yaml_node_t& value) {
    const std::string_view name = TextOf(key);
    const std::string flag = section.empty() ? fmt::format("--{}", name) : TlsFlag(section, name);
    if (FindServeFlag(flag) == nullptr || flag == kFlag)
      return Bad(key.start_mark,
                 fmt::format("there is no key '{}'{}", name,
                             section.empty() ? "" : fmt::format(" in {}", section)));
    const auto text = ValueOf(value);
    if (!text)
      return Bad(value.start_mark, fmt::format("give one value for '{}', or a list", name));
    if (!text->empty()) flags_.push_back(fmt::format("{}={}", flag, *text));
    return absl::OkStatus();
  }

  std::optional<std::string> ValueOf(const yaml_node_t& node) {
    if (node.type == YAML_SCALAR_NODE) return std::string(TextOf(node));
    if (node.type != YAML_SEQUENCE_NODE) return std::nullopt;
    std::string all;
    for (auto* item = node.data.sequence.items.start; item < node.data.sequence.items.top; ++item) {
      if (At(*item).type != YAML_SCALAR_NODE) return std::nullopt;
      if (!all.empty()) all += ",";
      all += TextOf(At(*item));
    }
    return all;
  }

  yaml_parser_t parser_{};
  yaml_document_t document_{};
  bool loaded_ = false;
  std::vector<std::string> flags_;
};

}  // namespace

absl::StatusOr<std::vector<std::string>> FlagsInConfig(std::string_view text) {
  return Document(text).Flags();
}

absl::StatusOr<std::vector<std::string>> FlagsInConfigFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file)
    return absl::InvalidArgumentError(
        fmt::format("{} '{}': give a file that can be read", kFlag, path));
  auto flags = FlagsInConfig(text);
  if (flags.ok()) return flags;
  return absl::InvalidArgumentError(
      fmt::format("{} '{}', {}", kFlag, path, std::string(flags.status().message())));
}

std::string ConfigFileIn(const std::vector<std::string>& arguments) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == kFlag) return i + 1 < arguments.size() ? arguments[i + 1] : "";
    if (arguments[i].starts_with(fmt::format("{}=", kFlag)))
      return arguments[i].substr(kFlag.size() + 1);
  }
  const char* variable = std::getenv("ETCD_CONFIG_FILE");
  return variable == nullptr ? "" : variable;
}

}  // namespace trireme::cli
