#include "mapreduce/cluster/attempt.h"

#include "base/archive.h"
#include "fmt/format.h"

namespace trireme::mapreduce {

std::string StoredMapOutput(const JobSetup& job, std::uint32_t map, std::uint64_t attempt) {
  return fmt::format("{}/map-{}-{:x}.run", job.intermediate, map, attempt);
}

Isolation DefaultIsolation(const JobCode& code) {
  const bool trusted =
      std::holds_alternative<ReadyCode>(code) || std::holds_alternative<StreamingCode>(code);
  return trusted ? Isolation::kThread : Isolation::kProcess;
}

template <typename A>
void Fields(A& archive, ReadyCode& code) {
  archive(code.name);
}
template <typename A>
void Fields(A& archive, PluginCode& code) {
  archive(code.path);
}
template <typename A>
void Fields(A& archive, BinaryCode& code) {
  archive(code.path);
}
template <typename A>
void Fields(A& archive, StreamingCode& code) {
  archive(code.mapper, code.combiner, code.reducer);
}
template <typename A>
void Fields(A& archive, InputFormat& format) {
  archive(format.kind, format.record_bytes);
}
template <typename A>
void Fields(A& archive, JobSettings& settings) {
  archive(settings.name, settings.parameters, settings.input_format, settings.reduces,
          settings.compress_output, settings.durability);
}
template <typename A>
void Fields(A& archive, JobSetup& setup) {
  archive(setup.id, setup.code, setup.settings, setup.isolation, setup.working_directory,
          setup.intermediate);
}
template <typename A>
void Fields(A& archive, InputRange& range) {
  archive(range.path, range.offset, range.length);
}
template <typename A>
void Fields(A& archive, Split& split) {
  archive(split.ranges);
}
template <typename A>
void Fields(A& archive, Segment& segment) {
  archive(segment.offset, segment.bytes, segment.records);
}
template <typename A>
void Fields(A& archive, MapInput& input) {
  archive(input.path, input.segments);
}
template <typename A>
void Fields(A& archive, AttemptSpec& spec) {
  archive(spec.id, spec.phase, spec.index, spec.number, spec.split, spec.skip, spec.maps,
          spec.output_path);
}
template <typename A>
void Fields(A& archive, TaskResult& result) {
  archive(result.counters, result.input_bytes, result.input_records, result.input_groups,
          result.output_bytes, result.output_records, result.spilled_records, result.spills);
}

namespace plan {
template <typename A>
void Fields(A& archive, RecordPosition& position) {
  archive(position.file, position.offset);
}
}  // namespace plan

std::string Encode(const JobSetup& setup) {
  return EncodeFields(setup);
}
bool Decode(std::string_view bytes, JobSetup* setup) {
  return DecodeFields(bytes, setup) && setup->isolation <= Isolation::kThread &&
         setup->settings.input_format.kind <= InputFormat::Kind::kFixed &&
         setup->settings.durability <= io::Durability::kProcess;
}
std::string Encode(const AttemptSpec& spec) {
  return EncodeFields(spec);
}
bool Decode(std::string_view bytes, AttemptSpec* spec) {
  return DecodeFields(bytes, spec) && spec->phase <= plan::Phase::kReduce;
}
std::string Encode(const MapInput& input) {
  return EncodeFields(input);
}
bool Decode(std::string_view bytes, MapInput* input) {
  return DecodeFields(bytes, input);
}
std::string Encode(const TaskResult& result) {
  return EncodeFields(result);
}
bool Decode(std::string_view bytes, TaskResult* result) {
  return DecodeFields(bytes, result);
}

}  // namespace trireme::mapreduce
