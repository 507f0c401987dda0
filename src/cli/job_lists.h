#pragma once

#include <string>

#include "trireme/mapreduce/v1/control.pb.h"

/// What a coordinator says, for people and for machines. Every text ends with a newline.
namespace trireme::cli {

std::string JobText(const mapreduce::v1::JobStatus& job);
std::string JobJson(const mapreduce::v1::JobStatus& job);
std::string JobsText(const mapreduce::v1::ListJobsReply& jobs);
std::string JobsJson(const mapreduce::v1::ListJobsReply& jobs);
std::string ClusterText(const mapreduce::v1::ListJobsReply& jobs,
                        const mapreduce::v1::ListWorkersReply& workers);
std::string ClusterJson(const mapreduce::v1::ListJobsReply& jobs,
                        const mapreduce::v1::ListWorkersReply& workers);
std::string CountersText(const mapreduce::v1::JobStatus& job);
std::string CountersJson(const mapreduce::v1::JobStatus& job);

}  // namespace trireme::cli
