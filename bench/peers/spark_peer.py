"""The benchmark's jobs on Spark in local mode, in its DataFrame API.

usage: spark_peer.py JOB OUT INPUT...        OUT becomes a folder of part files
"""
import os
import sys

from pyspark.sql import SparkSession
from pyspark.sql import functions as f


def words(lines):
    split = lines.select("file", f.explode(f.split("value", " ")).alias("word"))
    return split.filter(f.col("word") != "")


def wordcount(lines):
    return words(lines).groupBy("word").count().orderBy("word").select(
        f.concat_ws("\t", "word", "count").alias("value"))


def sort(lines):
    return lines.select("value").orderBy("value")


def index(lines):
    names = words(lines).select("word", f.element_at(f.split("file", "/"), -1).alias("name"))
    lists = names.groupBy("word").agg(f.sort_array(f.collect_set("name")).alias("names"))
    value = f.concat_ws(" ", f.size("names"), f.concat_ws(",", "names"))
    return lists.orderBy("word").select(f.concat_ws("\t", "word", value).alias("value"))


def grep(lines):
    return lines.select("value").filter(f.col("value").contains("zqjxvkw"))


def main():
    job, out, *inputs = sys.argv[1:]
    cores = len(os.sched_getaffinity(0))
    session = (SparkSession.builder.master(f"local[{cores}]").config("spark.driver.memory", "6g")
               .config("spark.ui.enabled", "false").config("spark.local.dir", out + ".tmp")
               .config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
               .config("spark.sql.shuffle.partitions", str(4 * cores)).getOrCreate())
    lines = session.read.text(inputs).withColumn("file", f.input_file_name())
    {"wordcount": wordcount, "sort": sort, "index": index, "grep": grep}[job](lines).write.text(out)
    session.stop()


main()
