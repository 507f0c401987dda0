#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "rpc/request_head.h"
#include "rpc/server_call.h"
#include "rpc/server_context.h"
#include "rpc/stream.h"

namespace trireme::rpc {

/// One call on the server: the HTTP/2 stream, and the handle that the method's handler holds.
class ServerStream final : public Stream, public ServerCall {
 public:
  ServerStream(std::shared_ptr<Loop> loop, std::shared_ptr<ServerContext> context,
               std::shared_ptr<const std::string> peer);
  ~ServerStream() override;

  std::shared_ptr<ServerStream> Self() {
    return std::static_pointer_cast<ServerStream>(shared_from_this());
  }

  // ServerCall, from any thread.
  std::string_view method() const override { return head_->path(); }
  std::string_view peer() const override { return *peer_; }
  const Metadata& request_metadata() const override { return head_->metadata(); }
  Loop& loop() const override { return *loop_; }
  absl::Time deadline() const override;
  bool cancelled() const override { return cancelled_.load(); }
  void OnCancel(absl::AnyInvocable<void()> callback) override;
  void AddInitialMetadata(std::string key, std::string value) override;
  void SendInitialMetadata() override;
  void AddTrailingMetadata(std::string key, std::string value) override;
  void Write(Payload message) override;
  absl::Status WriteBlocking(Payload message) override;
  std::size_t queued_bytes() const override { return queued_bytes_.load(); }
  void OnWritable(absl::AnyInvocable<void()> callback) override;
  void PauseReading() override;
  void ResumeReading() override;
  void Finish(absl::Status status) override;
  void FinishWith(Payload message) override;

  // Stream, on the loop thread.
  void OnHeader(std::string_view name, std::string_view value) override;
  void OnHeaders(bool end_stream) override;
  HeaderMemo::Meaning headers_meaning() const override {
    return new_head_ == nullptr ? nullptr : head_;
  }
  void OnKnownHeaders(const HeaderMemo::Meaning& meaning) override;
  void OnHeadersSent(bool end_stream) override;
  End EndOfOutput() override;

 private:
  struct Deadline final : Loop::Timer {
    explicit Deadline(ServerStream* s) : stream(s) {}
    void OnTimer() override { stream->OnDeadline(); }
    ServerStream* stream;
  };

  void DeliverMessage(std::string message) override;
  void DeliverEnd() override;
  void OnReceiveError(absl::Status status) override;
  void OnReceived() override;
  void OnSendQueueFull(absl::Status status) override;
  void HandleClosed(std::uint32_t error_code, const absl::Status& connection) override;

  RequestHead& NewHead();
  void CountStarted();
  bool Refuse();
  void RefuseMediaType();
  void StartDeadline();
  void OnDeadline();
  void BecomeCancelled();
  void CountHeld(std::size_t bytes);
  void CountHandled();
  void StartResponse();
  void DoWrite(Payload message);
  void DoFinish(absl::Status status);

  const std::shared_ptr<ServerContext> context_;
  const std::shared_ptr<const std::string> peer_;
  std::shared_ptr<const RequestHead> head_;  // From OnHeaders on.
  RequestHead* new_head_ = nullptr;          // head_ if it is our own, until trailers come.
  const Method* method_ = nullptr;
  MethodCounters* counters_ = nullptr;  // Of method_.
  Loop::Clock::time_point began_{};     // When its headers came.
  Metadata initial_metadata_;
  Metadata trailing_metadata_;

  bool headers_seen_ = false;
  bool has_request_ = false;
  std::string request_;
  std::size_t counted_bytes_ = 0;  // Of ours in the server's received_bytes_held.
  std::unique_ptr<CallHandler> handler_;
  absl::AnyInvocable<void()> on_cancel_;
  Deadline deadline_timer_{this};

  bool response_started_ = false;
  bool finished_ = false;
  bool ended_ = false;  // The last frame of the response has been submitted.
  bool trailers_submitted_ = false;
  absl::Status status_;
  std::atomic<bool> cancelled_{false};
};

}  // namespace trireme::rpc
