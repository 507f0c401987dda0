"""The benchmark's jobs in DuckDB's SQL.

usage: duckdb_peer.py JOB OUT MEMORY INPUT...        (MEMORY: a limit such as 256MB, or "none")
"""
import sys

import duckdb

# A line is one column: the delimiter and the quote are bytes that the data does not have.
LINES = """read_csv({files}, columns={{'line': 'VARCHAR'}}, header=false, delim='\x01', quote='',
                    escape='', filename=true, auto_detect=false)"""
WORDS = r"""(SELECT filename, unnest(string_split(line, ' ')) AS word FROM {lines})"""
JOBS = {
    "wordcount": """SELECT word, count(*) FROM {words} WHERE word <> '' GROUP BY word ORDER BY word""",
    "sort": """SELECT line FROM {lines} ORDER BY line""",
    "index": r"""SELECT word, count(*) || ' ' || string_agg(name, ',' ORDER BY name) FROM
        (SELECT DISTINCT word, regexp_extract(filename, '[^/]*$') AS name FROM {words} WHERE word <> '')
        GROUP BY word ORDER BY word""",
    "grep": """SELECT line FROM {lines} WHERE contains(line, 'zqjxvkw')""",
    "ngrams": """SELECT gram, count(*) FROM (SELECT unnest(list_transform(range(1, len(w) - 1),
        lambda i: w[i] || ' ' || w[i + 1] || ' ' || w[i + 2])) AS gram
        FROM (SELECT string_split(line, ' ') AS w FROM {lines})) GROUP BY gram""",
}


def main():
    job, out, memory, *inputs = sys.argv[1:]
    files = "[" + ", ".join("'" + path.replace("'", "''") + "'" for path in inputs) + "]"
    lines = LINES.format(files=files)
    query = JOBS[job].format(lines=lines, words=WORDS.format(lines=lines))
    connection = duckdb.connect()
    connection.execute(f"SET temp_directory = '{out}.tmp'")
    connection.execute("SET preserve_insertion_order = " + ("true" if job == "sort" else "false"))
    if memory != "none":
        connection.execute(f"SET memory_limit = '{memory}'")
    connection.execute(f"COPY ({query}) TO '{out}' (FORMAT csv, HEADER false, DELIMITER '\t', QUOTE '', "
                       "ESCAPE '')")


main()
