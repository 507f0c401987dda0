"""The parts of bench/mr: measuring, data, peers, the rows of the table and its printing."""
