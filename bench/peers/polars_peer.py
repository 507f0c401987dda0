"""The benchmark's jobs in Polars, lazily and with its streaming engine.

usage: polars_peer.py JOB OUT INPUT...
"""
import sys

import polars as pl


def lines(inputs):
    # A line is one column: the separator is a byte that the data does not have.
    return pl.scan_csv(inputs, has_header=False, new_columns=["line"], schema={"line": pl.String},
                       separator="\x01", quote_char=None, include_file_paths="path")


def words(inputs):
    split = lines(inputs).select(pl.col("path"), pl.col("line").str.split(" ").alias("word"))
    return split.explode("word").filter(pl.col("word") != "")


def wordcount(inputs):
    return words(inputs).group_by("word").agg(pl.len()).sort("word")


def sort(inputs):
    return lines(inputs).select("line").sort("line")


def index(inputs):
    pairs = words(inputs).unique(["word", "path"])
    pairs = pairs.with_columns(pl.col("path").str.extract("([^/]*)$").alias("name"))
    lists = pairs.group_by("word").agg(pl.col("name").sort())
    names = pl.col("name").list
    return lists.select("word", (names.len().cast(pl.String) + " " + names.join(","))).sort("word")


def grep(inputs):
    return lines(inputs).select("line").filter(pl.col("line").str.contains("zqjxvkw", literal=True))


def main():
    job, out, *inputs = sys.argv[1:]
    frame = {"wordcount": wordcount, "sort": sort, "index": index, "grep": grep}[job](inputs)
    frame.sink_csv(out, include_header=False, separator="\t", quote_style="never")


main()
