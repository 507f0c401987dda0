#pragma once

#include <string>
#include <string_view>

#include "rpc/http.h"
#include "rpc/server.h"

/// Who may see a server's pages, who may change something through them, and what a browser is told
/// to keep to. docs/pages.md.
namespace trireme::web {

/// With every answer: nothing from elsewhere is loaded, run or asked, and no other site shows it.
inline constexpr std::string_view kSafetyHeaders =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'\r\n"
    "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\nCache-Control: no-store\r\n";
/// For a page that has its style in itself and no script at all.
inline constexpr std::string_view kStaticPageHeaders =
    "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"
    "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\nCache-Control: no-store\r\n";

enum class Viewers {
  kNobody,
  kLocal,  ///< Programs of this machine, by names that no other site can have.
  kAll,
};
struct PageRules {
  Viewers viewers = Viewers::kLocal;
  bool admin = false;  ///< POST is answered.
};

/// The connection comes from this machine.
bool IsLocalPeer(std::string_view peer);
/// An IP address, localhost or this machine's own name, with or without a port: no site elsewhere
/// can be at such a name, as one could at a name of its own that it points here.
bool IsOwnName(std::string_view host);

/// Empty: the request may be answered. Otherwise one line for the user.
std::string WhyNotShown(const PageRules& rules, const rpc::HttpRequest& request);
/// The same of a POST: only from a page of this very server.
std::string WhyNotChanged(const PageRules& rules, const rpc::HttpRequest& request);

using PageHandler = rpc::HttpHandler;
/// HandleGet and HandlePost for those who may.
void HandleGet(rpc::Server& on, std::string path, const PageRules& rules, PageHandler handler);
void HandlePost(rpc::Server& on, std::string path, const PageRules& rules, PageHandler handler);

void SendJson(rpc::HttpResponder& to, std::string json, int status = 200);
void SendText(rpc::HttpResponder& to, int status, std::string text);
/// A file of web/, with `fallback` where it says so: what is shown without scripts.
void SendAsset(rpc::HttpResponder& to, std::string_view name, std::string_view fallback = {});

/// The value of `name` in "a=1&b=2", decoded; empty when there is none.
std::string QueryValue(std::string_view query, std::string_view name);

}  // namespace trireme::web
