#include "web/page_rules.h"

#include <arpa/inet.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "fmt/format.h"
#include "web/assets.h"

namespace trireme::web {
namespace {

constexpr std::string_view kFallbackMark = "<!--fallback-->";

/// "host:port", "[v6]:port" or "host" without the port and the brackets.
std::string WithoutPort(std::string_view text) {
  if (text.starts_with('[')) return std::string(text.substr(1, text.find(']') - 1));
  const std::size_t colon = text.rfind(':');
  if (colon == text.npos || text.find(':') != colon) return std::string(text);
  return std::string(text.substr(0, colon));
}

bool IsIpAddress(const std::string& text) {
  unsigned char bytes[16];
  return ::inet_pton(AF_INET, text.c_str(), bytes) == 1 ||
         ::inet_pton(AF_INET6, text.c_str(), bytes) == 1;
}

std::string MachineName() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

int HexOf(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const int lower = std::tolower(static_cast<unsigned char>(c));
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::string Decoded(std::string_view text) {
  std::string to;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && HexOf(text[i + 1]) >= 0 &&
        HexOf(text[i + 2]) >= 0) {
      to += static_cast<char>(HexOf(text[i + 1]) * 16 + HexOf(text[i + 2]));
      i += 2;
    } else {
      to += text[i] == '+' ? ' ' : text[i];
    }
  }
  return to;
}

}  // namespace

bool IsLocalPeer(std::string_view peer) {
  if (peer.starts_with("unix:")) return true;
  const std::string host = WithoutPort(peer);
  return host.starts_with("127.") || host == "::1" || host.starts_with("::ffff:127.");
}

bool IsOwnName(std::string_view host) {
  std::string name = WithoutPort(host);
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
  return name.empty() || name == "localhost" || name == MachineName() || IsIpAddress(name);
}

std::string WhyNotShown(const PageRules& rules, const rpc::HttpRequest& request) {
  if (rules.viewers == Viewers::kAll) return {};
  if (rules.viewers == Viewers::kNobody) return "the pages are off (--http-pages off)";
  if (!IsLocalPeer(request.peer))
    return "the pages are for this machine only; --http-pages all shows them to everyone";
  if (IsOwnName(request.host)) return {};
  return "the pages are shown at an address or localhost, not at a name of another site";
}

std::string WhyNotChanged(const PageRules& rules, const rpc::HttpRequest& request) {
  if (!rules.admin) return "the pages only show; --http-admin lets them change something";
  if (std::string why = WhyNotShown(rules, request); !why.empty()) return why;
  if (!IsOwnName(request.host)) return "changes are taken at an address or localhost only";
  // Every port that takes changes speaks plain HTTP: those with TLS take none (docs/pages.md).
  if (request.origin != "http://" + request.host)
    return "changes are taken from this server's own pages only (Origin)";
  if (!request.content_type.starts_with("application/json"))
    return "changes are taken as application/json only";
  return {};
}

void HandleGet(rpc::Server& on, std::string path, const PageRules& rules, PageHandler handler) {
  on.HandleGet(std::move(path),
               [rules, handler = std::move(handler)](const rpc::HttpRequest& request, auto to) {
                 const std::string why = WhyNotShown(rules, request);
                 why.empty() ? handler(request, std::move(to)) : SendText(*to, 403, why + "\n");
               });
}

void HandlePost(rpc::Server& on, std::string path, const PageRules& rules, PageHandler handler) {
  on.HandlePost(std::move(path),
                [rules, handler = std::move(handler)](const rpc::HttpRequest& request, auto to) {
                  const std::string why = WhyNotChanged(rules, request);
                  why.empty() ? handler(request, std::move(to)) : SendText(*to, 403, why + "\n");
                });
}

void SendJson(rpc::HttpResponder& to, std::string json, int status) {
  to.Reply({status, "application/json", std::move(json), std::string(kSafetyHeaders)});
}

void SendText(rpc::HttpResponder& to, int status, std::string text) {
  to.Reply({status, "text/plain; charset=utf-8", std::move(text), std::string(kSafetyHeaders)});
}

void SendAsset(rpc::HttpResponder& to, std::string_view name, std::string_view fallback) {
  const Asset* asset = FindAsset(name);
  if (asset == nullptr) return SendText(to, 404, "no such file\n");
  std::string body(asset->bytes);
  if (const std::size_t at = body.find(kFallbackMark); at != body.npos)
    body.replace(at, kFallbackMark.size(), fallback);
  to.Reply({200, std::string(asset->content_type), std::move(body), std::string(kSafetyHeaders)});
}

std::string QueryValue(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    const std::size_t equals = std::min(pair.find('='), pair.size());
    if (pair.substr(0, equals) != name) continue;
    return Decoded(pair.substr(std::min(equals + 1, pair.size())));
  }
  return {};
}

}  // namespace trireme::web
