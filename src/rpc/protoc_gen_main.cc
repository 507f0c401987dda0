// protoc-gen-trireme: writes foo.trireme.h with a service class and a stub for each service.
#include <google/protobuf/compiler/code_generator.h>
#include <google/protobuf/compiler/plugin.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/printer.h>
#include <google/protobuf/io/zero_copy_stream.h>

#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

namespace {

namespace pb = google::protobuf;
using Variables = std::map<std::string, std::string>;

std::string CppName(const pb::Descriptor& type) {
  std::string nested = type.name();
  for (const auto* outer = type.containing_type(); outer; outer = outer->containing_type()) {
    nested = outer->name() + "_" + nested;
  }
  const std::string package = absl::StrReplaceAll(type.file()->package(), {{".", "::"}});
  return (package.empty() ? "::" : "::" + package + "::") + nested;
}

Variables VariablesOf(const pb::MethodDescriptor& method) {
  return {{"name", method.name()},
          {"in", CppName(*method.input_type())},
          {"out", CppName(*method.output_type())},
          {"path", "/" + method.service()->full_name() + "/" + method.name()}};
}

void PrintServiceMethod(const pb::MethodDescriptor& method, pb::io::Printer& out) {
  const Variables v = VariablesOf(method);
  if (method.client_streaming()) {
    out.Print(v,
              "virtual std::unique_ptr<::trireme::rpc::RequestHandler<$in$>> $name$(\n"
              "    ::trireme::rpc::ReplyWriter<$out$> replies) = 0;\n");
  } else if (method.server_streaming()) {
    out.Print(v,
              "virtual void $name$($in$ request,\n"
              "    ::trireme::rpc::ReplyWriter<$out$> replies) = 0;\n");
  } else {
    out.Print(v, "virtual void $name$(::trireme::rpc::UnaryCall<$in$, $out$> call) = 0;\n");
  }
}

void PrintRegistration(const pb::MethodDescriptor& method, pb::io::Printer& out) {
  Variables v = VariablesOf(method);
  if (method.client_streaming()) {
    out.Print(v,
              "server.RegisterMethod(\"$path$\",\n"
              "    ::trireme::rpc::ClientStreamingMethod<$in$, $out$>(\n"
              "        [this](::trireme::rpc::ReplyWriter<$out$> replies) {\n"
              "          return $name$(std::move(replies));\n"
              "        }));\n");
  } else if (method.server_streaming()) {
    out.Print(v,
              "server.RegisterMethod(\"$path$\",\n"
              "    ::trireme::rpc::ServerStreamingMethod<$in$, $out$>(\n"
              "        [this]($in$ request, ::trireme::rpc::ReplyWriter<$out$> replies) {\n"
              "          $name$(std::move(request), std::move(replies));\n"
              "        }));\n");
  } else {
    out.Print(v,
              "server.RegisterMethod(\"$path$\",\n"
              "    ::trireme::rpc::UnaryMethod<$in$, $out$>(\n"
              "        [this](::trireme::rpc::UnaryCall<$in$, $out$> call) {\n"
              "          $name$(std::move(call));\n"
              "        }));\n");
  }
}

void PrintService(const pb::ServiceDescriptor& service, pb::io::Printer& out) {
  out.Print(
      "/// Implement and pass to Server::Register. Methods run on an io thread, must not block.\n");
  out.Print("class $name$Service : public ::trireme::rpc::Service {\n public:\n", "name",
            service.name());
  out.Indent();
  for (int i = 0; i < service.method_count(); ++i) PrintServiceMethod(*service.method(i), out);
  out.Print("\nvoid RegisterWith(::trireme::rpc::Server& server) override {\n");
  out.Indent();
  for (int i = 0; i < service.method_count(); ++i) PrintRegistration(*service.method(i), out);
  out.Outdent();
  out.Print("}\n");
  out.Outdent();
  out.Print("};\n\n");
}

void PrintUnaryStub(const Variables& v, pb::io::Printer& out) {
  out.Print(v,
            "::absl::StatusOr<$out$> $name$(const $in$& request,\n"
            "    ::trireme::rpc::CallOptions options = {},\n"
            "    ::trireme::rpc::ReplyMetadata* metadata = nullptr) const {\n"
            "  return ::trireme::rpc::Unary<$in$, $out$>(channel_, \"$path$\", request,\n"
            "      std::move(options), metadata);\n"
            "}\n"
            "std::shared_ptr<::trireme::rpc::ClientCall> $name$Async(const $in$& request,\n"
            "    ::trireme::rpc::CallOptions options,\n"
            "    ::absl::AnyInvocable<void(::absl::StatusOr<$out$>)> done) const {\n"
            "  return ::trireme::rpc::UnaryAsync<$in$, $out$>(channel_, \"$path$\", request,\n"
            "      std::move(options), std::move(done));\n"
            "}\n");
}

void PrintStreamStub(const pb::MethodDescriptor& method, const Variables& v, pb::io::Printer& out) {
  if (method.client_streaming()) {
    out.Print(v,
              "::trireme::rpc::ClientStream<$in$, $out$> $name$(\n"
              "    ::trireme::rpc::CallOptions options = {}) const {\n"
              "  return {channel_, \"$path$\", std::move(options)};\n"
              "}\n");
  } else {
    out.Print(v,
              "::trireme::rpc::ClientStream<$in$, $out$> $name$(const $in$& request,\n"
              "    ::trireme::rpc::CallOptions options = {}) const {\n"
              "  return ::trireme::rpc::StartServerStream<$in$, $out$>(channel_, \"$path$\",\n"
              "      request, std::move(options));\n"
              "}\n");
  }
  out.Print(v,
            "::trireme::rpc::AsyncStream<$in$> $name$Async(::trireme::rpc::CallOptions options,\n"
            "    std::unique_ptr<::trireme::rpc::StreamHandler<$out$>> handler) const {\n"
            "  return ::trireme::rpc::StartAsyncStream<$in$, $out$>(channel_, \"$path$\",\n"
            "      std::move(options), std::move(handler));\n"
            "}\n");
}

void PrintStub(const pb::ServiceDescriptor& service, pb::io::Printer& out) {
  out.Print("/// Calls $name$ over a channel. Copyable, thread-safe.\n", "name", service.name());
  out.Print("class $name$Stub {\n public:\n", "name", service.name());
  out.Indent();
  out.Print(
      "explicit $name$Stub(std::shared_ptr<::trireme::rpc::Channel> channel)\n"
      "    : channel_(std::move(channel)) {}\n\n",
      "name", service.name());
  for (int i = 0; i < service.method_count(); ++i) {
    const auto& method = *service.method(i);
    const Variables v = VariablesOf(method);
    if (method.client_streaming() || method.server_streaming()) {
      PrintStreamStub(method, v, out);
    } else {
      PrintUnaryStub(v, out);
    }
  }
  out.Outdent();
  out.Print("\n private:\n  std::shared_ptr<::trireme::rpc::Channel> channel_;\n};\n\n");
}

class Generator : public pb::compiler::CodeGenerator {
 public:
  bool Generate(const pb::FileDescriptor* file, const std::string&,
                pb::compiler::GeneratorContext* context, std::string*) const override {
    const std::string base(absl::StripSuffix(file->name(), ".proto"));
    std::unique_ptr<pb::io::ZeroCopyOutputStream> stream(context->Open(base + ".trireme.h"));
    pb::io::Printer out(stream.get(), '$');
    out.Print("// Generated from $file$ by protoc-gen-trireme.\n#pragma once\n\n", "file",
              file->name());
    out.Print("#include \"$base$.pb.h\"\n#include \"rpc/service.h\"\n#include \"rpc/stub.h\"\n\n",
              "base", base);
    const std::string scope = absl::StrReplaceAll(file->package(), {{".", "::"}});
    if (!scope.empty()) out.Print("namespace $scope$ {\n\n", "scope", scope);
    for (int i = 0; i < file->service_count(); ++i) {
      PrintService(*file->service(i), out);
      PrintStub(*file->service(i), out);
    }
    if (!scope.empty()) out.Print("}  // namespace $scope$\n", "scope", scope);
    return true;
  }

  std::uint64_t GetSupportedFeatures() const override { return FEATURE_PROTO3_OPTIONAL; }
};

}  // namespace

int main(int argc, char** argv) {
  Generator generator;
  return pb::compiler::PluginMain(argc, argv, &generator);
}
