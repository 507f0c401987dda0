"""A streaming job on Spark: pipe.py INPUT REDUCES {MAPPER REDUCER OUTPUT}..."""
import sys

from pyspark import SparkConf, SparkContext


def run(context, text, reduces, mapper, reducer, output):
    pairs = context.textFile(text).pipe(mapper, checkCode=True).map(lambda line: line.split("\t", 1))
    # What a reducer is promised: all of a key in one place, and in order.
    sorted_pairs = pairs.map(tuple).repartitionAndSortWithinPartitions(reduces)
    lines = sorted_pairs.map("\t".join).pipe(reducer, checkCode=True)
    lines.saveAsTextFile(output)


def main(text, reduces, *jobs):
    conf = SparkConf().setMaster("local[2]").setAppName("pipe")
    for name, value in (("spark.ui.enabled", "false"), ("spark.driver.memory", "512m"),
                        ("spark.driver.host", "127.0.0.1"), ("spark.driver.bindAddress", "127.0.0.1")):
        conf.set(name, value)
    context = SparkContext(conf=conf)
    context.setLogLevel("ERROR")
    for at in range(0, len(jobs), 3):
        run(context, text, int(reduces), *jobs[at:at + 3])
    context.stop()


main(*sys.argv[1:])
