#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"
#include "fmt/format.h"
#include "mapreduce/fs/text.h"

namespace trireme::mapreduce {

/// An HTTP server for tests, which answers as it is told: real sockets, scripted words.
class FakeStore {
 public:
  struct Request {
    std::string method, target, head, body;
  };
  /// The raw answer; empty: cut the connection. An answer with "Connection: close" is followed by
  /// that.
  using Answer = std::function<std::string(const Request&)>;

  explicit FakeStore(Answer answer) : answer_(std::move(answer)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    TRIREME_CHECK(::bind(listener_, generic, size) == 0 && ::listen(listener_, 64) == 0);
    TRIREME_CHECK(::getsockname(listener_, generic, &size) == 0);
    port_ = ntohs(address.sin_port);
    accepter_ = std::thread([this] { Accept(); });
  }
  ~FakeStore() {
    ::shutdown(listener_, SHUT_RDWR);
    accepter_.join();
    {
      const std::lock_guard lock(mutex_);
      for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
    }
    for (std::thread& server : servers_) server.join();
    ::close(listener_);
  }

  std::string endpoint() const { return fmt::format("http://127.0.0.1:{}", port_); }
  std::vector<Request> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  int connections() const { return connections_; }

  static std::string Reply(int status, const std::string& body, const std::string& headers = "") {
    return fmt::format("HTTP/1.1 {} x\r\nContent-Length: {}\r\n{}\r\n{}", status, body.size(),
                       headers, body);
  }

 private:
  void Accept() {
    for (int fd; (fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
      ++connections_;
      const std::lock_guard lock(mutex_);
      open_.push_back(fd);
      servers_.emplace_back([this, fd] { Serve(fd); });
    }
  }

  void Serve(int fd) {
    std::string input;
    for (Request request; Read(fd, &input, &request);) {
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(request);
      }
      const std::string answer = answer_(request);
      const bool sent = !answer.empty() && ::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) ==
                                               static_cast<ssize_t>(answer.size());
      if (!sent || answer.find("Connection: close") != std::string::npos) break;
    }
    ::shutdown(fd, SHUT_RDWR);
  }

  static bool Read(int fd, std::string* input, Request* request) {
    std::size_t head_end = 0, size = 0;
    while (head_end == 0 || input->size() < head_end + size) {
      char buffer[65536];
      const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
      if (n <= 0) return false;
      input->append(buffer, static_cast<std::size_t>(n));
      const std::size_t end = input->find("\r\n\r\n");
      if (end == std::string::npos) continue;
      head_end = end + 4;
      request->head = Lowered(input->substr(0, end + 2));
      const std::size_t length = request->head.find("\r\ncontent-length:");
      if (length == std::string::npos) continue;
      const std::size_t from = length + 17;
      size =
          ParseNumber64(Trimmed(request->head.substr(from, request->head.find('\r', from) - from)))
              .value_or(0);
    }
    const std::vector<std::string_view> words = Split(*input, ' ');
    request->method = words[0];
    request->target = words[1];
    request->body = input->substr(head_end, size);
    input->erase(0, head_end + size);
    return true;
  }

  const Answer answer_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<int> connections_{0};
  mutable std::mutex mutex_;
  std::vector<int> open_;  // Guarded by mutex_, as the rest.
  std::vector<std::thread> servers_;
  std::vector<Request> requests_;
  std::thread accepter_;
};

}  // namespace trireme::mapreduce
